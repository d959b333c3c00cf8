//! One validator's log: connect, read, resume.

use std::time::Duration;

use protocol::account::AccountId;
use protocol::btauth::{self, RequestParts};
use protocol::demand::{
    ApplyError, CHANGE_EVENT, Cursor, DemandEvent, DemandState, EVENTS_TARGET, INVENTORY_TARGET, STATE_EVENT,
};
use protocol::digest::Digest;
use protocol::signing::Keypair;
use reqwest::{Method, Response, StatusCode};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::sse::{BadEvent, EventReader, LogEvent};
use super::{Demand, DemandConfig, InventorySource, ValidatorDemand, pause};
use crate::clock;

/// Why a log cannot be read right now.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The HTTP client could not be made.
    #[error("the client for validators' demand logs could not be made")]
    Client(#[source] reqwest::Error),
    /// The validator does not answer, or its answer broke off.
    #[error("the validator does not answer")]
    NoAnswer(#[source] reqwest::Error),
    /// It was silent for too long.
    #[error("the validator was silent for {waited_ms} ms")]
    Silent {
        /// How long it was given.
        waited_ms: u64,
    },
    /// It refuses.
    #[error("the validator answers with status {status}: {message}")]
    Refused {
        /// Its HTTP status.
        status: u16,
        /// The beginning of what it says.
        message: String,
    },
    /// The log does not reach back to where we stopped.
    #[error("the validator's log does not reach back to {0}")]
    Gone(Cursor),
    /// An event is malformed.
    #[error("the log's stream is malformed")]
    Stream(#[from] BadEvent),
    /// An event's JSON is not what it should be.
    #[error("an event of the log is not of its form")]
    Form(#[from] serde_json::Error),
    /// An event's id is no cursor, or its data says otherwise.
    #[error("the event's id {0:?} is not its place in the log")]
    Place(String),
    /// The state is another validator's.
    #[error("the log is another validator's: {0}")]
    OtherValidator(AccountId),
    /// Events are missing.
    #[error("the log has a gap")]
    Apply(#[from] ApplyError),
    /// It ended.
    #[error("the log's stream ended")]
    Ended,
}

/// What every follower has.
#[derive(Clone)]
pub(super) struct Follower {
    pub http: reqwest::Client,
    pub hotkey: Keypair,
    pub config: DemandConfig,
    pub inventory: InventorySource,
    pub inventory_changes: watch::Receiver<u64>,
    pub demand: watch::Sender<Demand>,
    pub stop: CancellationToken,
    pub tasks: TaskTracker,
}

pub(super) fn client(config: &DemandConfig) -> Result<reqwest::Client, FollowError> {
    // Whichever part of the process comes first installs the provider; the second finds it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(milliseconds(config.connect_ms_max.get()))
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .build()
        .map_err(FollowError::Client)
}

fn milliseconds(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}

impl Follower {
    /// Follows one validator until stopped.
    pub async fn run(mut self, validator: AccountId, url: String, stop: CancellationToken) {
        let url = url.trim_end_matches('/').to_owned();
        let mut failures = 0;
        loop {
            let mut heard = false;
            let ended = tokio::select! {
                () = stop.cancelled() => return,
                ended = self.follow(validator, &url, &mut heard) => ended,
            };
            let Err(error) = ended;
            self.update(validator, |known| {
                known.connected = false;
                if matches!(error, FollowError::Gone(_) | FollowError::Apply(_) | FollowError::Place(_)) {
                    known.cursor = None;
                }
            });
            let gone = matches!(error, FollowError::Gone(_));
            failures = if heard || gone { 1 } else { failures + 1 };
            tracing::info!(%validator, failures, error = &error as &dyn std::error::Error, "a demand log broke off");
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause(&self.config, failures)) => {}
            }
        }
    }

    pub fn forget(&self, validator: &AccountId) {
        self.demand.send_if_modified(|demand| demand.validators.remove(validator).is_some());
    }

    async fn follow(
        &mut self,
        validator: AccountId,
        url: &str,
        heard: &mut bool,
    ) -> Result<std::convert::Infallible, FollowError> {
        let cursor = self.demand.borrow().validators.get(&validator).and_then(|known| known.cursor);
        let target = match cursor {
            Some(cursor) => format!("{EVENTS_TARGET}?after={cursor}"),
            None => EVENTS_TARGET.to_owned(),
        };
        let request = self.signed(Method::GET, url, &target, &[], &validator);
        let mut answer = self.head(request).await?;
        match (answer.status(), cursor) {
            (StatusCode::OK, _) => {}
            (StatusCode::GONE, Some(cursor)) => return Err(FollowError::Gone(cursor)),
            _ => return Err(refused(answer).await),
        }
        let mut events = EventReader::new(self.config.event_bytes_max.get());
        let silence = milliseconds(self.config.silence_ms_max.get());
        self.inventory_changes.mark_changed();
        loop {
            let piece = tokio::select! {
                piece = tokio::time::timeout(silence, answer.chunk()) => piece,
                Ok(()) = self.inventory_changes.changed() => {
                    self.inventory_changes.mark_unchanged();
                    self.push_inventory(validator, url).await;
                    continue;
                }
            };
            let silent = |_| FollowError::Silent { waited_ms: self.config.silence_ms_max.get().into() };
            let piece = piece.map_err(silent)?.map_err(FollowError::NoAnswer)?.ok_or(FollowError::Ended)?;
            *heard = true;
            events.push(&piece);
            while let Some(event) = events.next()? {
                self.take(validator, &event)?;
            }
            self.hear(validator);
        }
    }

    /// Notes that the validator is there, which nobody needs to be woken for.
    fn hear(&self, validator: AccountId) {
        self.demand.send_if_modified(|demand| {
            demand.validators.entry(validator).or_default().heard_at_ms = clock::unix_ms();
            false
        });
    }

    fn take(&self, validator: AccountId, event: &LogEvent) -> Result<(), FollowError> {
        let place = || FollowError::Place(event.id.clone());
        let cursor: Cursor = event.id.parse().map_err(|_| place())?;
        match event.name.as_str() {
            STATE_EVENT => {
                let state: DemandState = serde_json::from_str(&event.data)?;
                if state.validator != validator {
                    return Err(FollowError::OtherValidator(state.validator));
                }
                let heard_at_ms = clock::unix_ms();
                self.update(validator, |known| {
                    *known = ValidatorDemand {
                        book: state.book,
                        cursor: Some(cursor),
                        connected: true,
                        heard_at_ms,
                    };
                });
                Ok(())
            }
            CHANGE_EVENT => {
                let change: DemandEvent = serde_json::from_str(&event.data)?;
                let mut result = Ok(());
                self.update(validator, |known| {
                    let Some(mut last) = known.cursor.filter(|last| last.log == cursor.log) else {
                        result = Err(place());
                        return;
                    };
                    result = known.book.follow(&mut last, &change).map_err(FollowError::Apply);
                    if result.is_ok() && last != cursor {
                        result = Err(place());
                    }
                    known.cursor = Some(last);
                    known.connected = true;
                });
                result
            }
            // A newer validator may say more than this miner understands.
            _ => Ok(()),
        }
    }

    /// Tells the validator what this miner holds now. A failure costs nothing but time: it polls too.
    async fn push_inventory(&self, validator: AccountId, url: &str) {
        let body = match serde_json::to_vec(&self.inventory.make()) {
            Ok(body) => body,
            Err(error) => return tracing::error!(%error, "the inventory cannot be written as JSON"),
        };
        let request = self.signed(Method::POST, url, INVENTORY_TARGET, &body, &validator);
        let sent = self.head(request.header("content-type", "application/json").body(body)).await;
        let refusal = match sent {
            Ok(answer) if answer.status().is_success() => return,
            Ok(answer) => refused(answer).await,
            Err(error) => error,
        };
        tracing::debug!(%validator, error = &refusal as &dyn std::error::Error, "the inventory was not taken");
    }

    fn signed(
        &self,
        method: Method,
        url: &str,
        target: &str,
        body: &[u8],
        validator: &AccountId,
    ) -> reqwest::RequestBuilder {
        let parts = RequestParts { method: method.as_str(), target, body_sha256: Digest::of(body) };
        let headers = btauth::sign(&self.hotkey, &parts, validator, clock::unix_ns());
        let request = self.http.request(method, format!("{url}{target}"));
        headers.into_iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    /// Sends and waits for the answer's head, not for its body, which may never end.
    async fn head(&self, request: reqwest::RequestBuilder) -> Result<Response, FollowError> {
        let waited_ms = self.config.connect_ms_max.get();
        tokio::time::timeout(milliseconds(waited_ms), request.send())
            .await
            .map_err(|_| FollowError::Silent { waited_ms: waited_ms.into() })?
            .map_err(FollowError::NoAnswer)
    }

    fn update(&self, validator: AccountId, change: impl FnOnce(&mut ValidatorDemand)) {
        self.demand.send_if_modified(|demand| {
            let known = demand.validators.entry(validator).or_default();
            let before = known.clone();
            change(known);
            *known != before
        });
    }
}

async fn refused(mut answer: Response) -> FollowError {
    let status = answer.status().as_u16();
    let mut text = Vec::new();
    while text.len() < 512
        && let Ok(Some(piece)) = answer.chunk().await
    {
        text.extend_from_slice(&piece);
    }
    text.truncate(512);
    FollowError::Refused { status, message: String::from_utf8_lossy(&text).into_owned() }
}

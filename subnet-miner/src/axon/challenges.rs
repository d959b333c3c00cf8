//! `POST /challenge`: what a validator asks to be shown beside calls, of [`protocol::challenge`].
//!
//! Bounded in every way: permitted validators only, one challenge at a time for all of them, a pause between two of one validator, a limit
//! to the work, and no answer after its time. It comes after paid work: reading a few pieces costs next to nothing, and a product is
//! computed on one thread that rests while answers are in the making, for as long as it can be done in time.
//!
//! What is shown is checked before it is signed, because a wrong answer under this hotkey convicts it. So a challenge that names another
//! file or root than this miner's is refused, and so is everything when the disk gives other bytes than it was given.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use parity_scale_codec::Encode;
use protocol::account::AccountId;
use protocol::challenge::{Answer, Challenge, Expected, Shown, SignedChallenge, Task, WeightsTask};
use protocol::digest::Digest;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::AxonError;
use super::{AxonState, product};
use crate::clock;
use crate::models::Models;

/// How long a product rests before it looks again whether paid work has ended.
const REST: Duration = Duration::from_millis(5);

/// What this miner shows to validators that ask, and how much that may cost it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChallengesConfig {
    /// Least time between two challenges of one validator about weights, in milliseconds. Default 1000.
    pub weights_pause_ms: u64,
    /// Least time between two products for one validator, in milliseconds. Default 600000.
    pub product_pause_ms: u64,
    /// Multiplications of one product at most; 0 computes none. Default 2^36, some ten seconds of one processor.
    pub product_work_max: u64,
    /// Memory for one product at most, in bytes. Default 256 MiB.
    pub product_bytes_max: u64,
}

impl Default for ChallengesConfig {
    fn default() -> Self {
        Self {
            weights_pause_ms: 1_000,
            product_pause_ms: 600_000,
            product_work_max: 1 << 36,
            product_bytes_max: 256 << 20,
        }
    }
}

/// Who may have a challenge answered now.
#[derive(Debug)]
pub(super) struct Turns {
    config: ChallengesConfig,
    turn: Arc<Semaphore>,
    /// When each validator had its last answer about weights, and its last product. No more than there are permitted callers.
    last: Mutex<BTreeMap<(AccountId, bool), Instant>>,
}

impl Turns {
    pub fn new(config: ChallengesConfig) -> Self {
        Self { config, turn: Arc::new(Semaphore::new(1)), last: Mutex::default() }
    }

    fn take(&self, caller: AccountId, task: &Task) -> Result<OwnedSemaphorePermit, AxonError> {
        let (is_product, pause_ms) = match task {
            Task::Weights(_) => (false, self.config.weights_pause_ms),
            Task::Product(task) => {
                let fits = task.work() <= self.config.product_work_max
                    && product::memory_bytes(task) <= self.config.product_bytes_max;
                if !fits {
                    return Err(AxonError::ProductTooLarge);
                }
                (true, self.config.product_pause_ms)
            }
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let since_ms = last.get(&(caller, is_product)).map(|last| u64::from(clock::elapsed_ms(*last)));
        if let Some(retry_after_ms) = since_ms.and_then(|since_ms| pause_ms.checked_sub(since_ms)) {
            return Err(AxonError::TooFast { retry_after_ms });
        }
        let turn = Arc::clone(&self.turn).try_acquire_owned().map_err(|_| AxonError::Busy)?;
        last.insert((caller, is_product), clock::monotonic());
        Ok(turn)
    }
}

pub(super) async fn answer(State(state): State<AxonState>, request: Request) -> Result<Response, AxonError> {
    let inner = &state.0;
    let (parts, body) = request.into_parts();
    let raw = inner.admission.headers(&parts.headers)?;
    let body = inner.bodies.read(&parts.headers, body).await?;
    let caller = inner.admission.admit(&raw, &parts, Digest::of(&body.bytes)).await?;
    let signed = SignedChallenge::from_bytes(&body.bytes).map_err(AxonError::Challenge)?;
    let expected = Expected {
        netuid: inner.netuid,
        validator: caller.hotkey(),
        miner: inner.hotkey.public(),
        now_ms: clock::unix_ms(),
    };
    signed.admit(&expected).map_err(AxonError::Challenge)?;
    let turn = inner.turns.take(caller.hotkey(), &signed.challenge.task)?;
    let until = clock::at_unix_ms(signed.challenge.answer_by_ms());
    let (models, cut, hotkey) = (inner.models.clone(), inner.cut.clone(), inner.hotkey.clone());
    // The turn goes along: whoever hangs up frees it no sooner.
    let showing = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let challenge = signed.challenge;
        let shown = Showing { models, until, cut }.show(&challenge)?;
        let answer = Answer { challenge: challenge.digest(), shown };
        answer.check(&challenge).map_err(|wrong| {
            tracing::error!(%wrong, "what would be shown to a validator is not what it should be: look at the disk and the memory");
            AxonError::NothingToShow
        })?;
        Ok(answer.sign(&hotkey).encode())
    });
    let bytes = showing.await.map_err(|_| AxonError::NothingToShow)??;
    let mut response = Response::new(bytes.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    Ok(response)
}

/// One challenge being answered.
struct Showing {
    models: Models,
    until: Instant,
    cut: CancellationToken,
}

impl Showing {
    fn show(&self, challenge: &Challenge) -> Result<Shown, AxonError> {
        match &challenge.task {
            Task::Weights(task) => self.weights(task, &challenge.seed),
            Task::Product(task) => {
                let began = clock::monotonic();
                let mut rested = Duration::ZERO;
                let go_on = |done| self.go_on(done, task.rows, began, &mut rested);
                product::compute(task, &challenge.seed, go_on).map(Shown::Product).ok_or(AxonError::Deadline)
            }
        }
    }

    fn weights(&self, task: &WeightsTask, seed: &Digest) -> Result<Shown, AxonError> {
        let model = self.models.get(&task.model);
        let model = model.ok_or_else(|| AxonError::UnknownModel { model: task.model.to_string() })?;
        for file in model.files().iter() {
            match file.show(task, seed) {
                Ok(Some(pieces)) => return Ok(Shown::Weights(pieces)),
                Ok(None) => {}
                Err(error) => tracing::error!(model = %task.model, %error, "a weight file could not be read"),
            }
        }
        Err(AxonError::NothingToShow)
    }

    /// Lets paid work go first, and says whether there is still time.
    fn go_on(&self, done: u32, rows: u32, began: Instant, rested: &mut Duration) -> bool {
        loop {
            let now = clock::monotonic();
            if now >= self.until || self.cut.is_cancelled() {
                return false;
            }
            let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            let worked_ms = millis((now - began).saturating_sub(*rested));
            let is_paid = self.models.all().values().any(|model| model.in_flight() > 0);
            if !is_paid || !product::has_time(done, rows, worked_ms, millis(self.until - now)) {
                return true;
            }
            std::thread::sleep(REST);
            *rested += clock::monotonic() - now;
        }
    }
}

//! The private server of a gateway of another shard than 0: it answers its own validator's head gateway and nobody else.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, io};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Path, Request, State as Handed};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use parity_scale_codec::Encode;
use protocol::btauth::RequestParts;
use protocol::digest::Digest;
use protocol::evidence::ValidEvidence;
use protocol::replay::Rules;
use protocol::signing::Keypair;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::{Answer, Ask, SIGNATURE, ShardsConfig, TARGET, salt_hash, sign_answer};
use crate::accounts::config::AccountsConfig;
use crate::accounts::signed::SignedRequests;
use crate::audit::export::ExportError;
use crate::audit::shard::export_shard;
use crate::audit::verdict::with_causes;
use crate::clock::Clock;
use crate::gateway::files;
use crate::heads::shards::cut_shard;
use crate::ledger::Ledger;
use crate::ledger::shards::ShardRecord;

/// More than any request of the head gateway has.
const ASK_BYTES_MAX: usize = 4_096;

/// What a door needs.
pub struct DoorParts {
    /// Settings.
    pub config: ShardsConfig,
    /// The validator's, which is also the caller's.
    pub hotkey: Keypair,
    /// What is scored by.
    pub rules: Arc<Rules>,
    /// This shard's.
    pub ledger: Ledger,
    /// What payers are hashed with.
    pub payer_salt: [u8; 32],
    /// Folder of bundles.
    pub bundles: PathBuf,
    /// New leaves that are written for one bundle at most.
    pub leaves_max: u64,
    /// The clock.
    pub clock: Arc<Clock>,
}

struct State {
    parts: DoorParts,
    signed: SignedRequests,
    /// Held while a window is added up: one at a time.
    counting: Mutex<()>,
    /// Held while the bundle's part is written.
    writing: Arc<Mutex<()>>,
}

/// A running door. It closes when dropped.
pub struct Door {
    address: SocketAddr,
    stop: CancellationToken,
    _serving: AbortOnDropHandle<()>,
}

/// Why the head gateway gets no answer.
#[derive(Debug)]
struct Refused(StatusCode, String);

impl Door {
    /// Opens; the address is bound when this returns.
    ///
    /// # Errors
    /// When it cannot be listened on.
    pub async fn bind(parts: DoorParts) -> io::Result<Self> {
        let listener = TcpListener::bind(parts.config.bind).await?;
        let (address, connections_max) = (listener.local_addr()?, parts.config.connections_max);
        let accounts = AccountsConfig::default();
        let signed = SignedRequests::new(parts.hotkey.public(), &accounts, parts.clock.now_ms());
        let state = State { parts, signed, counting: Mutex::default(), writing: Arc::default() };
        let router = Router::new()
            .route(TARGET, post(head))
            .route("/audit/v1/shards/{shard}/{file}", get(shard_file))
            .route("/audit/v1/shards/{shard}/parts/{hour}/{miner}/{file}", get(part))
            .with_state(Arc::new(state));
        let stop = CancellationToken::new();
        let serving = crate::gateway::serve_plain(listener, router, connections_max, stop.clone());
        Ok(Self { address, stop, _serving: AbortOnDropHandle::new(tokio::spawn(serving)) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Door").field("address", &self.address).finish_non_exhaustive()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

async fn head(Handed(state): Handed<Arc<State>>, request: Request) -> Result<Response, Refused> {
    let (head, body) = request.into_parts();
    let refused = |status| move |error: &dyn std::error::Error| Refused(status, with_causes(error));
    let raw =
        SignedRequests::headers(&head.headers).map_err(|error| refused(StatusCode::UNAUTHORIZED)(&error))?;
    let body = to_bytes(body, ASK_BYTES_MAX).await;
    let body = body.map_err(|error| refused(StatusCode::PAYLOAD_TOO_LARGE)(&error))?;
    let DoorParts { hotkey, ledger, rules, payer_salt, clock, .. } = &state.parts;
    let signed = RequestParts { method: "POST", target: TARGET, body_sha256: Digest::of(&body) };
    let now_ns = clock.now_ms().saturating_mul(1_000_000);
    let caller = state.signed.verify(&raw, &signed, now_ns);
    let caller = caller.map_err(|error| refused(StatusCode::UNAUTHORIZED)(&error))?;
    if caller.hotkey != hotkey.public() {
        let words = "only the validator's own head gateway is answered here".to_owned();
        return Err(Refused(StatusCode::FORBIDDEN, words));
    }
    state.signed.once(&caller, now_ns).map_err(|error| refused(StatusCode::UNAUTHORIZED)(&error))?;
    let ask: Ask = serde_json::from_slice(&body).map_err(|error| refused(StatusCode::BAD_REQUEST)(&error))?;
    let own = (ledger.owner().shard, rules.document().hash(), salt_hash(payer_salt));
    for (same, what) in [
        (ask.shard == own.0, "this gateway has another shard"),
        (ask.policy == own.1, "this gateway has other rules: give it the head gateway's catalogue"),
        (
            ask.payer_salt == own.2,
            "this gateway names payers otherwise: give it the head gateway's payer-salt",
        ),
    ] {
        if !same {
            return Err(Refused(StatusCode::CONFLICT, what.to_owned()));
        }
    }
    let _one_at_a_time = state.counting.lock().await;
    let counted = cut_shard(ledger, rules, hotkey, ask.epoch_index, ask.window_end_ms).await;
    let (record, sums) = counted.map_err(|error| {
        let words = with_causes(&error);
        tracing::error!(error = words, "the head of this shard cannot be cut");
        Refused(StatusCode::INTERNAL_SERVER_ERROR, words)
    })?;
    let window = record.head.head.window_start_ms..record.head.head.window_end_ms;
    let evidence = ledger.read(move |reader| reader.evidence(window)).await;
    let evidence = evidence.map_err(|error| refused(StatusCode::INTERNAL_SERVER_ERROR)(&error))?;
    let evidence = evidence.iter().map(|found| ValidEvidence::signed(found).clone()).collect();
    let answer = Answer { head: record.head.clone(), sums, evidence }.encode();
    let signature = sign_answer(hotkey, &body, &answer).to_string();
    write_papers(&state, record);
    Ok(([(SIGNATURE, signature)], answer).into_response())
}

/// Writes what the tempo's bundle needs of this shard, in the background.
fn write_papers(state: &Arc<State>, record: ShardRecord) {
    let state = Arc::clone(state);
    tokio::spawn(async move {
        let Ok(_one_at_a_time) = Arc::clone(&state.writing).try_lock_owned() else { return };
        let DoorParts { hotkey, ledger, bundles, leaves_max, .. } = &state.parts;
        let (hotkey, bundles, leaves_max) = (hotkey.clone(), bundles.clone(), *leaves_max);
        let epoch_index = record.head.head.epoch_index;
        let written =
            ledger.read(move |reader| Ok(export_shard(reader, &hotkey, &record, &bundles, leaves_max))).await;
        let failed = match written {
            Ok(Ok(leaves_new)) => {
                tracing::info!(
                    epoch_index,
                    leaves_new,
                    "the head gateway can fetch what it needs of this shard"
                );
                return;
            }
            Ok(Err(ExportError::TooMany { leaves, max })) => {
                format!("{leaves} leaves are new, [audit] bundle_leaves_max is {max}")
            }
            Ok(Err(error)) => with_causes(&error),
            Err(error) => with_causes(&error),
        };
        tracing::warn!(epoch_index, error = failed, "this shard's part of the bundle was not written");
    });
}

async fn shard_file(
    Handed(state): Handed<Arc<State>>,
    Path((shard, name)): Path<(u8, String)>,
    headers: HeaderMap,
) -> Response {
    files::shard_file(&state.parts.bundles, (shard, &name), &headers).await.into_response()
}

async fn part(
    Handed(state): Handed<Arc<State>>,
    Path((shard, hour, miner, name)): Path<(u8, String, String, String)>,
    headers: HeaderMap,
) -> Response {
    files::part(&state.parts.bundles, (shard, [&hour, &miner, &name]), &headers).await.into_response()
}

//! The miner's HTTP side: validators send signed requests with tickets, and get answers with receipts.
//!
//! [`Axon::bind`] needs no chain: it is given the permitted callers as a value that changes. The composition root feeds that
//! value from finalised blocks; tests set it.

mod admission;
mod answer;
mod body;
mod cancel;
mod challenges;
mod chat;
mod completion;
mod embedding;
mod error;
mod fair;
mod gate;
mod inventory;
mod limits;
mod order;
mod product;
mod proofs;
mod rate_limit;
mod replay;
mod request_id;
mod server;
mod slots;
mod states;
mod tokenize;
mod verifier;
mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use chain_client::TlsKey;
use chain_client::cli::tls::{Tls, TlsConfig, TlsError};
use protocol::openai::Endpoint;
use protocol::signing::Keypair;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::admission::Admission;
use self::body::Bodies;
use self::cancel::Running;
pub use self::challenges::ChallengesConfig;
use self::challenges::Turns;
use self::error::AxonError;
pub use self::gate::{Gate, NotAdmitted};
pub use self::limits::Limits;
pub use self::rate_limit::Rate;
use self::rate_limit::RateLimiter;
pub use self::request_id::HEADER as REQUEST_ID_HEADER;
use self::server::{Peer, Server};
use self::slots::Slots;
use crate::clock;
use crate::demand::InventorySource;
use crate::device::Device;
use crate::models::Models;
use crate::permits::Permits;
use crate::receipts::{ReceiptStore, StoreError};

/// Where the axon listens and what it allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AxonConfig {
    /// Address and port to listen on; port 0 takes a free one. Default 0.0.0.0:8091.
    pub bind: SocketAddr,
    /// The certificate. With one the axon speaks TLS only, and its hash is published on chain for validators to pin. Default: none.
    pub tls: TlsConfig,
    /// What one client, and all of them together, may cost.
    pub limits: Limits,
    /// What is shown to validators that ask, and how much that may cost.
    pub challenges: ChallengesConfig,
}

impl Default for AxonConfig {
    fn default() -> Self {
        let bind = SocketAddr::from(([0, 0, 0, 0], 8091));
        let (limits, challenges) = (Limits::default(), ChallengesConfig::default());
        Self { bind, tls: TlsConfig::default(), limits, challenges }
    }
}

/// What the axon serves with.
#[derive(Debug)]
pub struct AxonParts {
    /// The subnet whose tickets count.
    pub netuid: u16,
    /// This miner's hotkey: receiver of requests, signer of inventories. Receipts are signed by the store.
    pub hotkey: Keypair,
    /// The models that are loaded.
    pub models: Models,
    /// The device they run on.
    pub device: Device,
    /// Who may call, as it changes.
    pub permits: watch::Receiver<Permits>,
    /// Where receipts go.
    pub receipts: ReceiptStore,
}

/// Why the axon does not serve.
#[derive(Debug, thiserror::Error)]
pub enum AxonBindError {
    /// The port is taken, or the address is not this machine's.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The head limit is below what HTTP needs.
    #[error("limits.head_bytes_max is {found}; it must be at least 8192")]
    HeadLimit {
        /// The limit configured.
        found: usize,
    },
    /// Nonces would be forgotten while still fresh.
    #[error("limits.nonce_retention_ms is {found}; with these signature limits it must be at least {least}")]
    Retention {
        /// The retention configured.
        found: u64,
        /// Twice the window in which a signature is fresh.
        least: u64,
    },
    /// The certificate cannot be used.
    #[error("the axon cannot serve TLS")]
    Tls(#[source] TlsError),
    /// The receipt store could not be read.
    #[error("cannot read what the receipt store remembers of callers")]
    Store(#[source] StoreError),
}

/// A listening axon. Stops when dropped; [`shutdown`](Self::shutdown) lets answers in the making finish.
#[derive(Debug)]
pub struct Axon {
    address: SocketAddr,
    tls_key: Option<TlsKey>,
    stop: CancellationToken,
    cut: CancellationToken,
    hang_up: CancellationToken,
    connections: TaskTracker,
    inner: Arc<Inner>,
    admission: Arc<Admission>,
    inventory: InventorySource,
    drain: Duration,
    accepting: JoinHandle<()>,
}

/// What handlers may see.
#[derive(Clone, Debug)]
struct AxonState(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    netuid: u16,
    hotkey: Keypair,
    models: Models,
    device: Device,
    receipts: ReceiptStore,
    limits: Limits,
    admission: Arc<Admission>,
    bodies: Bodies,
    slots: Slots,
    /// Answers in the making, for those who may cancel them.
    running: Running,
    /// Challenges, one at a time.
    turns: Turns,
    addresses: Mutex<RateLimiter<std::net::IpAddr>>,
    /// Streams being written, which outlive their handlers.
    streams: TaskTracker,
    /// Cancelled when answers must end at once.
    cut: CancellationToken,
}

impl Axon {
    /// Listens and serves. Returns when the socket is bound.
    pub async fn bind(config: AxonConfig, parts: AxonParts) -> Result<Self, AxonBindError> {
        let AxonConfig { bind, tls, limits, challenges } = config;
        check(&limits)?;
        let tls = Tls::load(&tls).map_err(AxonBindError::Tls)?;
        let tls_key = tls.as_ref().map(|tls| TlsKey::of_certificate(tls.certificate_sha256()));
        let AxonParts { netuid, hotkey, models, device, permits, receipts } = parts;
        let recovered = receipts.recover().await.map_err(AxonBindError::Store)?;
        let listen = |source| AxonBindError::Listen { address: bind, source };
        let listener = TcpListener::bind(bind).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;

        let (stop, cut, hang_up) =
            (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        let connections = TaskTracker::new();
        let admission =
            Arc::new(Admission::new(netuid, hotkey.public(), &limits, permits, receipts.clone(), recovered));
        let state = AxonState(Arc::new(Inner {
            netuid,
            models,
            device,
            receipts,
            admission: Arc::clone(&admission),
            bodies: Bodies::new(&limits),
            slots: Slots::new(&limits),
            running: Running::default(),
            turns: Turns::new(challenges),
            addresses: Mutex::new(RateLimiter::new(limits.per_address)),
            streams: connections.clone(),
            cut: cut.clone(),
            hotkey,
            limits: limits.clone(),
        }));
        let drain = Duration::from_millis(limits.drain_ms_max);
        let inner = Arc::clone(&state.0);
        let inventory = {
            let inner = Arc::clone(&inner);
            InventorySource::new(move || inventory::make(&inner))
        };
        let router = router(state);
        let server = Server {
            listener,
            router,
            limits,
            tls,
            stop: stop.clone(),
            hang_up: hang_up.clone(),
            connections: connections.clone(),
        };
        let accepting = tokio::spawn(server.run());
        Ok(Self {
            address,
            tls_key,
            stop,
            cut,
            hang_up,
            connections,
            inner,
            admission,
            inventory,
            drain,
            accepting,
        })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What names its certificate, if it speaks TLS.
    pub fn tls_key(&self) -> Option<&TlsKey> {
        self.tls_key.as_ref()
    }

    /// Makes this axon's inventory, for whoever sends it to validators.
    pub fn inventory(&self) -> InventorySource {
        self.inventory.clone()
    }

    /// What admits this axon's requests, without the wire.
    pub fn gate(&self) -> Gate {
        Gate::new(&self.admission)
    }

    /// Puts other rates and numbers of answers in force. The other limits need a new axon.
    pub fn reload(&self, limits: &Limits) {
        self.inner.slots.set_limits(limits);
        self.admission.set_rate(limits.per_hotkey);
        self.inner.addresses.lock().unwrap_or_else(PoisonError::into_inner).set_rate(limits.per_address);
    }

    /// Stops accepting and lets answers in the making finish for as long as configured. What is left then ends with an
    /// error and a receipt for what was delivered.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        // The accept loop only ever ends by being stopped.
        let _ = (&mut self.accepting).await;
        if tokio::time::timeout(self.drain, self.connections.wait()).await.is_err() {
            tracing::warn!(open = self.connections.len(), "ending answers that did not finish in time");
            self.cut.cancel();
            if tokio::time::timeout(wire::LAST_WORDS, self.connections.wait()).await.is_err() {
                self.hang_up.cancel();
                self.connections.wait().await;
            }
        }
        self.admission.settle().await;
    }
}

impl Drop for Axon {
    fn drop(&mut self) {
        self.stop.cancel();
        self.cut.cancel();
        self.hang_up.cancel();
    }
}

/// Whether these limits go together.
pub fn check(limits: &Limits) -> Result<(), AxonBindError> {
    let found = limits.head_bytes_max.get();
    if found < 8_192 {
        return Err(AxonBindError::HeadLimit { found });
    }
    let least =
        2 * limits.signature_age_ms_max.saturating_add(limits.signature_ahead_ms_max).min(u64::MAX / 2);
    if limits.nonce_retention_ms < least {
        return Err(AxonBindError::Retention { found: limits.nonce_retention_ms, least });
    }
    Ok(())
}

fn router(state: AxonState) -> Router {
    Router::new()
        .route(Endpoint::Chat.path(), post(chat::complete))
        .route(Endpoint::Completion.path(), post(completion::complete))
        .route(Endpoint::Embedding.path(), post(embedding::embed))
        .route(Endpoint::Tokenize.path(), post(tokenize::tokenize))
        .route(Endpoint::Detokenize.path(), post(tokenize::detokenize))
        .route("/fingerprints/{digest}", get(proofs::fingerprint))
        .route("/countersigned", post(proofs::countersigned))
        .route(protocol::challenge::TARGET, post(challenges::answer))
        .route(protocol::cancel::TARGET, post(cancel::cancel))
        .route("/inventory", get(inventory::show))
        .route("/health", get(health))
        .fallback(async || AxonError::NoRoute)
        .method_not_allowed_fallback(async || AxonError::Method)
        .layer(middleware::from_fn_with_state(state.clone(), limit_address))
        .layer(middleware::from_fn(request_id::assign))
        .with_state(state)
}

/// The outermost limit: requests from one address, before anything of them is looked at.
async fn limit_address(
    State(state): State<AxonState>,
    request: Request,
    next: Next,
) -> Result<Response, AxonError> {
    if let Some(peer) = request.extensions().get::<Peer>() {
        let mut addresses = state.0.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = addresses.take(peer.address, clock::unix_ms());
        drop(addresses);
        taken.map_err(|error| AxonError::TooFast { retry_after_ms: error.retry_after_ms })?;
    }
    Ok(next.run(request).await)
}

/// That the process serves, with how many models and for how many validators; says nothing that is not public.
async fn health(State(state): State<AxonState>) -> Json<serde_json::Value> {
    let (models, validators) = (state.0.models.len(), state.0.admission.validators());
    Json(serde_json::json!({ "status": "ok", "models": models, "validators": validators }))
}

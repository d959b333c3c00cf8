//! The users' side: an OpenAI-compatible HTTP server, which speaks Anthropic's form too.
//!
//! It checks who asks and what is asked, hands the request on to the [`crate::fleet`], and relays what comes back. It touches
//! neither RocksDB nor the chain.

pub mod access;
pub mod error;

mod body;
mod bundles;
mod calls;
mod catalogue;
mod demand;
pub(crate) mod files;
mod inner;
mod messages;
mod models;
mod openapi;
mod operations;
mod processing;
mod request_id;
mod responses;
mod routes;
mod selection;
mod serve;
mod sse;
mod usage;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::any;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::error::GatewayError;
use self::routes::{Access, Route};
pub use self::serve::cors::CorsConfig;
use self::serve::cors::{self, Cors};
use crate::accounts::Accounts;
use crate::clock::Clock;
use crate::config::GatewayConfig;
use crate::fleet::Fleet;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::tls::{Tls, TlsError};

/// What the gateway is built from.
pub struct GatewayParts {
    /// Address, limits and waits.
    pub config: GatewayConfig,
    /// Who may call.
    pub accounts: Arc<Accounts>,
    /// Folder of the bundles for auditors.
    pub bundles: PathBuf,
    /// Serves the calls.
    pub fleet: Fleet,
    /// For the health page.
    pub ledger: Ledger,
    /// For the metrics page.
    pub metrics: Arc<Metrics>,
    /// The clock.
    pub clock: Arc<Clock>,
}

/// A running gateway. Dropping it stops it at once; [`Gateway::shutdown`] lets open calls end first.
pub struct Gateway {
    address: SocketAddr,
    cors: Arc<Cors>,
    tls: Option<Arc<Tls>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// The gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be listened on.
    #[error(transparent)]
    Listen(io::Error),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(TlsError),
}

/// What handlers see.
struct State {
    config: GatewayConfig,
    accounts: Arc<Accounts>,
    bundles: PathBuf,
    fleet: Fleet,
    ledger: Ledger,
    metrics: Arc<Metrics>,
    clock: Arc<Clock>,
    calls: Arc<Semaphore>,
    started_at_s: u64,
}

impl Gateway {
    /// Listens and serves; the address is bound when this returns.
    pub async fn bind(parts: GatewayParts) -> Result<Self, BindError> {
        let GatewayParts { config, accounts, bundles, fleet, ledger, metrics, clock } = parts;
        let tls = Tls::load(&config.tls).map_err(BindError::Tls)?;
        let listener = TcpListener::bind(config.bind).await.map_err(BindError::Listen)?;
        let address = listener.local_addr().map_err(BindError::Listen)?;
        let cors = Arc::new(Cors::new(config.cors.clone()));
        let stop = CancellationToken::new();
        let serving = serve::Limits::new(&config);
        let calls = Arc::new(Semaphore::new(config.requests_in_flight_max.min(Semaphore::MAX_PERMITS)));
        let started_at_s = clock.now_ms() / 1_000;
        let state =
            Arc::new(State { config, accounts, bundles, fleet, ledger, metrics, clock, calls, started_at_s });
        let router = router(state, Arc::clone(&cors));
        let task = tokio::spawn(serve::serve(listener, router, serving, tls.clone(), stop.clone()));
        Ok(Self { address, cors, tls, stop, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts other origins in force and reads the certificate again. On an error the certificate in force stays.
    pub fn reload(&self, config: &GatewayConfig) -> Result<(), TlsError> {
        self.cors.set(config.cors.clone());
        self.tls.as_ref().map_or(Ok(()), |tls| tls.reload())
    }

    /// Stops accepting, waits for open calls up to the drain limit, then ends.
    pub async fn shutdown(&mut self) {
        self.stop.cancel();
        // An aborted or panicked task is as stopped as a finished one.
        let _ = (&mut self.task).await;
    }
}

/// Serves a router without TLS until stopped, with the limits that a gateway has by default and so many connections.
pub(crate) async fn serve_plain(
    listener: TcpListener,
    router: Router,
    connections_max: usize,
    stop: CancellationToken,
) {
    let limits = serve::Limits::new(&GatewayConfig { connections_max, ..GatewayConfig::default() });
    serve::serve(listener, router, limits, None, stop).await;
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn router(state: Arc<State>, cors: Arc<Cors>) -> Router {
    let (mut open, mut with_key) = (Router::new(), Router::new());
    for Route { path, access, handler, .. } in routes::all() {
        match access {
            Access::Open => open = open.route(path, handler),
            Access::Key => with_key = with_key.route(path, handler),
        }
    }
    // Whoever has no key learns nothing of what is below /v1, not even that there is nothing.
    let with_key = with_key
        .route("/v1/{*rest}", any(unknown_path))
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&state), access::require));
    open.merge(with_key)
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn(access::note_target))
        .layer(middleware::from_fn(processing::measure))
        .layer(middleware::from_fn(request_id::assign))
        .layer(middleware::from_fn_with_state(cors, cors::apply))
        .with_state(state)
}

async fn unknown_path() -> GatewayError {
    GatewayError::UnknownPath
}

async fn wrong_method() -> GatewayError {
    GatewayError::WrongMethod
}

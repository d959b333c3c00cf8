//! The users' side: an OpenAI-compatible HTTP server.
//!
//! It checks who asks and what is asked, hands the request on to the [`crate::fleet`], and relays what comes back. It touches
//! neither RocksDB nor the chain.

pub mod access;
pub mod error;

mod bundles;
mod catalogue;
mod chat;
mod models;
mod operations;
mod request_id;
mod serve;
mod sse;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::access::ApiKeys;
use self::error::GatewayError;
use crate::clock::Clock;
use crate::config::GatewayConfig;
use crate::fleet::Fleet;
use crate::ledger::Ledger;
use crate::metrics::Metrics;

/// What the gateway is built from.
pub struct GatewayParts {
    /// Address, limits and waits.
    pub config: GatewayConfig,
    /// Who may call.
    pub keys: ApiKeys,
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
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// What handlers see.
struct State {
    config: GatewayConfig,
    keys: ApiKeys,
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
    pub async fn bind(parts: GatewayParts) -> io::Result<Self> {
        let GatewayParts { config, keys, bundles, fleet, ledger, metrics, clock } = parts;
        let listener = TcpListener::bind(config.bind).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let serving = serve::Limits::new(&config);
        let calls = Arc::new(Semaphore::new(config.requests_in_flight_max.min(Semaphore::MAX_PERMITS)));
        let started_at_s = clock.now_ms() / 1_000;
        let state =
            Arc::new(State { config, keys, bundles, fleet, ledger, metrics, clock, calls, started_at_s });
        let task = tokio::spawn(serve::serve(listener, router(state), serving, stop.clone()));
        Ok(Self { address, stop, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, waits for open calls up to the drain limit, then ends.
    pub async fn shutdown(&mut self) {
        self.stop.cancel();
        // An aborted or panicked task is as stopped as a finished one.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn router(state: Arc<State>) -> Router {
    let v1 = Router::new()
        .route("/models", get(models::list))
        .route("/models/{*id}", get(models::one))
        .route("/chat/completions", post(chat::completions))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&state), access::require));
    Router::new()
        .nest("/v1", v1)
        .route(protocol::catalogue_document::TARGET, get(catalogue::show))
        .route("/audit/v1/epochs", get(bundles::list))
        .route("/audit/v1/epochs/{epoch}/{file}", get(bundles::file))
        .route("/health", get(operations::health))
        .route("/metrics", get(operations::metrics))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn(request_id::assign))
        .with_state(state)
}

async fn unknown_path() -> GatewayError {
    GatewayError::UnknownPath
}

async fn wrong_method() -> GatewayError {
    GatewayError::WrongMethod
}

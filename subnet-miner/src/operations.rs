//! The operator's side: metrics, status and health on a port of its own, for this machine only unless configured otherwise.
//!
//! `/metrics` is Prometheus' text, `/status` the same and more as JSON, which `subnet-miner top` reads. Neither has keys in it.

mod metrics;
mod status;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use self::metrics::{NAMES, page};
pub use self::status::{ChainStatus, MinerStatus, ModelStatus, StatusParts, ValidatorStatus};

/// Where the operator's side listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperationsConfig {
    /// Address and port; port 0 takes a free one. Default 127.0.0.1:9100.
    pub bind: SocketAddr,
}

impl Default for OperationsConfig {
    fn default() -> Self {
        Self { bind: SocketAddr::from(([127, 0, 0, 1], 9100)) }
    }
}

/// A listening operator's side. Stops when dropped.
#[derive(Debug)]
pub struct Operations {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Operations {
    /// Listens and serves. Returns when the socket is bound.
    pub async fn bind(config: &OperationsConfig, parts: StatusParts) -> std::io::Result<Self> {
        let listener = TcpListener::bind(config.bind).await?;
        let address = listener.local_addr()?;
        let router = Router::new()
            .route("/metrics", get(show_metrics))
            .route("/status", get(show_status))
            .route("/health", get(async || Json(serde_json::json!({ "status": "ok" }))))
            .with_state(Arc::new(parts));
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the operator's side has stopped");
            }
        });
        Ok(Self { address, serving })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Operations {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn show_metrics(State(parts): State<Arc<StatusParts>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], page(&parts.status()))
}

async fn show_status(State(parts): State<Arc<StatusParts>>) -> Json<MinerStatus> {
    Json(parts.status())
}

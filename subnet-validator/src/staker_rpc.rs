//! The stakers' side: what this validator knows and does, by JSON-RPC over HTTP and WebSocket. Read only.
//!
//! Names carry their version (`subnet_v1_…`). Every answer about the subnet is `{asOf, data}`, where `asOf` names the finalised
//! block it belongs to and how old that is. Amounts are decimal strings in rao; lists come in pages by cursor.

mod answers;
mod error;
mod methods;
mod params;
mod receipts;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use jsonrpsee::server::{BatchRequestConfig, Server, ServerConfig, ServerHandle};
use protocol::account::AccountId;
use protocol::scoring::Policy;
use tokio::sync::watch;

use crate::chain_view::ChainView;
use crate::clock::Clock;
use crate::config::StakerRpcConfig;
use crate::fleet::Fleet;
use crate::ledger::Ledger;
use crate::weights::WeightsState;

/// What the server is built from.
pub struct StakerRpcParts {
    /// Address and limits.
    pub config: StakerRpcConfig,
    /// The validator's hotkey.
    pub hotkey: AccountId,
    /// How scores are weighed.
    pub policy: Policy,
    /// The chain as it is.
    pub chain: ChainView,
    /// Miners as this validator sees them.
    pub fleet: Fleet,
    /// The receipts.
    pub ledger: Ledger,
    /// Scores and weights.
    pub weights: watch::Receiver<WeightsState>,
    /// The clock.
    pub clock: Arc<Clock>,
}

/// A running server. Dropping it stops it.
pub struct StakerRpc {
    address: SocketAddr,
    handle: ServerHandle,
}

impl StakerRpc {
    /// Listens and serves; the address is bound when this returns.
    pub async fn bind(parts: StakerRpcParts) -> io::Result<Self> {
        let StakerRpcConfig {
            bind,
            connections_max,
            body_bytes_max,
            response_bytes_max,
            batch_calls_max,
            ..
        } = parts.config;
        let config = ServerConfig::builder()
            .max_connections(connections_max)
            .max_request_body_size(body_bytes_max)
            .max_response_body_size(response_bytes_max)
            .set_batch_request_config(BatchRequestConfig::Limit(batch_calls_max))
            .set_tcp_no_delay(true)
            .build();
        let server = Server::builder().set_config(config).build(bind).await?;
        let address = server.local_addr()?;
        let module = methods::module(parts).map_err(io::Error::other)?;
        Ok(Self { address, handle: server.start(module) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it and waits until its connections are closed.
    pub async fn shutdown(self) {
        // An error says that it has stopped already.
        let _ = self.handle.stop();
        self.handle.stopped().await;
    }
}

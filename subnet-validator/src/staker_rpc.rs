//! The stakers' side: what this validator knows and does, by JSON-RPC over HTTP and WebSocket, and as a page. Read only.
//!
//! Names carry their version (`subnet_v1_…`). Every answer about the subnet is `{asOf, data}`, where `asOf` names the finalised
//! block it belongs to and how old that is. Amounts are decimal strings in rao; lists come in pages by cursor. One list of methods
//! makes the server's module, the OpenRPC document and the reference page.
//!
//! What is not here: amounts in fiat money (no price of TAO in dollars is on the chain), candles of past prices, payments (the
//! software takes none: compute units are metered), proof of the devices that miners claim, and software versions of other
//! validators.

pub mod config;

mod answers;
mod aside;
mod error;
mod limits;
mod methods;
mod page;
mod params;
mod registry;
mod server;
mod state;
mod topics;
mod values;
mod watch;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jsonrpsee::server::{ServerHandle, stop_channel};
use protocol::account::AccountId;
use protocol::scoring::Policy;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::answers::Answers;
use self::aside::Aside;
use self::config::StakerRpcConfig;
use self::server::Front;
use self::state::State;
use self::topics::Topics;
use crate::audit::peers::Peers;
use crate::audit::verdicts::Verdicts;
use crate::chain_view::ChainView;
use crate::clock::Clock;
use crate::fleet::Fleet;
use crate::ledger::Ledger;
use crate::market::MarketView;
use crate::market::desk::Desk;
use crate::market::history::History;
use crate::tls::{Tls, TlsError};
use crate::usage::follow::UsageView;
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
    /// The subnet's market as it is.
    pub market: MarketView,
    /// What epochs paid, and what went wrong.
    pub history: History,
    /// Answers what only the chain can.
    pub desk: Desk,
    /// Miners as this validator sees them.
    pub fleet: Fleet,
    /// The receipts.
    pub ledger: Ledger,
    /// What they add up to.
    pub usage: UsageView,
    /// Scores and weights.
    pub weights: tokio::sync::watch::Receiver<WeightsState>,
    /// What this validator found in the others' papers.
    pub peers: Peers,
    /// The same, kept.
    pub verdicts: Verdicts,
    /// The folder of published bundles.
    pub bundles: PathBuf,
    /// The clock.
    pub clock: Arc<Clock>,
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be listened on.
    #[error("cannot listen")]
    Listen(#[from] io::Error),
    /// Its threads cannot be started.
    #[error("cannot start the threads of the staker JSON-RPC")]
    Threads(#[source] io::Error),
    /// The certificate cannot be used.
    #[error("cannot serve TLS")]
    Tls(#[from] TlsError),
}

/// A running server. Dropping it stops it.
pub struct StakerRpc {
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
    handle: ServerHandle,
    serving: JoinHandle<()>,
    drain: Duration,
    _watching: DropGuard,
    /// Dropped last.
    _aside: Aside,
}

impl StakerRpc {
    /// Listens and serves; the address is bound when this returns.
    pub async fn bind(parts: StakerRpcParts) -> Result<Self, BindError> {
        let tls = Tls::load(&parts.config.tls)?;
        let listener = TcpListener::bind(parts.config.bind).await?;
        let address = listener.local_addr()?;
        let drain = Duration::from_millis(parts.config.drain_ms);
        let aside = Aside::start(&parts.config).map_err(BindError::Threads)?;
        let listener = aside.take_over(listener)?;
        let topics = Topics::new(parts.config.notifications_max.get());
        let state = Arc::new(State { parts, topics, answers: Answers::default() });
        let (methods, subscriptions) = (methods::all(), methods::subscriptions());
        let document = registry::openrpc::document(&methods, &subscriptions);
        let module = registry::module(Arc::clone(&state), &methods, &subscriptions, &document);
        let module = module.map_err(io::Error::other)?;
        let stop = CancellationToken::new();
        aside.spawn(watch::run(Arc::clone(&state), stop.clone()));
        let (stopping, handle) = stop_channel();
        let document = document.to_string().into();
        let front = Front { state, methods: module.into(), document, tls: tls.clone() };
        let serving = aside.spawn(server::run(listener, front, stopping));
        let _watching = stop.drop_guard();
        Ok(Self { address, tls, handle, serving, drain, _watching, _aside: aside })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Reads the certificate's files again. On an error the one in force stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.tls.as_ref().map_or(Ok(()), |tls| tls.reload())
    }

    /// Stops it and waits until it accepts no more and calls in progress have ended, or their time is over.
    pub async fn shutdown(self) {
        // An error says that it has stopped already.
        let _ = self.handle.stop();
        let _ = self.serving.await;
        let _ = tokio::time::timeout(self.drain, self.handle.stopped()).await;
    }
}

/// The reference page of the JSON-RPC, in Markdown.
#[must_use]
pub fn reference() -> String {
    registry::reference::page(&methods::all(), &methods::subscriptions())
}

/// The OpenRPC document.
#[must_use]
pub fn openrpc() -> serde_json::Value {
    registry::openrpc::document(&methods::all(), &methods::subscriptions())
}

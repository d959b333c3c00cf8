//! A running chain: `spawn` returns once it listens; the handle tells its address, makes blocks, and stops everything when
//! dropped.

mod accept;
mod drive;
mod faults;

use std::{net::SocketAddr, sync::Arc};

use jsonrpsee::server::{
    BatchRequestConfig, PingConfig, RandomStringIdProvider, ServerConfig, ServerHandle, stop_channel,
};
use thiserror::Error;
use tokio::{net::TcpListener, task::JoinSet};

use self::accept::Served;
pub use self::faults::ChainError;
use crate::{
    chain::{BlockRef, GenesisError},
    config::{Blocks, Config, Limits},
    faults::Faults,
    node::{Node, OpenError, ProduceError, Recovered},
    rpc,
};

/// Characters of a subscription's id.
const SUBSCRIPTION_ID_CHARACTERS: usize = 16;

/// Why a chain did not start.
#[derive(Debug, Error)]
pub enum SpawnError {
    /// The configuration makes no chain.
    #[error("could not build the genesis block")]
    Genesis(#[from] GenesisError),
    /// The chain on disk cannot be continued.
    #[error(transparent)]
    Open(OpenError),
    /// The runtime of the program is stopping.
    #[error("the program is stopping")]
    Stopping,
    /// The time between blocks is nothing.
    #[error("the time between blocks must be at least 1 ms")]
    IntervalZero,
    /// The address is taken, or not this machine's.
    #[error("could not listen on {address}; another chain may be running there")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Two methods have the same name.
    #[error("could not register the RPC methods")]
    Methods(#[source] jsonrpsee::core::RegisterMethodError),
}

/// Why blocks were not made on request.
#[derive(Debug, Error)]
pub enum ProduceBlocksError {
    /// One of them could not be.
    #[error("could not make the blocks")]
    Produce(#[from] ProduceError),
    /// The runtime of the program is stopping.
    #[error("the program is stopping")]
    Stopping,
}

/// A running chain. It stops when this is dropped.
#[must_use = "the chain stops when its handle is dropped"]
pub struct Localnet {
    node: Arc<Node>,
    faults: Arc<Faults>,
    address: SocketAddr,
    server: ServerHandle,
    tasks: JoinSet<()>,
}

/// Starts a chain.
pub async fn spawn(config: Config) -> Result<Localnet, SpawnError> {
    if config.blocks == (Blocks::Interval { ms: 0 }) {
        return Err(SpawnError::IntervalZero);
    }
    let node = open(config.clone()).await?;
    let faults = Arc::new(Faults::new(node.clone()));
    let methods = rpc::methods(node.clone(), faults.clone()).map_err(SpawnError::Methods)?;
    let listen = |source| SpawnError::Listen { address: config.bind, source };
    let listener = TcpListener::bind(config.bind).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let (stop, server) = stop_channel();
    let config_of_server = server_config(&config.limits);
    let served = Served { methods: methods.into(), config: config_of_server, faults: faults.clone(), stop };
    tokio::spawn(accept::accept(listener, address, served));

    let mut tasks = JoinSet::new();
    if let Blocks::Interval { ms } = config.blocks {
        tasks.spawn(drive::make_blocks(node.clone(), ms));
    }
    if node.finality_delay_ms() > 0 {
        tasks.spawn(drive::finalize_blocks(node.clone()));
    }
    Ok(Localnet { node, faults, address, server, tasks })
}

/// Opens the chain, which takes its time when there is one on disk.
async fn open(config: Config) -> Result<Arc<Node>, SpawnError> {
    let opened = tokio::task::spawn_blocking(move || Node::new(&config)).await;
    match opened.map_err(|_| SpawnError::Stopping)? {
        Ok(node) => Ok(Arc::new(node)),
        Err(OpenError::Genesis(error)) => Err(SpawnError::Genesis(error)),
        Err(error) => Err(SpawnError::Open(error)),
    }
}

fn server_config(limits: &Limits) -> ServerConfig {
    ServerConfig::builder()
        .max_connections(limits.connections_max)
        .max_subscriptions_per_connection(limits.subscriptions_per_connection_max)
        .max_request_body_size(limits.request_bytes_max)
        .max_response_body_size(limits.response_bytes_max)
        .set_batch_request_config(BatchRequestConfig::Limit(limits.batch_calls_max))
        .set_message_buffer_capacity(limits.notifications_waiting_max)
        .set_id_provider(RandomStringIdProvider::new(SUBSCRIPTION_ID_CHARACTERS))
        .enable_ws_ping(PingConfig::default())
        .build()
}

impl Localnet {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a WebSocket URL.
    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Its address as an HTTP URL, for single calls.
    pub fn http_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes blocks, one after the other, of what waits.
    pub async fn produce_blocks(&self, count: u32) -> Result<(), ProduceBlocksError> {
        let node = self.node.clone();
        let produced =
            tokio::task::spawn_blocking(move || (0..count).try_for_each(|_| node.produce().map(drop)));
        Ok(produced.await.map_err(|_| ProduceBlocksError::Stopping)??)
    }

    /// What was found on disk when the chain started.
    pub fn recovered(&self) -> Recovered {
        self.node.recovered
    }

    /// Number of the newest block.
    pub fn best_number(&self) -> u32 {
        self.best().number()
    }

    /// Number of the newest final block.
    pub fn finalized_number(&self) -> u32 {
        self.node.chain.finalized().number()
    }

    /// The newest block.
    pub fn best(&self) -> BlockRef {
        self.node.chain.best()
    }

    /// The block with this number.
    pub fn block(&self, number: u32) -> Option<BlockRef> {
        self.node.chain.by_number(number)
    }

    /// Transactions waiting for a block.
    pub fn waiting(&self) -> usize {
        self.node.pool().len()
    }

    /// Moves the chain's clock ahead.
    pub fn travel(&self, milliseconds: u64) {
        self.node.clock.travel(milliseconds);
    }

    /// Stops the chain and waits until it has.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
        let _ = self.server.stop();
        // What fell silent would never end by itself.
        self.faults.gate.heal();
        self.server.clone().stopped().await;
        self.node.close();
    }

    /// Waits until the chain stops by itself, which it does not.
    pub async fn join(self) {
        self.server.clone().stopped().await;
    }
}

impl Drop for Localnet {
    fn drop(&mut self) {
        // The tasks stop with their set; a server that has stopped already is no error.
        let _ = self.server.stop();
        self.faults.gate.heal();
        self.node.close();
    }
}

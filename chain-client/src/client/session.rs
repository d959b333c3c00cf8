//! One connection to one node, over the legacy JSON-RPC methods.
//!
//! Legacy on purpose: every subtensor node serves them, they read any block the node still has (the newer `chainHead`
//! methods only blocks that are pinned), and the Python SDK uses the same, so public endpoints are sized for them.

use std::sync::Arc;
use std::time::Duration;

use subxt::OnlineClient;
use subxt::backend::LegacyBackend;
use subxt::config::{HashFor, RpcConfigFor, SubstrateConfig};
use subxt::ext::jsonrpsee::core::client::async_client::PingConfig;
use subxt::ext::jsonrpsee::ws_client::{WsClient, WsClientBuilder};
use subxt::rpcs::{LegacyRpcMethods, RpcClient};

use super::paced::{Answers, Pace, Paced};
use crate::blocks::BlockRef;
use crate::error::Fault;

/// The chain's types: what subxt calls a config. It also caches the metadata of each runtime version.
pub(crate) type Chain = SubstrateConfig;

/// A client fixed to one block.
pub(crate) type AtBlock = subxt::OnlineClientAtBlock<Chain>;

/// A subnet of 4,096 neurons is about 1.5 MiB; metadata is 0.8 MiB as hex.
const RESPONSE_BYTES_MAX: u32 = 32 * 1024 * 1024;
const SUBSCRIPTION_BUFFER_MAX: usize = 1024;
const PING_INTERVAL: Duration = Duration::from_secs(8);
const SILENCE_MAX: Duration = Duration::from_secs(16);

pub(crate) struct Session {
    url: String,
    socket: Arc<WsClient>,
    api: OnlineClient<Chain>,
    rpc: LegacyRpcMethods<RpcConfigFor<Chain>>,
}

impl Session {
    /// Opens a connection and asks it for its chain.
    pub(super) async fn open(
        url: &str,
        chain: Chain,
        request_timeout: Duration,
        answers: Arc<Answers>,
        pace: Option<Arc<Pace>>,
    ) -> Result<Self, String> {
        let ping = PingConfig::new().ping_interval(PING_INTERVAL).inactive_limit(SILENCE_MAX).max_failures(1);
        let socket = WsClientBuilder::new()
            .connection_timeout(request_timeout)
            // The caller's deadline comes first: it also gives up the connection.
            .request_timeout(request_timeout.saturating_mul(2))
            .max_response_size(RESPONSE_BYTES_MAX)
            .max_buffer_capacity_per_subscription(SUBSCRIPTION_BUFFER_MAX)
            .enable_ws_ping(ping)
            .build(url)
            .await
            .map_err(|error| innermost(&error))?;
        let socket = Arc::new(socket);
        let pace = pace.filter(|_| !is_on_this_machine(url));
        let client = RpcClient::new(Paced { socket: Arc::clone(&socket), answers, pace });
        let backend = LegacyBackend::<Chain>::builder().build(client.clone());
        let api = OnlineClient::from_backend_with_config(chain, Arc::new(backend))
            .await
            .map_err(|error| innermost(&error))?;
        Ok(Self { url: url.to_owned(), socket, api, rpc: LegacyRpcMethods::new(client) })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// False once the socket has closed or stopped answering pings.
    pub(crate) fn is_connected(&self) -> bool {
        self.socket.is_connected()
    }

    pub(crate) fn genesis_hash(&self) -> [u8; 32] {
        self.api.genesis_hash().0
    }

    pub(crate) fn rpc(&self) -> &LegacyRpcMethods<RpcConfigFor<Chain>> {
        &self.rpc
    }

    /// The client at one block, with the metadata of the runtime that made it.
    pub(crate) async fn at(&self, block: BlockRef) -> Result<AtBlock, Fault> {
        let hash: HashFor<Chain> = block.hash.into();
        Ok(self.api.at_block_hash_and_number(hash, block.number.into()).await?)
    }

    pub(crate) async fn finalized(&self) -> Result<BlockRef, Fault> {
        let hash = self.rpc.chain_get_finalized_head().await?;
        self.block(Some(hash)).await
    }

    /// The block with this hash, or the best block.
    pub(crate) async fn block(&self, hash: Option<HashFor<Chain>>) -> Result<BlockRef, Fault> {
        let header = self.rpc.chain_get_header(hash).await?.ok_or(Fault::UnknownBlock)?;
        let number = u32::try_from(header.number).map_err(|_| Fault::UnknownBlock)?;
        let hash = match hash {
            Some(hash) => hash,
            None => self.hash_at(number).await?,
        };
        Ok(BlockRef { number, hash: hash.0 })
    }

    pub(crate) async fn hash_at(&self, number: u32) -> Result<HashFor<Chain>, Fault> {
        self.rpc.chain_get_block_hash(Some(u64::from(number).into())).await?.ok_or(Fault::UnknownBlock)
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Nobody limits the rate of a node of one's own.
fn is_on_this_machine(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    ["127.", "localhost", "[::1]"].iter().any(|local| host.starts_with(local))
}

/// The text of the last cause: libraries wrap "connection refused" in several layers that repeat it.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

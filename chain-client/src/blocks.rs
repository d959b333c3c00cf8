//! Blocks: the finalised and the best one, and the stream of finalised ones without gaps.

use std::future::Future;
use std::time::Duration;

use chain_metadata::subtensor;
use futures::Stream;
use tokio::time::{Instant, sleep, timeout_at};

use crate::client::{ChainClient, Session};
use crate::error::{Fault, QueryError};

const FOLLOWING: &str = "following finalised blocks";
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(15);

/// A block, by number and hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockRef {
    /// Its height.
    pub number: u32,
    /// Its hash.
    pub hash: [u8; 32],
}

impl ChainClient {
    /// The newest finalised block.
    pub async fn finalized(&self) -> Result<BlockRef, QueryError> {
        self.bounded("reading the finalised block", async { self.session().await?.finalized().await }).await
    }

    /// The newest block, which may still be replaced by another.
    pub async fn best(&self) -> Result<BlockRef, QueryError> {
        self.bounded("reading the best block", async { self.session().await?.block(None).await }).await
    }

    /// The finalised block at this height.
    ///
    /// Below the finalised head there is one block at each height; above it, the best chain's block, which may change.
    pub async fn block_at(&self, number: u32) -> Result<BlockRef, QueryError> {
        self.bounded("looking up a block", async {
            let hash = self.session().await?.hash_at(number).await?;
            Ok(BlockRef { number, hash: hash.0 })
        })
        .await
    }

    /// When the block was made, in milliseconds since 1970, as its author said.
    pub async fn timestamp_ms(&self, at: BlockRef) -> Result<u64, QueryError> {
        self.bounded("reading a block's time", async {
            let mut reader = self.reader(at).await?;
            let now = reader.want(subtensor::storage().timestamp().now(), ())?;
            reader.fetch().await?.value(&now)
        })
        .await
    }

    /// The chain's block time: 12,000 ms on public networks, less on test chains.
    pub async fn block_time_ms(&self) -> Result<u64, QueryError> {
        self.bounded("reading the block time", async {
            let session = self.session().await?;
            let head = session.finalized().await?;
            let slot = subxt::constants::dynamic::<u64>("Aura", "SlotDuration");
            self.reader(head).await?.constant(slot)
        })
        .await
    }

    /// Every finalised block from the current one on, each once and in order.
    ///
    /// No gaps: blocks that a node skips in its notifications are looked up, and after a lost connection the stream
    /// resumes behind the last block given. A failure is an item; the stream goes on after it, waiting longer after each
    /// further failure (250 ms to 15 s). It ends only when it is dropped. Silence is not a failure: finality may stall,
    /// and a dead connection is noticed by pings within 30 s. But a node may answer and stand still: after
    /// [`ConnectConfig::silence_ms_max`](crate::ConnectConfig::silence_ms_max) the next endpoint is asked, where there is one.
    pub fn finalized_blocks(&self) -> impl Stream<Item = Result<BlockRef, QueryError>> + Send + 'static {
        let client = self.clone();
        async_stream::stream! {
            let mut last: Option<u32> = None;
            let mut backoff = BACKOFF_FIRST;
            loop {
                let subscription = client.bounded(FOLLOWING, async {
                    let session = client.session().await?;
                    let heads = session.rpc().chain_subscribe_finalized_heads().await?;
                    Ok((session, heads))
                });
                let mut news = Instant::now();
                let fault = match subscription.await {
                    Err(error) => Some(error),
                    Ok((session, mut heads)) => loop {
                        // Heads that were given before are no news: a node may go on and stay behind.
                        let until = client.silence_max().map(|silence| news + silence);
                        let Some(head) = unless_late(until, heads.next()).await else {
                            let url = session.url();
                            tracing::warn!(url, last, "a chain endpoint finalises nothing: the next one is asked");
                            client.leave(&session).await;
                            break None;
                        };
                        let number = match head {
                            Some(Ok(header)) => u32::try_from(header.number).unwrap_or(u32::MAX),
                            Some(Err(error)) => break Some(Fault::from(error).during(FOLLOWING)),
                            None => break None,
                        };
                        let mut lost = None;
                        for number in last.map_or(number, |last| last.saturating_add(1))..=number {
                            match client.finalized_hash(&session, number).await {
                                Ok(block) => {
                                    (last, news) = (Some(number), Instant::now());
                                    client.saw_final(number);
                                    backoff = BACKOFF_FIRST;
                                    yield Ok(block);
                                }
                                Err(error) => {
                                    lost = Some(error);
                                    break;
                                }
                            }
                        }
                        if lost.is_some() {
                            break lost;
                        }
                    },
                };
                if let Some(error) = fault {
                    yield Err(error);
                }
                sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
        }
    }

    async fn finalized_hash(&self, session: &Session, number: u32) -> Result<BlockRef, QueryError> {
        self.bounded(FOLLOWING, async { Ok(BlockRef { number, hash: session.hash_at(number).await?.0 }) })
            .await
    }
}

/// What a wait comes to, or `None` at the deadline, if there is one.
async fn unless_late<T>(deadline: Option<Instant>, wait: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, wait).await.ok(),
        None => Some(wait.await),
    }
}

impl std::fmt::Display for BlockRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{} (0x{})", self.number, hex::encode(self.hash))
    }
}

//! What became of a submitted extrinsic: the finalised block it is in, and whether it succeeded there.
//!
//! The node's notifications are the fast way. They are not the only one: a connection may break and a node may give up
//! watching, so without them the finalised blocks are searched until the extrinsic is found or has expired.

use std::pin::pin;

use futures::StreamExt;
use subxt::config::HashFor;
use subxt::events::Phase;
use subxt::rpcs::client::RpcSubscription;
use subxt::rpcs::methods::legacy::TransactionStatus;
use tokio::sync::watch;

use super::VALID_FOR_BLOCKS;
use super::error::SubmitError;
use super::progress::{Reached, SubmitStage};
use crate::blocks::BlockRef;
use crate::client::{AtBlock, Chain, ChainClient};
use crate::error::{Fault, QueryError};

/// A node's notifications about one extrinsic.
type Statuses = RpcSubscription<TransactionStatus<HashFor<Chain>>>;

/// An extrinsic that a node's pool has accepted, with the node's notifications if there are any.
pub(super) struct Submitted {
    pub(super) statuses: Option<Statuses>,
    pub(super) bytes: Vec<u8>,
    pub(super) born: BlockRef,
}

/// How watching ended.
enum Watched {
    Finalized(HashFor<Chain>),
    Gone(&'static str),
    Lost,
}

impl ChainClient {
    /// Waits until the extrinsic is in a finalised block, then reads from its events whether it succeeded. The caller sets
    /// the deadline.
    pub(super) async fn inclusion(
        &self,
        doing: &'static str,
        submitted: Submitted,
        reached: &watch::Sender<Reached>,
    ) -> Result<BlockRef, SubmitError> {
        let Submitted { statuses, bytes, born } = submitted;
        let watched = match statuses {
            Some(statuses) => self.watch(doing, &bytes, statuses, reached).await,
            None => Watched::Lost,
        };
        match watched {
            Watched::Finalized(hash) => {
                let block =
                    self.bounded(doing, async { self.session().await?.block(Some(hash)).await }).await?;
                let outcome = self.outcome_in(doing, &bytes, block).await?;
                outcome.unwrap_or(Err(SubmitError::Dropped {
                    doing,
                    reason: "not in the block that the node named",
                }))
            }
            Watched::Gone(reason) => Err(SubmitError::Dropped { doing, reason }),
            Watched::Lost => self.search(doing, &bytes, born).await,
        }
    }

    /// Follows the node's notifications. A block that is not final yet is looked into all the same: it is what can be told when
    /// the time is up, and most often the one that becomes final, about which nothing is asked twice.
    async fn watch(
        &self,
        doing: &'static str,
        bytes: &[u8],
        mut statuses: Statuses,
        reached: &watch::Sender<Reached>,
    ) -> Watched {
        while let Some(status) = statuses.next().await {
            match status {
                Ok(TransactionStatus::InBlock(hash)) => {
                    reached.send_replace(self.reached_in(doing, bytes, hash).await);
                }
                Ok(TransactionStatus::Retracted(_)) => {
                    reached.send_replace(Reached::Stage(SubmitStage::Sent));
                }
                Ok(TransactionStatus::Finalized(hash)) => return Watched::Finalized(hash),
                Ok(TransactionStatus::Usurped(_)) => {
                    return Watched::Gone("replaced by another extrinsic with the same nonce");
                }
                Ok(TransactionStatus::Invalid) => return Watched::Gone("it became invalid while it waited"),
                Ok(TransactionStatus::Dropped) => return Watched::Gone("the node's pool is full"),
                Ok(TransactionStatus::FinalityTimeout(_)) | Err(_) => return Watched::Lost,
                Ok(_) => {}
            }
        }
        Watched::Lost
    }

    /// What is known when this block, which may not be final, has the extrinsic.
    async fn reached_in(&self, doing: &'static str, bytes: &[u8], hash: HashFor<Chain>) -> Reached {
        let looked = async {
            let block = self.bounded(doing, async { self.session().await?.block(Some(hash)).await }).await?;
            self.outcome_in(doing, bytes, block).await
        };
        match looked.await {
            Ok(Some(Ok(block))) => Reached::Stage(SubmitStage::InBlock(block)),
            Ok(Some(Err(failure))) => Reached::Failed(failure),
            Ok(None) | Err(_) => Reached::Stage(SubmitStage::Sent),
        }
    }

    /// Looks through the finalised blocks in which the extrinsic is valid.
    async fn search(
        &self,
        doing: &'static str,
        bytes: &[u8],
        born: BlockRef,
    ) -> Result<BlockRef, SubmitError> {
        tracing::debug!(doing, "lost sight of an extrinsic, searching finalised blocks for it");
        let mut next = born.number.saturating_add(1);
        let last = born.number.saturating_add(VALID_FOR_BLOCKS);
        let mut heads = pin!(self.finalized_blocks());
        while next <= last {
            let head = match heads.next().await {
                Some(Ok(head)) => head,
                Some(Err(error)) => {
                    tracing::debug!(doing, %error, "still searching");
                    continue;
                }
                None => break,
            };
            while next <= head.number.min(last) {
                let looked = async { self.outcome_in(doing, bytes, self.block_at(next).await?).await };
                match looked.await {
                    Ok(Some(outcome)) => return outcome,
                    Ok(None) => next += 1,
                    // The next head brings it back to this block.
                    Err(error) if error.is_passing() => {
                        tracing::debug!(doing, %error, "still searching");
                        break;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Err(SubmitError::Dropped { doing, reason: "not in any block while it was valid" })
    }

    /// Whether the extrinsic succeeded in this block; `None` if the block does not have it.
    pub(crate) async fn outcome_in(
        &self,
        doing: &'static str,
        bytes: &[u8],
        block: BlockRef,
    ) -> Result<Option<Result<BlockRef, SubmitError>>, QueryError> {
        self.bounded(doing, async {
            let session = self.session().await?;
            let body =
                session.rpc().chain_get_block(Some(block.hash.into())).await?.ok_or(Fault::UnknownBlock)?;
            let Some(index) = body.block.extrinsics.iter().position(|extrinsic| extrinsic.0 == bytes) else {
                return Ok(None);
            };
            let at = session.at(block).await?;
            Ok(Some(match failure(&at, index).await? {
                None => Ok(block),
                Some(error) => Err(error),
            }))
        })
        .await
    }
}

/// The error with which the extrinsic failed, if it did.
async fn failure(at: &AtBlock, index: usize) -> Result<Option<SubmitError>, Fault> {
    let events = at.events().fetch().await?;
    for event in events.iter() {
        let event = event?;
        let ours = matches!(event.phase(), Phase::ApplyExtrinsic(number) if number as usize == index);
        if ours && event.pallet_name() == "System" && event.event_name() == "ExtrinsicFailed" {
            let error = subxt::error::DispatchError::decode_from(event.field_bytes(), at.metadata());
            return Ok(Some(SubmitError::of_dispatch(error?)));
        }
    }
    Ok(None)
}

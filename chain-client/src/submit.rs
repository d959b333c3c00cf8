//! Sending extrinsics: encode against the live runtime, sign, submit, wait until finalised, say what happened.

use std::pin::pin;

use protocol::signing::Keypair;
use subxt::config::DefaultExtrinsicParamsBuilder;
use subxt::tx::Payload;
use subxt::utils::AccountId32;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::blocks::BlockRef;
use crate::client::{Chain, ChainClient};
use crate::error::Fault;

pub(crate) mod axon;
mod commitment;
pub(crate) mod error;
mod inclusion;
pub(crate) mod pow;
pub(crate) mod progress;
pub(crate) mod register;
pub(crate) mod rejection;
pub(crate) mod signer;
mod stake;

use error::SubmitError;
use inclusion::Submitted;
use progress::{Reached, SubmitProgress, SubmitStage, TELL_INTERVAL};
use rejection::PoolRejection;
use signer::ExtrinsicSigner;

/// How many blocks an extrinsic stays valid for: the SDK's choice. After that a lost one can be sent again without fear
/// that both land.
const VALID_FOR_BLOCKS: u32 = 128;

/// How often an extrinsic is sent when connections break under it.
const ATTEMPTS_MAX: u32 = 3;

/// A signed extrinsic.
pub(crate) struct Signed {
    pub(crate) bytes: Vec<u8>,
    /// The block its validity counts from.
    pub(crate) born: BlockRef,
    pub(crate) nonce: u64,
    /// The runtime it is signed for: no other takes it.
    pub(crate) spec_version: u32,
}

impl ChainClient {
    /// Submits one call and waits until it is in a finalised block and known to have succeeded there.
    ///
    /// Never longer than the submission's deadline: what is in a block by then is [`SubmitError::NotFinal`]. Hotkey calls
    /// (axon, weights, commitment) are free for their sender: an account that holds nothing can submit them.
    async fn submit(
        &self,
        doing: &'static str,
        signer: &Keypair,
        call: &impl Payload,
    ) -> Result<BlockRef, SubmitError> {
        let (started, limit) = (Instant::now(), self.submit_timeout());
        let reached = watch::Sender::new(Reached::Stage(SubmitStage::Signing));
        let mut seen = reached.subscribe();
        let mut ticks = interval_at(started + TELL_INTERVAL, TELL_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let outcome = {
            let mut work = pin!(timeout(limit, self.submit_and_follow(doing, signer, call, &reached)));
            loop {
                tokio::select! {
                    outcome = &mut work => break outcome,
                    _ = ticks.tick() => {}
                    Ok(()) = seen.changed() => {}
                }
                if let Reached::Stage(stage) = *seen.borrow_and_update() {
                    let elapsed = started.elapsed();
                    self.audience().tell(SubmitProgress { doing, elapsed, timeout: limit, stage });
                }
            }
        };
        drop(seen);
        let reached = reached.send_replace(Reached::Stage(SubmitStage::Signing));
        match outcome {
            // Once it was sent, what could not be read is how it ended: told as what is known of that.
            Ok(Err(SubmitError::Query(error)))
                if !matches!(reached, Reached::Stage(SubmitStage::Signing)) =>
            {
                tracing::warn!(doing, %error, "lost sight of what was submitted");
                Err(reached.out_of_time(doing, started.elapsed()))
            }
            Ok(outcome) => outcome,
            Err(_) => Err(reached.out_of_time(doing, limit)),
        }
    }

    async fn submit_and_follow(
        &self,
        doing: &'static str,
        signer: &Keypair,
        call: &impl Payload,
        reached: &watch::Sender<Reached>,
    ) -> Result<BlockRef, SubmitError> {
        let submitted = {
            // One at a time from nonce to pool: two at once would sign with the same nonce.
            let _turn = self.submitting().lock().await;
            let signing = async {
                let born = self.session().await?.finalized().await?;
                self.sign_at(signer, call, born, VALID_FOR_BLOCKS).await
            };
            let signed = self.bounded(doing, signing).await?;
            // From here on it may have arrived.
            reached.send_replace(Reached::Stage(SubmitStage::Sent));
            self.enter_pool(doing, signed).await?
        };
        self.inclusion(doing, submitted, reached).await
    }

    /// Signs a call with the account's next nonce, valid for `life_blocks` (a power of two, at least 4) from `born` on. The
    /// caller holds [`ChainClient::submitting`] until it is sent, and a deadline.
    pub(crate) async fn sign_at(
        &self,
        signer: &Keypair,
        call: &impl Payload,
        born: BlockRef,
        life_blocks: u32,
    ) -> Result<Signed, Fault> {
        let session = self.session().await?;
        let at = self.at(&session, born).await?;
        let account = AccountId32(signer.public().0);
        let nonce = session.rpc().system_account_next_index(&account).await?;
        let params = DefaultExtrinsicParamsBuilder::<Chain>::new()
            .nonce(nonce)
            .mortal_from_unchecked(life_blocks.into(), born.number.into(), born.hash.into())
            .build();
        let transactions = at.tx();
        let signable = transactions.create_v4_signable_offline(call, params);
        let mut signable = signable.map_err(|error| {
            let item = format!("{}.{}", call.pallet_name(), call.call_name());
            Fault::of_item(item, at.spec_version(), error.into())
        })?;
        let bytes = signable.sign(&ExtrinsicSigner(signer))?.into_encoded();
        Ok(Signed { bytes, born, nonce, spec_version: at.spec_version() })
    }

    /// Hands the extrinsic to a node's pool. A broken connection leaves open whether it arrived; sending the very same bytes
    /// again cannot do it twice, and the answer then tells.
    async fn enter_pool(&self, doing: &'static str, signed: Signed) -> Result<Submitted, SubmitError> {
        let Signed { bytes, born, .. } = signed;
        for attempt in 0..ATTEMPTS_MAX {
            let Ok(session) = self.session().await else {
                break;
            };
            let submission = session.rpc().author_submit_and_watch_extrinsic(&bytes);
            let statuses = match timeout(self.request_timeout(), submission).await {
                Ok(Ok(statuses)) => Some(statuses),
                Ok(Err(subxt::rpcs::Error::User(answer))) => match PoolRejection::of_answer(&answer) {
                    PoolRejection::AlreadyImported | PoolRejection::Stale if attempt > 0 => None,
                    rejection => return Err(SubmitError::Pool(rejection)),
                },
                Ok(Err(error)) => {
                    tracing::debug!(doing, %error, "the connection was lost while submitting");
                    continue;
                }
                Err(_) => {
                    self.distrust();
                    continue;
                }
            };
            tracing::debug!(doing, %born, attempt, "extrinsic is in the pool");
            return Ok(Submitted { statuses, bytes, born });
        }
        Err(SubmitError::Disconnected { doing })
    }
}

//! What setting weights asks of the chain, so that a simulated one can stand in for it.

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::bounded_collections::bounded_vec::BoundedVec;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::{MechId, NetUid};
use parity_scale_codec::Encode;
use protocol::signing::Keypair;
use subxt::utils::H256;
use tokio::sync::MutexGuard;
use tokio::time::timeout;

use super::commit::{Opening, SALT_LENGTH, commit_hash};
use super::decide::{Facts, Regime};
use super::journal::{Manner, Submission, Unrevealed};
use super::schedule::ScheduleError;
use super::timelock::{self, Payload, SystemRandom, TimelockError};
use crate::blocks::BlockRef;
use crate::client::ChainClient;
use crate::error::QueryError;
use crate::submit::error::SubmitError;
use crate::submit::rejection::PoolRejection;

/// Blocks for which a reveal is valid: it is sent again if it did not land by then.
pub(super) const REVEAL_LIFE_BLOCKS: u32 = 16;

/// The chain, for one hotkey on one mechanism of one subnet.
pub(crate) trait Chain {
    /// What the decision depends on, as of the newest finalised block.
    async fn facts(&self) -> Result<Facts, QueryError>;
    /// Held from signing to sending, so that two extrinsics of one process never have the same nonce.
    async fn turn(&self) -> Option<MutexGuard<'_, ()>>;
    /// Makes the extrinsic that carries the vector, as the subnet wants it.
    async fn sign(
        &self,
        vector: &[(u16, u16)],
        facts: &Facts,
        life_blocks: u32,
    ) -> Result<Submission, SignError>;
    /// Hands signed bytes to a node.
    async fn send(&self, extrinsic: &[u8]) -> Delivery;
    /// Shows what was hashed.
    async fn reveal(&self, hashed: &Unrevealed, born: BlockRef) -> Result<Delivery, QueryError>;
    /// With which error the submission failed, if it is in a finalised block and did.
    async fn failure(&self, submission: &Submission, finalized: u32) -> Option<SubmitError>;
}

/// What a node did with signed bytes.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// They wait for a block there.
    InPool,
    /// It does not take them. Another node may have them all the same, from before.
    Refused(PoolRejection),
    /// Nobody knows.
    Unknown(String),
}

/// Why no extrinsic could be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignError {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    #[error(transparent)]
    Timelock(#[from] TimelockError),
}

/// The real one.
#[derive(Debug)]
pub(crate) struct OnChain {
    pub(crate) client: ChainClient,
    pub(crate) hotkey: Keypair,
    pub(crate) netuid: u16,
    pub(crate) mechanism: u8,
    /// `None`: the least that the chain accepts.
    pub(crate) version_key: Option<u64>,
}

const SIGNING: &str = "signing weights";

impl OnChain {
    async fn timelocked(
        &self,
        uids: Vec<u16>,
        values: Vec<u16>,
        version_key: u64,
        facts: &Facts,
        version: u16,
        life_blocks: u32,
    ) -> Result<Submission, SignError> {
        let commit = self.client.commit_context(self.netuid).await?;
        let round = commit.beacon.reveal_round(
            &commit.clock,
            facts.reveal_period_epochs,
            commit.now_ms,
            commit.block_time_ms,
        )?;
        let payload = Payload { hotkey: self.hotkey.public().0.to_vec(), uids, values, version_key }.encode();
        let bytes = timelock::encrypt(&commit.beacon.public_key, round, &payload, SystemRandom)?;
        let call = subtensor::tx().subtensor_module().commit_timelocked_mechanism_weights(
            NetUid(self.netuid),
            MechId(self.mechanism),
            BoundedVec(bytes),
            round,
            version,
        );
        Ok(self.signed(&call, facts.block, life_blocks, Manner::Timelocked { round }).await?)
    }

    async fn signed(
        &self,
        call: &impl subxt::tx::Payload,
        born: BlockRef,
        life_blocks: u32,
        manner: Manner,
    ) -> Result<Submission, QueryError> {
        let signing = self.client.sign_at(&self.hotkey, call, born, life_blocks);
        let signed = self.client.bounded(SIGNING, signing).await?;
        Ok(Submission {
            extrinsic: signed.bytes,
            nonce: signed.nonce,
            spec_version: signed.spec_version,
            born_at_block: born.number,
            last_block: born.number.saturating_add(life_blocks).saturating_sub(1),
            manner,
        })
    }
}

impl Chain for OnChain {
    async fn facts(&self) -> Result<Facts, QueryError> {
        self.client.weights_facts(self.netuid, self.mechanism, &self.hotkey.public()).await
    }

    async fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        Some(self.client.submitting().lock().await)
    }

    async fn sign(
        &self,
        vector: &[(u16, u16)],
        facts: &Facts,
        life_blocks: u32,
    ) -> Result<Submission, SignError> {
        let (netuid, mechanism) = (NetUid(self.netuid), MechId(self.mechanism));
        let version_key = self.version_key.unwrap_or(facts.version_key);
        let (uids, values): (Vec<u16>, Vec<u16>) = vector.iter().copied().unzip();
        let module = subtensor::tx().subtensor_module();
        match facts.regime {
            Regime::Timelocked { version } => {
                self.timelocked(uids, values, version_key, facts, version, life_blocks).await
            }
            Regime::Hashed => {
                let opening = Opening { salt: salt()?, version_key };
                let hash = commit_hash(&self.hotkey.public(), self.netuid, self.mechanism, vector, &opening);
                let call = module.commit_mechanism_weights(netuid, mechanism, H256(hash.0));
                let manner = Manner::Hashed { hash, opening };
                Ok(self.signed(&call, facts.block, life_blocks, manner).await?)
            }
            Regime::Plain | Regime::Unknown { .. } => {
                let call = module.set_mechanism_weights(netuid, mechanism, uids, values, version_key);
                Ok(self.signed(&call, facts.block, life_blocks, Manner::Plain).await?)
            }
        }
    }

    async fn send(&self, extrinsic: &[u8]) -> Delivery {
        let Ok(session) = self.client.session().await else {
            return Delivery::Unknown("not connected".to_owned());
        };
        let submission = session.rpc().author_submit_extrinsic(extrinsic);
        match timeout(self.client.request_timeout(), submission).await {
            Ok(Ok(_)) => Delivery::InPool,
            Ok(Err(subxt::rpcs::Error::User(answer))) => match PoolRejection::of_answer(&answer) {
                PoolRejection::AlreadyImported => Delivery::InPool,
                // Neither says that it is nowhere: something of ours is there already, or was.
                rejection @ (PoolRejection::PriorityTooLow
                | PoolRejection::TemporarilyBanned
                | PoolRejection::Other { .. }) => Delivery::Unknown(rejection.to_string()),
                rejection => Delivery::Refused(rejection),
            },
            Ok(Err(error)) => Delivery::Unknown(error.to_string()),
            Err(_) => {
                self.client.distrust();
                Delivery::Unknown("no answer".to_owned())
            }
        }
    }

    async fn reveal(&self, hashed: &Unrevealed, born: BlockRef) -> Result<Delivery, QueryError> {
        let (uids, values) = hashed.vector.iter().copied().unzip();
        let call = subtensor::tx().subtensor_module().reveal_mechanism_weights(
            NetUid(self.netuid),
            MechId(self.mechanism),
            uids,
            values,
            hashed.opening.salt.clone(),
            hashed.opening.version_key,
        );
        let _turn = self.turn().await;
        let signing = self.client.sign_at(&self.hotkey, &call, born, REVEAL_LIFE_BLOCKS);
        let signed = self.client.bounded("signing a reveal", signing).await?;
        Ok(self.send(&signed.bytes).await)
    }

    async fn failure(&self, submission: &Submission, finalized: u32) -> Option<SubmitError> {
        let search = async {
            for number in submission.born_at_block.saturating_add(1)..=finalized.min(submission.last_block) {
                let block = self.client.block_at(number).await.ok()?;
                let outcome = self.client.outcome_in(SIGNING, &submission.extrinsic, block).await.ok()?;
                if let Some(outcome) = outcome {
                    return outcome.err();
                }
            }
            None
        };
        timeout(self.client.request_timeout(), search).await.ok()?
    }
}

fn salt() -> Result<Vec<u16>, TimelockError> {
    let mut bytes = [0u8; 2 * SALT_LENGTH];
    getrandom::fill(&mut bytes).map_err(|_| TimelockError::Randomness)?;
    Ok(bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect())
}

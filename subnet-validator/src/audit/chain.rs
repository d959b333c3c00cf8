//! What the chain says about a reviewed tempo: the head's digest was committed, the miners were those registered, and the
//! weights are those the scores give. Pure; the facts are read by [`ChainFacts::read`].

use std::collections::{BTreeMap, BTreeSet};

use chain_client::{BlockRef, ChainClient, QueryError};
use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::scoring::weights;

use super::review::Reviewed;

/// What was read from the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainFacts {
    /// Hotkeys with their coldkeys and uids, at the head's block.
    pub registered: Vec<(AccountId, AccountId, u16)>,
    /// The validator's commitment, if it is a 32-byte digest.
    pub committed: Option<Digest>,
    /// The validator's weights, ascending by uid.
    pub weights: Vec<(u16, u16)>,
}

/// A difference between what the validator says and what the chain shows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// No head is committed.
    #[error("the validator has committed no head on chain")]
    NotCommitted,
    /// Another digest is committed. After the tempo that is the next head's; within it, it is another log.
    #[error("the validator has committed {found} on chain, the reviewed head is {expected}")]
    OtherCommitment {
        /// The reviewed head's.
        expected: Digest,
        /// On chain.
        found: Digest,
    },
    /// The head's list of miners is not the chain's.
    #[error("the head's miners are not those registered at its block")]
    Miners,
    /// The weights on chain are not those that the scores give.
    #[error("the weights on chain are not those that the receipts give")]
    Weights {
        /// What the receipts give.
        expected: Vec<(u16, u16)>,
        /// On chain.
        found: Vec<(u16, u16)>,
    },
}

impl ChainFacts {
    /// Reads the registered miners at the head's block, and the validator's commitment and weights at `at`.
    ///
    /// # Errors
    /// When the chain cannot be read; a node that keeps no old states cannot answer for the head's block.
    pub async fn read(client: &ChainClient, reviewed: &Reviewed, at: BlockRef) -> Result<Self, QueryError> {
        let head = &reviewed.head;
        let number = u32::try_from(head.block_number).unwrap_or(u32::MAX);
        let then = BlockRef { number, hash: head.block_hash.0 };
        let registered = client.metagraph(head.netuid, then).await?;
        let now = client.metagraph(head.netuid, at).await?;
        let commitment = client.commitment(head.netuid, &head.validator, at).await?;
        let uid = now.by_hotkey(&head.validator).map(|neuron| neuron.uid);
        let mut of_uid = client.weights(head.netuid, at).await?;
        let mut weights = uid.and_then(|uid| of_uid.remove(&uid)).unwrap_or_default();
        weights.sort_unstable();
        Ok(Self {
            registered: registered
                .neurons
                .iter()
                .map(|neuron| (neuron.hotkey, neuron.coldkey, neuron.uid))
                .collect(),
            committed: commitment.and_then(|commitment| commitment.sha256().copied()).map(Digest),
            weights,
        })
    }
}

/// Compares.
#[must_use]
pub fn compare(reviewed: &Reviewed, facts: &ChainFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let expected = reviewed.head.digest();
    match facts.committed {
        None => findings.push(Finding::NotCommitted),
        Some(found) if found != expected => findings.push(Finding::OtherCommitment { expected, found }),
        Some(_) => {}
    }
    let said: BTreeSet<_> = reviewed.miners.iter().map(|miner| (miner.hotkey, miner.coldkey)).collect();
    let seen: BTreeSet<_> = facts.registered.iter().map(|(hotkey, coldkey, _)| (*hotkey, *coldkey)).collect();
    if said != seen {
        findings.push(Finding::Miners);
    }
    let uid_of: BTreeMap<AccountId, u16> =
        facts.registered.iter().map(|(hotkey, _, uid)| (*hotkey, *uid)).collect();
    let expected = weights(&reviewed.replayed.table, &uid_of);
    if expected != facts.weights {
        findings.push(Finding::Weights { expected, found: facts.weights.clone() });
    }
    findings
}

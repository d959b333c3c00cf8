//! What the chain says about a reviewed tempo: the head's digest was committed, the miners were those registered, and the
//! weights are those the scores give. Pure; the facts are read by [`ChainFacts::read`].

use std::collections::{BTreeMap, BTreeSet};

use chain_client::{BlockRef, ChainClient, QueryError};
use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::scoring::weights_of_points;

use super::merged::merge_by_stake;
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
    /// When the head's block was made, in milliseconds.
    pub block_timestamp_ms: u64,
    /// The tempo that the head's block belongs to.
    pub block_epoch_index: u64,
    /// Stakes of those with a validator permit, in rao.
    pub stakes: BTreeMap<AccountId, u64>,
    /// Hotkeys with a validator permit that have committed to a digest, with the digest.
    pub permitted: BTreeMap<AccountId, Digest>,
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
    /// The head's block is not of the tempo or the time that the head says.
    #[error("the head's block is of epoch {epoch_index} and was made at {timestamp_ms} ms")]
    Block {
        /// The tempo on chain.
        epoch_index: u64,
        /// The block's time on chain.
        timestamp_ms: u64,
    },
    /// The weights cannot be judged without the logs they may be merged with.
    #[error("the weights may follow from the logs of {} too: give their bundles as well", list(.validators))]
    Unseen {
        /// Whose bundles are missing.
        validators: Vec<AccountId>,
    },
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
        let block_timestamp_ms = client.timestamp_ms(then).await?;
        let block_epoch_index = client.epoch(head.netuid, then).await?.epoch_index;
        let now = client.metagraph(head.netuid, at).await?;
        let committed = committed(client, head.netuid, at).await?;
        let permitted = now.neurons.iter().filter(|neuron| neuron.validator_permit);
        let stakes: BTreeMap<_, _> =
            permitted.map(|neuron| (neuron.hotkey, neuron.stake_weight_rao)).collect();
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
            committed: committed.get(&head.validator).copied(),
            weights,
            block_timestamp_ms,
            block_epoch_index,
            permitted: committed.into_iter().filter(|(hotkey, _)| stakes.contains_key(hotkey)).collect(),
            stakes,
        })
    }
}

/// The digests that hotkeys of a subnet have committed to.
///
/// # Errors
/// When the chain cannot be read.
pub async fn committed(
    client: &ChainClient,
    netuid: u16,
    at: BlockRef,
) -> Result<BTreeMap<AccountId, Digest>, QueryError> {
    let commitments = client.commitments(netuid, at).await?;
    let digest = |(hotkey, commitment): (AccountId, chain_client::Commitment)| {
        Some((hotkey, Digest(*commitment.sha256()?)))
    };
    Ok(commitments.into_iter().filter_map(digest).collect())
}

fn list(validators: &[AccountId]) -> String {
    validators.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Compares what one validator's bundle says, where no other has a log.
#[must_use]
pub fn compare(reviewed: &Reviewed, facts: &ChainFacts) -> Vec<Finding> {
    compare_with(reviewed, &[], facts)
}

/// Compares what one validator's bundle says with the chain. Its weights are those of all committed logs of the tempo
/// ([`super::merged`]); `others` are the bundles of the others, as far as the reviewer has them and found them true.
#[must_use]
pub fn compare_with(reviewed: &Reviewed, others: &[&Reviewed], facts: &ChainFacts) -> Vec<Finding> {
    let mut findings = compare_head(reviewed, facts);
    let (head, found) = (&reviewed.head, &facts.weights);
    let same_tempo = |other: &&&Reviewed| {
        other.head.epoch_index == head.epoch_index && other.head.validator != head.validator
    };
    let others: Vec<&Reviewed> = others.iter().filter(same_tempo).copied().collect();
    let uid_of: BTreeMap<AccountId, u16> =
        facts.registered.iter().map(|(hotkey, _, uid)| (*hotkey, *uid)).collect();
    let logs = std::iter::once(reviewed).chain(others.iter().copied());
    let stake = |reviewed: &Reviewed| facts.stakes.get(&reviewed.head.validator).copied().unwrap_or(0);
    let points = merge_by_stake(logs.map(|log| (stake(log), &log.replayed.table)));
    let expected = weights_of_points(points, &uid_of);
    // A validator may follow its own log only.
    let alone = weights_of_points(merge_by_stake([(1, &reviewed.replayed.table)]), &uid_of);
    if expected == *found || alone == *found {
        return findings;
    }
    let seen = |hotkey: &AccountId| {
        *hotkey == head.validator || others.iter().any(|other| other.head.validator == *hotkey)
    };
    let validators: Vec<_> = facts.permitted.keys().filter(|hotkey| !seen(hotkey)).copied().collect();
    findings.push(match validators.is_empty() {
        true => Finding::Weights { expected, found: found.clone() },
        false => Finding::Unseen { validators },
    });
    findings
}

/// Compares everything but the weights.
#[must_use]
pub fn compare_head(reviewed: &Reviewed, facts: &ChainFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (epoch_index, timestamp_ms) = (facts.block_epoch_index, facts.block_timestamp_ms);
    if (epoch_index, timestamp_ms) != (reviewed.head.epoch_index, reviewed.head.window_end_ms) {
        findings.push(Finding::Block { epoch_index, timestamp_ms });
    }
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
    findings
}

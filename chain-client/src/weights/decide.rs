//! What to do now: a pure function of the chain's facts and the journal.
//!
//! The rule it keeps: in one tempo at most one vector reaches the chain. A vector has reached a tempo if it landed in or after
//! the tempo's first block (the epoch runs before a block's extrinsics). A signed extrinsic lives no longer than the tempo it
//! was signed in, as far as that can be foreseen, and while it lives nothing else is signed: only the very same bytes are
//! sent again, which the chain can include once. It is dead when a finalised block shows that no later block can include it.

use super::journal::{Entry, Manner, Progress};
use crate::blocks::BlockRef;

/// The longest an extrinsic lives, in blocks: the SDK's choice. Lives are powers of two.
const LIFE_BLOCKS_MAX: u64 = 128;
/// The shortest that the chain knows.
const LIFE_BLOCKS_MIN: u64 = 4;
/// Blocks between two sendings of the same bytes.
const RESEND_BLOCKS: u32 = 3;

/// What the decision depends on, all of one finalised block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The block.
    pub block: BlockRef,
    /// The newest block when the finalised one was read.
    pub best_block: u32,
    /// The runtime's version.
    pub spec_version: u32,
    /// How many epochs have run.
    pub epoch_index: u64,
    /// The epoch that an extrinsic in the next block belongs to.
    pub epoch_index_next: u64,
    /// Block of the last epoch: the tempo's first.
    pub last_epoch_block: u64,
    /// Block of the next epoch; `None` if epochs never run.
    pub next_epoch_block: Option<u64>,
    /// This validator on the subnet, if it is registered.
    pub own: Option<OwnNeuron>,
    /// The hotkey's nonce: how many extrinsics of it are in finalised blocks.
    pub nonce: u64,
    /// Neurons on the subnet.
    pub neurons: u16,
    /// Mechanisms on the subnet.
    pub mechanisms: u8,
    /// Blocks between two weight settings.
    pub weights_rate_limit: u64,
    /// Fewest uids a vector may name.
    pub min_allowed_weights: u16,
    /// The largest share one weight may have, out of 65,535.
    pub max_weight_limit: u16,
    /// The least version key that weights must carry.
    pub version_key: u64,
    /// How the subnet takes weights.
    pub regime: Regime,
    /// Epochs from a commit to its reveal.
    pub reveal_period_epochs: u64,
    /// This hotkey's hashes that the chain has, with the epoch each was committed in.
    pub hashes: Vec<([u8; 32], u64)>,
}

/// This validator's neuron.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnNeuron {
    /// Its uid.
    pub uid: u16,
    /// Whether its weights count.
    pub validator_permit: bool,
    /// Whether the hotkey is the subnet owner's, which needs no permit.
    pub is_owner: bool,
    /// Block of its last weights or commit, or of its registration; 0 if none.
    pub last_update: u64,
    /// Block of its registration.
    pub registered_at: u64,
}

/// How a subnet takes weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Regime {
    /// In the open.
    Plain,
    /// A hash, revealed later by its sender.
    Hashed,
    /// Encrypted to a round of the beacon, revealed by the chain.
    Timelocked {
        /// The protocol's version, which the call names.
        version: u16,
    },
    /// In a way that this software does not know.
    Unknown {
        /// The protocol's version.
        version: u16,
    },
}

/// Settings of the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Share of the tempo that passes before a vector is decided, in percent.
    pub submit_after_percent: u8,
    /// When finality is further behind than this many blocks, nothing new is decided.
    pub finality_lag_blocks_max: u32,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Decide a vector and submit it.
    SubmitNew {
        /// How many blocks the extrinsic may live.
        life_blocks: u32,
    },
    /// Submit the vector decided earlier in this tempo.
    SubmitDecided {
        /// How many blocks the extrinsic may live.
        life_blocks: u32,
    },
    /// Send the signed bytes again.
    Resend,
    /// The submitted vector is on the chain: record it.
    Confirm {
        /// Where it landed.
        in_block: u64,
    },
    /// The submitted vector is not on the chain and cannot get there any more: record that.
    Withdraw,
    /// This tempo has its vector.
    Settled,
    /// Not now.
    Wait(Wait),
}

/// Why not now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Wait {
    /// The hotkey is not registered.
    #[error("the hotkey is not registered on this subnet")]
    NotRegistered,
    /// The hotkey has no permit.
    #[error("the hotkey has no validator permit yet; permits are given at the end of each tempo, by stake")]
    NoPermit,
    /// Epochs never run.
    #[error("the subnet runs no epochs")]
    NoEpochs,
    /// The mechanism does not exist.
    #[error("the subnet has {mechanisms} mechanisms; this one is not among them")]
    NoMechanism {
        /// How many it has.
        mechanisms: u8,
    },
    /// The subnet hides weights in a way that this software does not know.
    #[error(
        "the chain hides weights by version {version} of commit-reveal, which this software does not know: update it"
    )]
    UnknownCommitReveal {
        /// The version.
        version: u16,
    },
    /// Finality is far behind.
    #[error("finality is {blocks} blocks behind: what is decided now could reach another tempo")]
    FinalityStalled {
        /// How far.
        blocks: u32,
    },
    /// The endpoint has not seen what was seen before.
    #[error("the endpoint has not reached block {seen} yet, which was seen before")]
    OlderBlock {
        /// The newest block that was looked at.
        seen: u32,
    },
    /// It is early in the tempo.
    #[error("it is early in the tempo; the vector is decided at block {at_block}")]
    Early {
        /// When.
        at_block: u64,
    },
    /// The tempo ends too soon for a submission.
    #[error("the tempo ends within a few blocks; the next vector is for the next tempo")]
    TempoEnds,
    /// Nothing counts.
    #[error("nothing is scored above zero, so there is nothing to set weights on")]
    NothingCounts,
    /// The vector is too short.
    #[error("only {have} miners have weight, the subnet wants at least {need}")]
    TooFew {
        /// Miners with weight.
        have: usize,
        /// Fewest allowed.
        need: usize,
    },
    /// The last setting, or the registration, is too recent.
    #[error("the chain takes the next weights from block {from_block} on (rate limit)")]
    RateLimited {
        /// First block.
        from_block: u64,
    },
    /// A submission is on its way.
    #[error("a submission is on its way; it can be included until block {until_block}")]
    InDoubt {
        /// Last block that could include it.
        until_block: u64,
    },
    /// The chain refused the last submission.
    #[error("the chain refused the last submission; the next is made at block {until_block}")]
    Refused {
        /// When.
        until_block: u64,
    },
}

/// What this process remembers of its sendings; nothing is lost when it dies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sendings {
    /// The finalised block at which the bytes in the journal were sent last by this process.
    pub sent_at: Option<u32>,
    /// No new submission before this block, after a refusal.
    pub refused_until: Option<u32>,
}

/// Decides.
#[must_use]
pub fn decide(facts: &Facts, timing: &Timing, last: Option<&Entry>, sendings: &Sendings) -> Decision {
    let Some(own) = facts.own else { return Decision::Wait(Wait::NotRegistered) };
    let block = u64::from(facts.block.number);
    // Registration counts as an update on the chain, but no vector came with it.
    let landed = Some(own.last_update).filter(|update| *update > 0 && *update != own.registered_at);

    if let Some(Progress::Submitted(submission)) = last.map(|entry| &entry.progress) {
        if let Some(in_block) = landed.filter(|update| *update > submission.born_at_block.into()) {
            return Decision::Confirm { in_block };
        }
        let dead = facts.block.number >= submission.last_block
            || facts.nonce > submission.nonce
            || facts.spec_version != submission.spec_version;
        if dead {
            return Decision::Withdraw;
        }
        let due =
            sendings.sent_at.is_none_or(|sent| facts.block.number >= sent.saturating_add(RESEND_BLOCKS));
        let until_block = submission.last_block.into();
        return if due { Decision::Resend } else { Decision::Wait(Wait::InDoubt { until_block }) };
    }
    let confirmed = match last.map(|entry| &entry.progress) {
        Some(Progress::Confirmed { in_block, .. }) => Some(*in_block),
        _ => None,
    };
    if landed.max(confirmed).is_some_and(|update| update >= facts.last_epoch_block) {
        return Decision::Settled;
    }
    let life_blocks = match life(facts, timing, &own) {
        Ok(life_blocks) => life_blocks,
        Err(wait) => return Decision::Wait(wait),
    };
    if let Some(until_block) = sendings.refused_until.map(u64::from).filter(|until| block < *until) {
        return Decision::Wait(Wait::Refused { until_block });
    }
    let decided_now = last.is_some_and(|entry| entry.epoch_index == facts.epoch_index && confirmed.is_none());
    if decided_now { Decision::SubmitDecided { life_blocks } } else { Decision::SubmitNew { life_blocks } }
}

/// How long an extrinsic signed now may live, or what keeps any vector from being set now, the lasting reasons first.
fn life(facts: &Facts, timing: &Timing, own: &OwnNeuron) -> Result<u32, Wait> {
    if let Regime::Unknown { version } = facts.regime {
        return Err(Wait::UnknownCommitReveal { version });
    }
    let next_epoch_block = facts.next_epoch_block.ok_or(Wait::NoEpochs)?;
    if !own.validator_permit && !own.is_owner {
        return Err(Wait::NoPermit);
    }
    let lag = facts.best_block.saturating_sub(facts.block.number);
    if lag > timing.finality_lag_blocks_max {
        return Err(Wait::FinalityStalled { blocks: lag });
    }
    // The submission lands in the next block at the earliest. A `last_update` of 0 means never.
    let block = u64::from(facts.block.number);
    let next_block = u64::from(facts.best_block).saturating_add(1);
    let from_block = own.last_update.saturating_add(facts.weights_rate_limit);
    if own.last_update > 0 && next_block < from_block {
        return Err(Wait::RateLimited { from_block });
    }
    let length = next_epoch_block.saturating_sub(facts.last_epoch_block);
    let at_block = facts
        .last_epoch_block
        .saturating_add(length.saturating_mul(timing.submit_after_percent.into()) / 100);
    if block < at_block {
        return Err(Wait::Early { at_block });
    }
    let left = next_epoch_block.saturating_sub(block).min(LIFE_BLOCKS_MAX);
    // The largest power of two that fits: the chain knows no others.
    let life_blocks = if left == 0 { 0 } else { 1 << left.ilog2() };
    if life_blocks < LIFE_BLOCKS_MIN || block.saturating_add(life_blocks) <= next_block {
        return Err(Wait::TempoEnds);
    }
    Ok(u32::try_from(life_blocks).unwrap_or(u32::MAX))
}

/// What keeps this vector from being set.
#[must_use]
pub fn objection(facts: &Facts, mechanism: u8, vector: &[(u16, u16)]) -> Option<Wait> {
    if mechanism >= facts.mechanisms {
        return Some(Wait::NoMechanism { mechanisms: facts.mechanisms });
    }
    if vector.is_empty() {
        return Some(Wait::NothingCounts);
    }
    let need = usize::from(facts.neurons.min(facts.min_allowed_weights));
    let on_itself = is_on_itself(facts, vector.iter().map(|(uid, _)| *uid));
    (!on_itself && vector.len() < need).then_some(Wait::TooFew { have: vector.len(), need })
}

/// A vector on nobody but the validator itself is free of the rules on length and on largest weights.
pub(crate) fn is_on_itself(facts: &Facts, mut uids: impl Iterator<Item = u16>) -> bool {
    facts.own.is_some_and(|own| uids.next() == Some(own.uid) && uids.next().is_none())
}

/// What to do about a hash that the chain may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reveal {
    /// Show what was hashed, now.
    Now,
    /// Later.
    Later,
    /// It is revealed, or can no longer be.
    Over,
}

/// Decides about one hash. It can be revealed only in blocks of one epoch: that of its commit and the reveal period later.
#[must_use]
pub fn reveal(facts: &Facts, hash: &[u8; 32]) -> Reveal {
    let Some((_, committed_in)) = facts.hashes.iter().find(|(known, _)| known == hash) else {
        return Reveal::Over;
    };
    let reveal_in = committed_in.saturating_add(facts.reveal_period_epochs);
    match reveal_in.cmp(&facts.epoch_index_next) {
        std::cmp::Ordering::Equal => Reveal::Now,
        std::cmp::Ordering::Greater => Reveal::Later,
        std::cmp::Ordering::Less => Reveal::Over,
    }
}

impl std::fmt::Display for Manner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain => f.write_str("in the open"),
            Self::Hashed { .. } => f.write_str("as a hash, to be revealed"),
            Self::Timelocked { round } => write!(f, "encrypted to round {round} of the beacon"),
        }
    }
}

#[cfg(test)]
mod tests;

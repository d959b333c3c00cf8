//! Whether to set weights now: a pure function of the chain's facts, the vector at hand and the journal.
//!
//! The rule it keeps: in one tempo at most one vector reaches the chain. A vector has reached a tempo if it landed in or after
//! the tempo's first block (the epoch runs before a block's extrinsics). While a submission's fate is unknown nothing else is
//! sent, not even the same vector again: either it shows on the chain, or the chain can no longer include it.

use super::journal::{Entry, Progress};

/// What the decision depends on, all of one finalised block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The block.
    pub block: u32,
    /// How many epochs have run.
    pub epoch_index: u64,
    /// Block of the last epoch: the tempo's first.
    pub last_epoch_block: u64,
    /// Block of the next epoch; `None` if epochs never run.
    pub next_epoch_block: Option<u64>,
    /// This validator on the subnet, if it is registered.
    pub own: Option<OwnNeuron>,
    /// Neurons on the subnet.
    pub neurons: usize,
    /// Blocks between two weight settings.
    pub weights_rate_limit: u64,
    /// Fewest uids a vector may name.
    pub min_allowed_weights: u16,
    /// Whether weights must be committed first.
    pub commit_reveal_enabled: bool,
}

/// This validator's neuron.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnNeuron {
    /// Whether its weights count.
    pub validator_permit: bool,
    /// Block of its last weights, or of its registration.
    pub last_update: u64,
    /// Block of its registration.
    pub registered_at: Option<u64>,
}

/// Settings of the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Share of the tempo that passes first, in percent.
    pub submit_after_percent: u8,
    /// Blocks after which a submission can no longer be included.
    pub submission_lifetime_blocks: u32,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Record this vector as decided, then submit it.
    SubmitNew,
    /// Submit the vector decided earlier in this tempo.
    SubmitDecided,
    /// The submitted vector is on the chain: record it.
    Confirm {
        /// Where it landed.
        in_block: u64,
    },
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
    /// Commit-reveal is on.
    #[error("the subnet wants weights committed and revealed, which this version does not do")]
    CommitReveal,
    /// It is early in the tempo.
    #[error("it is early in the tempo; the vector is decided at block {at_block}")]
    Early {
        /// When.
        at_block: u64,
    },
    /// The tempo ends with the next block.
    #[error("the tempo ends with the next block")]
    TempoEnds,
    /// Nothing counts.
    #[error("no receipt counts yet, so there is nothing to set weights on")]
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
    /// A submission's fate is unknown.
    #[error("an earlier submission may still be included until block {until_block}")]
    InDoubt {
        /// Last block that could include it.
        until_block: u64,
    },
}

/// Decides.
#[must_use]
pub fn decide(facts: &Facts, timing: &Timing, vector: &[(u16, u16)], last: Option<&Entry>) -> Decision {
    let Some(own) = facts.own else { return Decision::Wait(Wait::NotRegistered) };
    let progress = last.map(|entry| entry.progress);
    // Registration counts as an update on the chain, but no vector came with it.
    let landed = Some(own.last_update).filter(|block| *block > 0 && Some(*block) != own.registered_at);

    if let Some(Progress::Submitted { at_block }) = progress {
        if let Some(in_block) = landed.filter(|block| *block > u64::from(at_block)) {
            return Decision::Confirm { in_block };
        }
        let until_block = u64::from(at_block).saturating_add(timing.submission_lifetime_blocks.into());
        if u64::from(facts.block) <= until_block {
            return Decision::Wait(Wait::InDoubt { until_block });
        }
    }
    let confirmed = match progress {
        Some(Progress::Confirmed { in_block }) => Some(in_block),
        _ => None,
    };
    if landed.max(confirmed).is_some_and(|block| block >= facts.last_epoch_block) {
        return Decision::Settled;
    }

    let decided_now = last.filter(|entry| entry.epoch_index == facts.epoch_index && confirmed.is_none());
    let vector = decided_now.map_or(vector, |entry| &entry.vector);
    match obstacle(facts, timing, &own, vector) {
        Some(wait) => Decision::Wait(wait),
        None if decided_now.is_some() => Decision::SubmitDecided,
        None => Decision::SubmitNew,
    }
}

/// What keeps this vector from being set now, the lasting reasons first.
fn obstacle(facts: &Facts, timing: &Timing, own: &OwnNeuron, vector: &[(u16, u16)]) -> Option<Wait> {
    if facts.commit_reveal_enabled {
        return Some(Wait::CommitReveal);
    }
    let Some(next_epoch_block) = facts.next_epoch_block else { return Some(Wait::NoEpochs) };
    if !own.validator_permit {
        return Some(Wait::NoPermit);
    }
    if vector.is_empty() {
        return Some(Wait::NothingCounts);
    }
    let need = facts.neurons.min(facts.min_allowed_weights.into());
    if vector.len() < need {
        return Some(Wait::TooFew { have: vector.len(), need });
    }
    let block = u64::from(facts.block);
    // The submission lands in the next block at the earliest. A `last_update` of 0 means never.
    let from_block = own.last_update.saturating_add(facts.weights_rate_limit);
    if own.last_update > 0 && block.saturating_add(1) < from_block {
        return Some(Wait::RateLimited { from_block });
    }
    let length = next_epoch_block.saturating_sub(facts.last_epoch_block);
    let at_block = facts
        .last_epoch_block
        .saturating_add(length.saturating_mul(timing.submit_after_percent.into()) / 100);
    if block < at_block {
        return Some(Wait::Early { at_block });
    }
    if block.saturating_add(1) >= next_epoch_block {
        return Some(Wait::TempoEnds);
    }
    None
}

#[cfg(test)]
mod tests;

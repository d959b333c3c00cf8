//! What a check of one bundle came to, in a form that can be shown, stored and compared.

use protocol::account::AccountId;
use protocol::digest::Digest;
use serde::{Deserialize, Serialize};

use super::review::{ReviewError, Reviewed};

/// A miner's points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Points {
    /// The miner.
    pub hotkey: AccountId,
    /// Out of 10,000.
    pub basis_points: u32,
}

/// Agreed, or what is wrong and with which leaf first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Whether everything that was checked holds.
    pub agreed: bool,
    /// Whose bundle it is, if that is known.
    pub validator: Option<AccountId>,
    /// The tempo, if that is known.
    pub epoch_index: Option<u64>,
    /// The head's digest, if that is known.
    pub head: Option<Digest>,
    /// Leaves read; 0 if the review failed.
    pub leaves: u64,
    /// The shard at fault, if the validator has several and it is one shard's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<u8>,
    /// The first leaf at fault, if it is one leaf's.
    pub leaf: Option<u64>,
    /// Why the review failed.
    pub reason: Option<String>,
    /// Whether the chain was looked at too.
    pub compared_with_chain: bool,
    /// What the log does against the rules, and what the chain shows otherwise.
    pub findings: Vec<String>,
    /// What the leaves give.
    pub scores: Vec<Points>,
    /// Receipts that miners name and the log lacks, by miner: a reason to ask the miner for its countersigned copy.
    pub unlogged: std::collections::BTreeMap<AccountId, u64>,
}

impl Verdict {
    /// Of a bundle that is as its head says. `findings` is what the chain shows otherwise; `None` if it was not asked. Bounties that the
    /// log pays twice are among the findings either way.
    #[must_use]
    pub fn of_reviewed(reviewed: &Reviewed, findings: Option<&[String]>) -> Self {
        let Reviewed { head, replayed, .. } = reviewed;
        let score =
            |row: &protocol::scoring::ScoreRow| Points { hotkey: row.hotkey, basis_points: row.basis_points };
        let twice = replayed.paid_twice.iter().map(ToString::to_string);
        let all: Vec<String> = twice.chain(findings.unwrap_or_default().iter().cloned()).collect();
        Self {
            agreed: all.is_empty(),
            validator: Some(head.validator),
            epoch_index: Some(head.epoch_index),
            head: Some(replayed.head),
            leaves: replayed.leaves,
            shard: None,
            leaf: None,
            reason: None,
            compared_with_chain: findings.is_some(),
            findings: all,
            scores: replayed.table.rows.iter().map(score).collect(),
            unlogged: replayed.unlogged.clone(),
        }
    }

    /// Of a bundle that is not.
    #[must_use]
    pub fn of_error(error: &ReviewError) -> Self {
        Self {
            agreed: false,
            validator: None,
            epoch_index: None,
            head: None,
            leaves: 0,
            shard: error.shard(),
            leaf: error.leaf(),
            reason: Some(with_causes(error)),
            compared_with_chain: false,
            findings: Vec::new(),
            scores: Vec::new(),
            unlogged: std::collections::BTreeMap::new(),
        }
    }
}

/// An error with its causes on one line.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

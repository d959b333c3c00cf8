//! Setting weights: from scores to a vector on the chain, at most one for each tempo and mechanism, whatever happens.
//!
//! [`WeightSetter::set_weights`] is the one entry point. Call it for each finalised block (or as seldom as you like: it
//! picks up where it stands). It normalises as the Python SDK does, keeps the subnet's rules (least weights, version key,
//! rate limit, which also counts from registration, permit), and gives the vector to the chain the way the subnet wants it:
//! in the open, as a hash that it later reveals, or encrypted to a round of the drand beacon. A journal on disk, written
//! before anything is sent, makes it safe to kill the process at any moment. No call waits for a block.
//!
//! Left out on purpose: version 3 of commit-reveal (timelocked without the hotkey in the payload), which no chain uses any
//! more; it is refused by name. Raw weights of Null consensus, which the pinned metadata does not know yet.

use std::path::PathBuf;

use protocol::digest::Digest;
use protocol::signing::Keypair;

use crate::client::ChainClient;

pub(crate) mod chain;
pub mod commit;
pub mod decide;
mod facts;
pub mod journal;
pub mod normalize;
pub mod schedule;
mod setter;
#[cfg(test)]
mod tests;
pub mod timelock;

use chain::OnChain;
pub use decide::{Timing, Wait};
use journal::disk::Folder;
pub use journal::{Entry, JournalError, Manner, Progress};
use journal::{Journal, JournalKey};
use setter::Setter;
pub use setter::{Scores, SetWeightsError, Step};

/// Which weights to set, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightsTarget {
    /// The subnet.
    pub netuid: u16,
    /// The mechanism; 0 where there is only one.
    pub mechanism: u8,
    /// The version key that vectors carry; `None` for the least that the chain accepts.
    pub version_key: Option<u64>,
    /// When within the tempo.
    pub timing: Timing,
    /// Folder of the journal. It is made, for its owner only, if it does not exist.
    pub journal_folder: PathBuf,
}

/// Sets the weights of one hotkey on one mechanism of one subnet. There is at most one in all processes that share a
/// journal folder.
#[derive(Debug)]
pub struct WeightSetter(Setter<OnChain, Folder>);

impl Timing {
    /// After half of the tempo, and only while finality is at most 24 blocks behind.
    pub const DEFAULT: Self = Self { submit_after_percent: 50, finality_lag_blocks_max: 24 };
}

impl WeightSetter {
    /// Opens the journal, for this process alone. Reads only the chain's genesis hash.
    pub async fn open(
        client: ChainClient,
        hotkey: Keypair,
        target: WeightsTarget,
    ) -> Result<Self, SetWeightsError> {
        let WeightsTarget { netuid, mechanism, version_key, timing, journal_folder } = target;
        let genesis = Digest(client.genesis_hash().await?);
        let key = JournalKey { genesis, hotkey: hotkey.public(), netuid, mechanism };
        let journal = Journal::open(&journal_folder, key)?;
        let chain = OnChain { client, hotkey, netuid, mechanism, version_key };
        Ok(Self(Setter::new(chain, journal, timing, mechanism)))
    }

    /// Takes the next step towards this tempo's vector: decides it, sends it, sends it again, or notes that it has landed.
    ///
    /// Returns within a few requests, each bounded by the client's request timeout. An error loses nothing.
    pub async fn set_weights(&mut self, scores: &Scores) -> Result<Step, SetWeightsError> {
        self.set_weights_from(async || scores.clone()).await
    }

    /// As [`WeightSetter::set_weights`], for scores that are costly: they are asked for only when a vector is decided.
    pub async fn set_weights_from(
        &mut self,
        scores: impl AsyncFnOnce() -> Scores,
    ) -> Result<Step, SetWeightsError> {
        self.0.step(scores).await
    }

    /// The last vector, with how far it got.
    pub fn last(&self) -> Option<&Entry> {
        self.0.journal.entry()
    }
}

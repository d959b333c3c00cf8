//! The scores of one window: streams the ledger's receipts through `protocol::scoring`.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::head::scores_hash;
use protocol::replay::Rules;
use protocol::scoring::{Miner, Policy, ScoreTable, Scorer, weights};

use crate::ledger::{Ledger, ReadError};

/// A window to score.
#[derive(Debug, Clone)]
pub struct Window {
    /// How the terms are weighed, and how long the window is.
    pub policy: Policy,
    /// Its end, by the chain's time.
    pub end_ms: u64,
    /// Miners registered now, with their uids.
    pub registered: Vec<(Miner, u16)>,
}

impl Window {
    /// Computes scores and weights. Memory grows with miners, payers and hours, not with receipts.
    pub async fn score(
        self,
        ledger: &Ledger,
        rules: Arc<Rules>,
    ) -> Result<(ScoreTable, Vec<(u16, u16)>), ReadError> {
        let Self { policy, end_ms, registered } = self;
        let uid_of: BTreeMap<AccountId, u16> =
            registered.iter().map(|(miner, uid)| (miner.hotkey, *uid)).collect();
        let miners: Vec<Miner> = registered.into_iter().map(|(miner, _)| miner).collect();
        ledger
            .read(move |reader| {
                let mut scorer = Scorer::new(&policy, rules.catalogue(), end_ms);
                let first = reader.window_first_index(scorer.window_start_ms())?;
                // The ledger holds each call once.
                reader.for_each_from(first, |stored| scorer.add_once(&stored.receipt))?;
                let standings = reader.standings(scorer.window_start_ms()..end_ms)?;
                let table = scorer.finish_by(&miners, &standings);
                let weights = weights(&table, &uid_of);
                Ok((table, weights))
            })
            .await
    }
}

/// Names a score table.
#[must_use]
pub fn digest(table: &ScoreTable) -> Digest {
    scores_hash(table)
}

//! The scores of one window: streams the ledger's receipts through `protocol::scoring`.

use std::collections::BTreeMap;
use std::sync::Arc;

use parity_scale_codec::Encode;
use protocol::account::AccountId;
use protocol::catalogue::Catalogue;
use protocol::digest::Digest;
use protocol::scoring::{HOUR_MS, Policy, ScoreTable, Scorer, weights};

use crate::ledger::{Ledger, ReadError};

/// A window to score.
#[derive(Debug, Clone)]
pub struct Window {
    /// How the terms are weighed, and how long the window is.
    pub policy: Policy,
    /// Its end, by the chain's time.
    pub end_ms: u64,
    /// Hotkeys registered now, with their uids.
    pub registered: Vec<(AccountId, u16)>,
}

impl Window {
    /// Computes scores and weights. Memory grows with the window's tickets, not with their receipts.
    pub async fn score(
        self,
        ledger: &Ledger,
        catalogue: Arc<Catalogue>,
    ) -> Result<(ScoreTable, Vec<(u16, u16)>), ReadError> {
        let Self { policy, end_ms, registered } = self;
        let uid_of: BTreeMap<AccountId, u16> = registered.into_iter().collect();
        // The scorer decides what is in the window; starting the scan an hour early costs little and cannot miss any.
        let start_ms =
            end_ms.saturating_sub(u64::from(policy.window_hours).saturating_add(1).saturating_mul(HOUR_MS));
        ledger
            .read(move |reader| {
                let mut scorer = Scorer::new(&policy, &catalogue, end_ms);
                if let Some(first) = reader.first_index_since(start_ms)? {
                    reader.for_each_from(first, |stored| scorer.add(&stored.receipt))?;
                }
                let miners: Vec<AccountId> = uid_of.keys().copied().collect();
                let table = scorer.finish(&miners);
                let weights = weights(&table, &uid_of);
                Ok((table, weights))
            })
            .await
    }
}

/// Names a score table.
#[must_use]
pub fn digest(table: &ScoreTable) -> Digest {
    Digest::of(&table.encode())
}

//! `audit review --challenge`: miners that a bundle pays are asked to show their weights.

use std::path::Path;
use std::sync::Arc;

use chain_client::command::CommandError as SharedError;
use protocol::account::AccountId;
use serde_json::{Value, json};

use super::super::{CommandError, Place};
use crate::audit::rechallenge::{Challenger, sample};
use crate::audit::review::Reviewed;
use crate::challenges::question::Outcome;
use crate::clock::Clock;
use crate::fleet::axon::AxonClient;

/// The result of a miner that is caught.
const WRONG: &str = "wrong";

/// What one miner did, as it is printed.
pub(super) struct Row {
    miner: AccountId,
    result: &'static str,
    words: String,
}

pub(super) async fn run(
    place: &Place,
    reviewed: &Reviewed,
    count: usize,
    folder: &Path,
) -> Result<Vec<Row>, CommandError> {
    let (netuid, hotkey, offers) = (place.config.netuid, place.site.hotkey()?, place.listed()?.offers);
    let chain = place.site.connect().await?;
    let at = chain.finalized().await.map_err(SharedError::Chain)?;
    let metagraph = chain.metagraph(netuid, at).await.map_err(SharedError::Chain)?;
    let (clock, limits) = (Arc::new(Clock::new()), place.config.fleet.clone());
    let axons = sample(&reviewed.replayed.table, &metagraph, limits.require_tls, count);
    let client = AxonClient::new(hotkey.clone(), Arc::clone(&clock), limits);
    let challenger = Challenger {
        netuid,
        hotkey: &hotkey,
        client: &client,
        clock: &clock,
        offers: &offers,
        pieces: place.config.challenges.weight_pieces.get(),
        answer_ms_max: place.config.challenges.weight_answer_ms_max.get(),
    };
    let mut rows = Vec::new();
    for axon in axons {
        let challenged = challenger.challenge(axon).await;
        let written = challenger.write(&challenged, folder);
        let written =
            written.map_err(|source| CommandError::WriteEvidence { folder: folder.to_owned(), source })?;
        let (result, words) = match (&challenged.outcome, written) {
            (Some(Outcome::Shown), _) => ("shown", "showed its weights".to_owned()),
            (Some(Outcome::Missed(why)), _) => ("missed", format!("showed nothing in time: {why}")),
            (None, _) => ("notAsked", "holds no model whose file has a root in the catalogue".to_owned()),
            (Some(Outcome::Wrong(_)), path) => {
                let path = path.map(|path| path.display().to_string()).unwrap_or_default();
                (WRONG, format!("signed something else than its weights; the evidence is in {path}"))
            }
        };
        rows.push(Row { miner: challenged.miner, result, words });
    }
    Ok(rows)
}

/// Whether one of them has signed something else than its weights.
pub(super) fn is_anyone_caught(rows: &[Row]) -> bool {
    rows.iter().any(|row| row.result == WRONG)
}

impl Row {
    pub(super) fn line(&self) -> String {
        format!("  {} {}", self.miner, self.words)
    }

    pub(super) fn json(&self) -> Value {
        json!({ "miner": self.miner, "result": self.result, "finding": self.words })
    }
}

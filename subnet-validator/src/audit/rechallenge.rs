//! Asking miners that another validator's bundle pays to show the weights that they were paid for: a random sample, by whoever reviews.
//!
//! What is shown wrongly is evidence under the reviewer's own name. What is not shown is told, and no more: a single absence is nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use chain_client::Metagraph;
use parity_scale_codec::Encode;
use protocol::account::AccountId;
use protocol::catalogue_document::Offer;
use protocol::evidence::{Evidence, Finding};
use protocol::scoring::ScoreTable;
use protocol::signing::Keypair;

use crate::challenges::question::{Outcome, Question, judge, pieces_of};
use crate::clock::Clock;
use crate::fleet::axon::{Axon, AxonAddress, AxonClient};

/// Who asks, and what miners should have.
pub struct Challenger<'a> {
    /// The subnet.
    pub netuid: u16,
    /// Signs challenges and evidence; miners answer it only if it has a permit.
    pub hotkey: &'a Keypair,
    /// Carries them.
    pub client: &'a AxonClient,
    /// The clock.
    pub clock: &'a Clock,
    /// The models with the roots of their files.
    pub offers: &'a [Offer],
    /// Pieces in one answer.
    pub pieces: u8,
    /// Time for an answer, in milliseconds.
    pub answer_ms_max: u32,
}

/// How one miner did.
#[derive(Debug)]
pub struct Challenged {
    /// The miner.
    pub miner: AccountId,
    /// What it was asked about and what came of it; `None` if it says that it holds nothing that it could be asked for.
    pub outcome: Option<Outcome>,
}

/// Up to `count` of the miners that a table pays and that have an axon, each as likely as the others.
#[must_use]
pub fn sample(table: &ScoreTable, metagraph: &Metagraph, require_tls: bool, count: usize) -> Vec<Axon> {
    let paid = table.rows.iter().filter(|row| row.basis_points > 0);
    let mut axons: Vec<Axon> = paid
        .filter_map(|row| {
            let neuron = metagraph.by_hotkey(&row.hotkey)?;
            let address = AxonAddress::published(neuron.axon?, neuron.tls_key.as_ref(), require_tls)?;
            Some(Axon { hotkey: row.hotkey, address })
        })
        .collect();
    let mut drawn = Vec::new();
    while drawn.len() < count && !axons.is_empty() {
        let index = getrandom::u64().unwrap_or(0) % axons.len() as u64;
        drawn.push(axons.swap_remove(usize::try_from(index).unwrap_or(0)));
    }
    drawn
}

impl Challenger<'_> {
    /// Asks a miner for pieces of one of the files that it says it holds.
    pub async fn challenge(&self, axon: Axon) -> Challenged {
        let miner = axon.hotkey;
        let outcome = match self.question(axon).await {
            Ok(None) => None,
            Ok(Some(question)) => {
                let time = Duration::from_millis(question.answer_ms_max.into());
                match question.ask(self.netuid, self.hotkey, self.clock.now_ms()) {
                    None => Some(Outcome::Missed("there was no randomness to ask with".to_owned())),
                    Some(signed) => {
                        Some(judge(&signed, self.client.challenge(axon, &signed, time).await).await)
                    }
                }
            }
            Err(why) => Some(Outcome::Missed(why)),
        };
        Challenged { miner, outcome }
    }

    async fn question(&self, axon: Axon) -> Result<Option<Question>, String> {
        let inventory = self.client.inventory(axon, self.netuid).await.map_err(|error| error.to_string())?;
        let is_hot = |offer: &&Offer| {
            let named = (&offer.model.id, offer.model.weights_digest);
            inventory.models.iter().any(|hot| (&hot.id, hot.weights_digest) == named)
        };
        let mut tasks: Vec<_> =
            self.offers.iter().filter(is_hot).flat_map(|offer| pieces_of(offer, self.pieces)).collect();
        if tasks.is_empty() {
            return Ok(None);
        }
        let index = usize::try_from(getrandom::u64().unwrap_or(0) % tasks.len() as u64).unwrap_or(0);
        let (task, answer_ms_max) = (tasks.swap_remove(index), self.answer_ms_max);
        Ok(Some(Question { miner: axon.hotkey, task, answer_ms_max }))
    }

    /// Writes what a wrong answer proves into the folder, as `audit recheck` reads it. `None` if nothing is proven.
    pub fn write(&self, challenged: &Challenged, folder: &Path) -> io::Result<Option<PathBuf>> {
        let Some(Outcome::Wrong(wrong)) = &challenged.outcome else { return Ok(None) };
        let evidence = Evidence {
            netuid: self.netuid,
            validator: self.hotkey.public(),
            miner: challenged.miner,
            observed_at_ms: self.clock.now_ms(),
            finding: Finding::WrongAnswer(wrong.clone()),
        };
        let path = folder.join(format!("{}-{}.evidence", challenged.miner, evidence.observed_at_ms));
        fs::create_dir_all(folder)?;
        fs::write(&path, evidence.sign(self.hotkey).encode())?;
        Ok(Some(path))
    }
}

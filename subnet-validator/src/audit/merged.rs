//! The rule by which a validator makes its weights from several logs. Pure.
//!
//! In a tempo a validator pays by the heads *of that tempo* that
//! 1. stand on chain, committed by a hotkey that holds a validator permit,
//! 2. name the same policy document as its own, and
//! 3. it holds the bundle of and has found true: every signature, the root, the scores, the miners and the time on chain.
//!
//! Its own head counts as any other. Each table weighs as much as its validator's stake among those that speak
//! ([`protocol::scoring::merge`]): a log of invented receipts is worth its author's stake and not its size. Where nobody of
//! them has stake, all weigh the same.
//!
//! Stakes, permits and commitments are read at one block, the *closing block*: the one at which vectors of the tempo are due
//! (`weights.submit_after_percent`). Two validators that could verify the same logs therefore set the same weights, bit for
//! bit. A validator whose own head came on chain later than that reads them at its own block, and may differ.
//!
//! Deliberately absent: a vote on which logs are available. A bundle that one validator could fetch and another could not
//! makes their weights differ; the chain's consensus settles that.

use std::collections::{BTreeMap, BTreeSet};

use chain_client::Metagraph;
use parity_scale_codec::Encode;
use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::scoring::{ScoreTable, ValidatorTable, merge, weights_of_points};
use serde::{Deserialize, Serialize};

/// One log's part in a merge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Encode)]
#[serde(rename_all = "camelCase")]
pub struct Voice {
    /// Whose log it is.
    pub validator: AccountId,
    /// The digest of its head.
    pub head: Digest,
    /// What it weighs, in rao.
    pub stake_rao: u64,
}

/// Several logs as one: what weights are made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Merged {
    /// The tempo.
    pub epoch_index: u64,
    /// The block that stakes, permits and commitments were read at.
    pub block: u32,
    /// The logs, by validator.
    pub voices: Vec<Voice>,
    /// Validators with a committed head that could not be used: not fetched, found wrong, or of another tempo or policy.
    pub left_out: Vec<AccountId>,
    /// Miners' points, by hotkey. They sum to 10,000, or are all zero.
    pub points: Vec<(AccountId, u32)>,
    /// Uid and weight, ascending by uid.
    pub weights: Vec<(u16, u16)>,
}

/// What is merged, all at one block.
#[derive(Debug, Clone, Copy)]
pub struct Closing<'c> {
    /// The tempo.
    pub epoch_index: u64,
    /// Who is registered, with permit and stake.
    pub metagraph: &'c Metagraph,
    /// What each hotkey has committed to.
    pub committed: &'c BTreeMap<AccountId, Digest>,
}

impl Merged {
    /// Names it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let fields = (self.epoch_index, &self.voices, &self.points, &self.weights);
        Digest::of(&(*b"SN_MERGED_V1\0", fields).encode())
    }
}

/// Merges what can be used. `table` gives the scores under a committed head that this validator has found true and whose
/// tempo and policy are the right ones.
pub fn merge_committed<T: AsRef<ScoreTable>>(
    closing: Closing<'_>,
    table: impl Fn(&AccountId, &Digest) -> Option<T>,
) -> Merged {
    let Closing { epoch_index, metagraph, committed } = closing;
    let (mut voices, mut tables, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    let permitted: BTreeMap<AccountId, u64> = metagraph
        .neurons
        .iter()
        .filter(|neuron| neuron.validator_permit)
        .map(|neuron| (neuron.hotkey, neuron.stake_weight_rao))
        .collect();
    for (validator, head) in committed {
        let Some(stake_rao) = permitted.get(validator) else { continue };
        match table(validator, head) {
            Some(table) => {
                voices.push(Voice { validator: *validator, head: *head, stake_rao: *stake_rao });
                tables.push(table);
            }
            None => left_out.push(*validator),
        }
    }
    let points = merge_by_stake(voices.iter().map(|voice| voice.stake_rao).zip(tables.iter().map(T::as_ref)));
    let uid_of = metagraph.neurons.iter().map(|neuron| (neuron.hotkey, neuron.uid)).collect();
    let weights = weights_of_points(points.iter().copied(), &uid_of);
    Merged { epoch_index, block: metagraph.block.number, voices, left_out, points, weights }
}

/// Tables with the stakes behind them as one. Where nobody has stake, all weigh the same.
pub fn merge_by_stake<'t>(tables: impl IntoIterator<Item = (u64, &'t ScoreTable)>) -> Vec<(AccountId, u32)> {
    let mut tables: Vec<_> =
        tables.into_iter().map(|(stake, table)| ValidatorTable { stake, table }).collect();
    if tables.iter().all(|table| table.stake == 0) {
        tables.iter_mut().for_each(|table| table.stake = 1);
    }
    merge(&tables)
}

/// Payers that belong to a miner's owner, by the miner's hotkey: those that sign with a hotkey of the same coldkey, or
/// with that coldkey itself. `payers` are the accounts that sign, with the hash that tickets name them by.
#[must_use]
pub fn related_payers(
    metagraph: &Metagraph,
    payers: &[(AccountId, Digest)],
) -> BTreeMap<AccountId, Vec<Digest>> {
    let coldkey_of: BTreeMap<AccountId, AccountId> =
        metagraph.neurons.iter().map(|neuron| (neuron.hotkey, neuron.coldkey)).collect();
    let mut by_coldkey: BTreeMap<AccountId, BTreeSet<Digest>> = BTreeMap::new();
    for (signer, payer) in payers {
        let owner = coldkey_of.get(signer).unwrap_or(signer);
        by_coldkey.entry(*owner).or_default().insert(*payer);
    }
    let related = metagraph.neurons.iter().filter_map(|neuron| {
        Some((neuron.hotkey, by_coldkey.get(&neuron.coldkey)?.iter().copied().collect()))
    });
    related.collect()
}

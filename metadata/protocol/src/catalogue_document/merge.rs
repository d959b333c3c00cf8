//! One list of offers out of several validators' documents.
//!
//! The rule, in whole numbers, so that two miners that hear the same validators see the same list:
//!
//! 1. A validator counts by its stake. Of two documents of one validator the one issued later counts.
//! 2. For each name, the weights (digest, modality and files' names, lengths and digests) that most stake stands behind win;
//!    between equals, the smaller digest. Other weights under that name are left out: a name means one model.
//! 3. Of the validators behind the winner, each multiplier and the memory is the lower median by stake, so that nobody with
//!    less than half of that stake can move it past what others say.
//! 4. A file's root is that of the validator with most stake that names one.
//! 5. Sources are taken from the validators in the order of their stake (then of their hotkeys), without repeats, up to
//!    [`SOURCES_MAX`] a file.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{CatalogueDocument, Modality, Offer, SOURCES_MAX, WeightFile};
use crate::account::AccountId;
use crate::catalogue::Model;
use crate::digest::Digest;
use crate::ticket::ModelId;

/// A verified document and the stake behind it.
#[derive(Debug, Clone, Copy)]
pub struct Voice<'a> {
    /// What its validator offers.
    pub document: &'a CatalogueDocument,
    /// The validator's stake on the subnet, in rao.
    pub stake_rao: u64,
}

/// What makes two offers the same model.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Identity<'a> {
    weights: Digest,
    modality: Modality,
    files: Vec<(&'a str, u64, Digest)>,
}

/// Offers of one model, each with its validator's stake.
type Backed<'a> = Vec<(&'a Offer, u64)>;

/// The offers of all documents, by the rule of this module.
#[must_use]
pub fn merge(voices: &[Voice<'_>]) -> Vec<Offer> {
    let mut newest: BTreeMap<AccountId, Voice<'_>> = BTreeMap::new();
    for voice in voices {
        let held = newest.entry(voice.document.validator).or_insert(*voice);
        if voice.document.issued_at_ms > held.document.issued_at_ms {
            *held = *voice;
        }
    }
    let mut voices: Vec<Voice<'_>> = newest.into_values().collect();
    voices.sort_by_key(|voice| (Reverse(voice.stake_rao), voice.document.validator));

    let mut named: BTreeMap<&ModelId, BTreeMap<Identity<'_>, Backed<'_>>> = BTreeMap::new();
    for voice in &voices {
        for offer in &voice.document.offers {
            let same = named.entry(&offer.model.id).or_default();
            same.entry(identity(offer)).or_default().push((offer, voice.stake_rao));
        }
    }
    named.into_values().filter_map(|candidates| candidates.into_values().reduce(heavier)).map(agree).collect()
}

fn identity(offer: &Offer) -> Identity<'_> {
    let mut files: Vec<_> =
        offer.files.iter().map(|file| (file.name.as_str(), file.bytes, file.sha256)).collect();
    files.sort();
    Identity { weights: offer.model.weights_digest, modality: offer.modality, files }
}

/// Candidates come in the order of their digests, so the first of two equals stays.
fn heavier<'a>(held: Backed<'a>, next: Backed<'a>) -> Backed<'a> {
    let stake = |backed: &Backed<'_>| backed.iter().map(|(_, stake)| u128::from(*stake)).sum::<u128>();
    if stake(&next) > stake(&held) { next } else { held }
}

fn agree(backed: Backed<'_>) -> Offer {
    let median = |value: fn(&Model) -> u64| {
        lower_median(backed.iter().map(|(offer, stake)| (value(&offer.model), *stake)).collect())
    };
    let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let prompt_multiplier = narrow(median(|model| model.prompt_multiplier.into()));
    let completion_multiplier = narrow(median(|model| model.completion_multiplier.into()));
    let memory_bytes = median(|model| model.memory_bytes);
    let mut files: BTreeMap<&str, WeightFile> = BTreeMap::new();
    for (offer, _) in &backed {
        for file in &offer.files {
            let merged =
                files.entry(&file.name).or_insert_with(|| WeightFile { sources: Vec::new(), ..file.clone() });
            merged.root = merged.root.or(file.root);
            for source in &file.sources {
                if merged.sources.len() < SOURCES_MAX && !merged.sources.contains(source) {
                    merged.sources.push(source.clone());
                }
            }
        }
    }
    let (first, _) = backed.first().expect("a candidate is made by its first validator");
    Offer {
        model: Model {
            id: first.model.id.clone(),
            weights_digest: first.model.weights_digest,
            prompt_multiplier,
            completion_multiplier,
            memory_bytes,
        },
        modality: first.modality,
        files: files.into_values().collect(),
    }
}

/// The smallest value that at least half of the stake does not exceed. Without stake, of the values themselves.
fn lower_median(mut values: Vec<(u64, u64)>) -> u64 {
    if values.iter().all(|(_, stake)| *stake == 0) {
        values.iter_mut().for_each(|(_, stake)| *stake = 1);
    }
    values.sort_unstable();
    let total: u128 = values.iter().map(|(_, stake)| u128::from(*stake)).sum();
    let mut below: u128 = 0;
    for (value, stake) in values {
        below = below.saturating_add(stake.into());
        if below.saturating_mul(2) >= total {
            return value;
        }
    }
    0
}

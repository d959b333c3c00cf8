//! From what residency knows to the situation that a strategy decides on.

use std::collections::BTreeMap;

use protocol::catalogue_document::Offer;
use protocol::ticket::ModelId;

use super::{Held, Residency};
use crate::strategist::expect::{Heard, expected};
use crate::strategist::{Candidate, Place, Situation, StrategistConfig};

/// What a disk and a processor are taken to read in a second before a model was loaded once, in bytes.
const LOAD_BYTES_PER_S: u64 = 200_000_000;

/// What was measured of models and of this machine.
#[derive(Clone, Debug)]
pub(super) struct Known {
    download_bytes_per_s: u64,
    memory_bytes: BTreeMap<ModelId, u64>,
    load_ms: BTreeMap<ModelId, u64>,
}

impl Known {
    pub fn new(config: &StrategistConfig) -> Self {
        Self {
            download_bytes_per_s: config.download_bytes_per_s.get(),
            memory_bytes: BTreeMap::new(),
            load_ms: BTreeMap::new(),
        }
    }

    /// A download of so many bytes took so long. Small ones say nothing.
    pub fn downloaded(&mut self, bytes: u64, took_ms: u32) {
        if bytes > 1 << 20 {
            let seen = bytes.saturating_mul(1_000) / u64::from(took_ms.max(1));
            self.download_bytes_per_s = (self.download_bytes_per_s / 2 + seen / 2).max(1);
        }
    }

    /// What a model really takes.
    pub fn measured(&mut self, model: &ModelId, memory_bytes: u64, load_ms: Option<u32>) {
        self.memory_bytes.insert(model.clone(), memory_bytes);
        if let Some(load_ms) = load_ms {
            self.load_ms.insert(model.clone(), load_ms.into());
        }
    }

    /// As measured, or as the catalogue says.
    pub fn memory_bytes(&self, offer: &Offer) -> u64 {
        self.memory_bytes.get(&offer.model.id).copied().unwrap_or(offer.model.memory_bytes)
    }

    fn load_ms(&self, offer: &Offer, on_disk: bool) -> u64 {
        let time = |per_s: u64| offer.bytes().saturating_mul(1_000) / per_s.max(1);
        let download = if on_disk { 0 } else { time(self.download_bytes_per_s) };
        download.saturating_add(
            self.load_ms.get(&offer.model.id).copied().unwrap_or_else(|| time(LOAD_BYTES_PER_S)),
        )
    }
}

impl Residency {
    /// What the strategy sees. The operator's own models are not in it: neither they nor their memory are its to plan with.
    pub(super) fn situation(&self, offers: &[Offer], now_ms: u64) -> Situation {
        let (demand, permits) = (self.parts.demand.borrow(), self.parts.permits.borrow());
        let books: Vec<_> = demand
            .validators
            .iter()
            .filter(|(validator, _)| permits.check(validator, now_ms).is_ok())
            .map(|(validator, heard)| (&heard.book, permits.stake_rao(validator)))
            .collect();
        let shares = shares_ppm(&books.iter().map(|(_, stake)| *stake).collect::<Vec<_>>());
        let heard: Vec<Heard<'_>> =
            books.iter().zip(shares).map(|((book, _), share_ppm)| Heard { book, share_ppm }).collect();

        let mut candidates = Vec::new();
        for offer in offers {
            let id = &offer.model.id;
            let held = self.held.get(id);
            let cooling = self.failures.get(id).is_some_and(|failure| failure.until_ms > now_ms);
            // What cannot be fetched is no candidate, nor what has just failed.
            if self.own.contains_key(id) || held.is_none() && (offer.files.is_empty() || cooling) {
                continue;
            }
            let claim = self.parts.config.claim_value;
            let expected = expected(&offer.model, &heard, held.is_some(), claim, now_ms);
            candidates.push(Candidate {
                model: id.clone(),
                memory_bytes: held.map_or_else(|| self.known.memory_bytes(offer), |held| held.memory_bytes),
                hourly: expected.hourly,
                bounty: expected.bounty,
                load_ms: self.known.load_ms(offer, self.parts.store.holds(offer)),
                place: held.map_or(Place::Cold, |held| self.place(id, held)),
            });
        }
        // Held, but offered by nobody any more: worth nothing, and in nobody's way until its memory is needed.
        for (id, held) in &self.held {
            if !offers.iter().any(|offer| offer.model.id == *id) {
                let (model, place) = (id.clone(), self.place(id, held));
                let memory_bytes = held.memory_bytes;
                candidates.push(Candidate { model, memory_bytes, hourly: 0, bounty: 0, load_ms: 0, place });
            }
        }
        let ours: u64 = self.held.values().map(|held| held.memory_bytes).sum();
        let others = self.parts.runtime.memory_bytes().saturating_sub(ours);
        Situation { now_ms, memory_bytes: self.parts.memory_bytes.saturating_sub(others), candidates }
    }

    fn place(&self, id: &ModelId, held: &Held) -> Place {
        let busy = self.parts.models.get(id).is_some_and(|model| model.in_flight() > 0);
        if busy { Place::Pinned } else { Place::Hot { since_ms: held.since_ms } }
    }
}

/// Each one's part of the stake, in millionths; equal parts if there is none.
fn shares_ppm(stakes: &[u64]) -> Vec<u64> {
    let total: u128 = stakes.iter().map(|stake| u128::from(*stake)).sum();
    let equal = 1_000_000_u64.checked_div(stakes.len() as u64).unwrap_or(0);
    let share = |stake: &u64| {
        let share = (u128::from(*stake) * 1_000_000).checked_div(total);
        share.and_then(|share| u64::try_from(share).ok()).unwrap_or(equal)
    };
    stakes.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stake_is_shared_in_millionths_and_equally_without_any() {
        assert_eq!(shares_ppm(&[1, 3]), [250_000, 750_000]);
        assert_eq!(shares_ppm(&[0, 0, 0, 0]), [250_000; 4]);
        assert_eq!(shares_ppm(&[]), [0; 0]);
    }

    #[test]
    fn downloads_teach_how_long_the_next_one_takes() {
        let mut known = Known::new(&StrategistConfig::default());
        known.downloaded(100, 1);
        assert_eq!(known.download_bytes_per_s, 20_000_000);
        known.downloaded(40_000_000, 1_000);
        assert_eq!(known.download_bytes_per_s, 30_000_000);
    }
}

//! Which miner gets the next call: the less loaded of two drawn at random.
//!
//! Always asking the least loaded one makes every caller with the same slightly old view run to the same miner; two random
//! choices spread the load almost as evenly and never herd. Pure: the caller supplies the random draw.

use protocol::account::AccountId;

/// A miner that could take the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its hotkey.
    pub hotkey: AccountId,
    /// Calls this validator has open with it.
    pub in_flight: u32,
    /// Calls it says it can run at once for this model; 0 counts as 1.
    pub slots: u16,
}

/// Index of the candidate to ask, or `None` when there is nobody. `draw` is any uniformly random number; the same candidates
/// and the same draw give the same answer.
#[must_use]
pub fn pick(candidates: &[Candidate], draw: u64) -> Option<usize> {
    let count = u64::try_from(candidates.len()).ok()?;
    let first = draw.checked_rem(count)?;
    if count == 1 {
        return Some(0);
    }
    // The second is drawn among the others, from the part of the draw that the first did not use.
    let step = (draw / count) % (count - 1) + 1;
    let second = (first + step) % count;
    let (first, second) = (usize::try_from(first).ok()?, usize::try_from(second).ok()?);
    let less_loaded = load(candidates.get(second)?) < load(candidates.get(first)?);
    Some(if less_loaded { second } else { first })
}

/// Open calls per slot, comparable between miners of different size.
fn load(candidate: &Candidate) -> u64 {
    (u64::from(candidate.in_flight) << 16) / u64::from(candidate.slots.max(1))
}

#[cfg(test)]
mod tests {
    use super::{Candidate, pick};
    use protocol::account::AccountId;

    fn candidate(id: u8, in_flight: u32, slots: u16) -> Candidate {
        Candidate { hotkey: AccountId([id; 32]), in_flight, slots }
    }

    #[test]
    fn nobody_is_picked_from_an_empty_fleet() {
        assert_eq!(pick(&[], 7), None);
    }

    #[test]
    fn the_only_miner_is_picked_however_loaded() {
        assert_eq!(pick(&[candidate(1, 1_000, 1)], u64::MAX), Some(0));
    }

    #[test]
    fn of_two_miners_the_less_loaded_is_always_picked() {
        let fleet = [candidate(1, 3, 4), candidate(2, 2, 4)];
        assert!((0..1_000).all(|draw| pick(&fleet, draw) == Some(1)));
    }

    #[test]
    fn load_is_counted_per_slot() {
        let fleet = [candidate(1, 3, 1), candidate(2, 8, 16)];
        assert!((0..1_000).all(|draw| pick(&fleet, draw) == Some(1)));
    }

    #[test]
    fn every_ordered_pair_is_drawn_so_equals_share_the_load() {
        let fleet: Vec<Candidate> = (0..5).map(|id| candidate(id, 0, 1)).collect();
        let mut picked = [0u32; 5];
        for draw in 0..20 {
            picked[pick(&fleet, draw).unwrap()] += 1;
        }
        assert_eq!(picked, [4; 5]);
    }

    #[test]
    fn the_most_loaded_of_several_is_never_picked() {
        let fleet = [candidate(1, 0, 1), candidate(2, 9, 1), candidate(3, 1, 1)];
        assert!((0..1_000).all(|draw| pick(&fleet, draw) != Some(1)));
    }
}

//! How much evidence counts against one miner. A few records convict as well as many, and each costs every auditor its check; so those who
//! collect keep no more, heads follow from no more, and bundles with more are refused unread.

use std::collections::BTreeMap;

use crate::account::AccountId;

/// Records that prove something against one miner, in one day.
pub const PROOFS_PER_DAY_MAX: u32 = 8;

/// Records that raise doubt about one miner, in one day: counted by themselves, so that no flood of them leaves a proof without room.
pub const DOUBTS_PER_DAY_MAX: u32 = 8;

/// Records of one window: of 256 miners eight a day in nine days, and some.
pub const RECORDS_MAX: u32 = 1 << 15;

const DAY_MS: u64 = 24 * 3_600_000;

/// Counts records by the day of what they are about.
#[derive(Debug, Clone, Default)]
pub struct DayLimit {
    counts: BTreeMap<(u64, AccountId, bool), u32>,
}

impl DayLimit {
    /// Whether there is room for one more, which is counted then.
    pub fn take(&mut self, miner: AccountId, is_doubt: bool, at_ms: u64) -> bool {
        let max = if is_doubt { DOUBTS_PER_DAY_MAX } else { PROOFS_PER_DAY_MAX };
        let count = self.counts.entry((at_ms / DAY_MS, miner, is_doubt)).or_default();
        let has_room = *count < max;
        *count = count.saturating_add(has_room.into());
        has_room
    }

    /// Forgets the days that ended before this time.
    pub fn forget_before(&mut self, ms: u64) {
        self.counts.retain(|(day, ..), _| *day >= ms / DAY_MS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::account;

    #[test]
    fn a_day_of_one_miner_has_room_for_so_many_and_doubts_take_none_from_proofs() {
        let (mut limit, bob) = (DayLimit::default(), account("Bob"));
        let mut fill =
            |miner, is_doubt, at_ms| (0..99).filter(|_| limit.take(miner, is_doubt, at_ms)).count();
        assert_eq!(fill(bob, true, 5), DOUBTS_PER_DAY_MAX as usize);
        assert_eq!(fill(bob, false, 5), PROOFS_PER_DAY_MAX as usize);
        // Another day, the first one again, and another miner.
        assert_eq!(fill(bob, false, DAY_MS), 8);
        assert_eq!(fill(bob, false, DAY_MS - 1), 0);
        assert_eq!(fill(account("Charlie"), false, 5), 8);
        limit.forget_before(DAY_MS);
        assert_eq!((limit.take(bob, false, 5), limit.take(bob, false, DAY_MS)), (true, false));
    }
}

//! A set of numbers that come nearly in order.

use std::collections::BTreeMap;

/// Numbers as ranges without gaps: memory grows with the gaps, not with the numbers.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    /// First number to last number, both in it.
    ranges: BTreeMap<u64, u64>,
}

impl Ranges {
    /// False if the number is in the set already.
    pub(super) fn insert(&mut self, number: u64) -> bool {
        let before = self.ranges.range(..=number).next_back().map(|(first, last)| (*first, *last));
        if before.is_some_and(|(_, last)| last >= number) {
            return false;
        }
        let joined = before.filter(|(_, last)| last.checked_add(1) == Some(number));
        let first = joined.map_or(number, |(first, _)| first);
        let after = number.checked_add(1).and_then(|next| self.ranges.remove(&next));
        self.ranges.insert(first, after.unwrap_or(number));
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_set_of_its_numbers(numbers in prop::collection::vec(0..40_u64, 0..60)) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for number in numbers {
                prop_assert_eq!(ranges.insert(number), set.insert(number));
            }
            let gaps = set.iter().zip(set.iter().skip(1)).filter(|(one, next)| *one + 1 < **next).count();
            prop_assert_eq!(ranges.ranges.len(), if set.is_empty() { 0 } else { gaps + 1 });
        }
    }

    #[test]
    fn the_ends_of_all_numbers_fit() {
        let mut ranges = Ranges::default();
        assert!(ranges.insert(u64::MAX) && ranges.insert(0) && ranges.insert(u64::MAX - 1));
        assert!(!ranges.insert(u64::MAX) && !ranges.insert(0));
    }
}

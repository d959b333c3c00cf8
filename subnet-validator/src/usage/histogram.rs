//! How values spread, in buckets that grow by a sixteenth: a percentile is at most 6.25 % above the value it stands for.

use std::collections::BTreeMap;

/// Buckets in each doubling, as a power of two.
const STEPS_LOG2: u32 = 4;
const STEPS: u64 = 1 << STEPS_LOG2;

/// Counts by bucket. Values below 16 have a bucket each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: BTreeMap<u16, u64>,
}

impl Histogram {
    /// Counts a value.
    pub fn add(&mut self, value: u64) {
        *self.counts.entry(bucket(value)).or_default() += 1;
    }

    /// Counts what another has counted.
    pub fn merge(&mut self, more: &Self) {
        for (bucket, count) in &more.counts {
            *self.counts.entry(*bucket).or_default() += count;
        }
    }

    /// The largest value of the bucket that holds the smallest value of which `percent` in a hundred are no greater; `None`
    /// without values.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> Option<u64> {
        let total: u64 = self.counts.values().sum();
        let rank = total.checked_mul(percent.min(100))?.div_ceil(100).max(1);
        let mut seen = 0;
        self.counts.iter().find_map(|(bucket, count)| {
            seen += count;
            (seen >= rank).then(|| largest(*bucket))
        })
    }
}

fn bucket(value: u64) -> u16 {
    if value < STEPS {
        return value as u16;
    }
    let doubling = value.ilog2() - STEPS_LOG2;
    let step = (value >> doubling) - STEPS;
    (u64::from(doubling + 1) * STEPS + step) as u16
}

fn largest(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    if bucket < STEPS {
        return bucket;
    }
    let doubling = bucket / STEPS - 1;
    let first = (STEPS + bucket % STEPS) << doubling;
    first + ((1u64 << doubling) - 1)
}

#[cfg(test)]
mod tests {
    use super::{Histogram, bucket, largest};

    #[test]
    fn every_value_lies_in_a_bucket_that_ends_at_most_a_sixteenth_above_it() {
        for value in (0..5_000).chain([65_535, 1 << 20, u64::from(u32::MAX), u64::MAX / 3, u64::MAX]) {
            let end = largest(bucket(value));
            assert!(end >= value && end - value <= value / 16, "{value} ends at {end}");
        }
        assert!((0..5_000u64).all(|value| bucket(value) <= bucket(value + 1)));
    }

    #[test]
    fn percentiles_are_those_of_all_values_merged() {
        let (mut odd, mut even) = (Histogram::default(), Histogram::default());
        for value in 1..=100 {
            if value % 2 == 0 { even.add(value) } else { odd.add(value) }
        }
        odd.merge(&even);
        let (p50, p95) = (odd.percentile(50).unwrap(), odd.percentile(95).unwrap());
        assert!((50..=53).contains(&p50) && (95..=101).contains(&p95), "{p50} {p95}");
        assert_eq!((odd.percentile(0), odd.percentile(1)), (Some(1), Some(1)));
        assert_eq!(Histogram::default().percentile(50), None);
    }
}

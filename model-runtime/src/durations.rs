//! How long things took, counted in the buckets of a Prometheus histogram.
//!
//! The bounds are the same for everything, from a synced write to a long answer: panels and rules then need to know one set.

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Upper bounds of the buckets: microseconds, and the same as text in seconds. What took longer is in a last bucket of its own.
const BOUNDS: [(u64, &str); 19] = [
    (100, "0.0001"),
    (250, "0.00025"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
    (30_000_000, "30"),
    (60_000_000, "60"),
    (300_000_000, "300"),
];

/// Durations by bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Durations {
    counts: [u64; BOUNDS.len() + 1],
    sum_us: u64,
}

impl Durations {
    /// Counts one.
    pub fn took(&mut self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|(bound_us, _)| *bound_us < us);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together, in microseconds.
    #[must_use]
    pub fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// What this share of all stayed within, in microseconds, as `histogram_quantile` estimates it: those of a bucket are taken to
    /// lie evenly in it. `None` before the first; the last bound for what took longer than that.
    #[must_use]
    pub fn percentile_us(&self, percent: u64) -> Option<u64> {
        let wanted = (self.count() * percent.min(100)).div_ceil(100).max(1);
        let (mut below, mut lower_us) = (0, 0);
        for (count, (upper_us, _)) in self.counts.iter().zip(BOUNDS) {
            if below + count >= wanted {
                return Some(lower_us + (upper_us - lower_us) * (wanted - below) / count);
            }
            (below, lower_us) = (below + count, upper_us);
        }
        (self.count() > 0).then_some(lower_us)
    }

    /// Writes the lines of one histogram: its buckets, each with all that are shorter, the sum in seconds, the count. `labels` are
    /// as they stand between braces, without them, and may be empty.
    pub fn render(&self, page: &mut String, name: &str, labels: &str) {
        let (comma, braced) =
            if labels.is_empty() { ("", String::new()) } else { (",", format!("{{{labels}}}")) };
        let mut so_far = 0;
        let bounds = BOUNDS.iter().map(|(_, seconds)| *seconds).chain(["+Inf"]);
        for (count, bound) in self.counts.iter().zip(bounds) {
            so_far += count;
            let _ = writeln!(page, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {so_far}");
        }
        let (seconds, rest_us) = (self.sum_us / 1_000_000, self.sum_us % 1_000_000);
        let _ = writeln!(page, "{name}_sum{braced} {seconds}.{rest_us:06}\n{name}_count{braced} {so_far}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(us: &[u64]) -> Durations {
        let mut durations = Durations::default();
        us.iter().for_each(|us| durations.took(Duration::from_micros(*us)));
        durations
    }

    #[test]
    fn a_duration_lies_in_the_bucket_whose_bound_it_does_not_exceed() {
        let mut page = String::new();
        of(&[100, 101, 900_000, u64::MAX / 4]).render(&mut page, "a_seconds", "model=\"m\"");
        let lines: Vec<&str> = page.lines().collect();
        assert_eq!(lines.len(), BOUNDS.len() + 3);
        assert_eq!(lines[0], "a_seconds_bucket{model=\"m\",le=\"0.0001\"} 1");
        assert_eq!(lines[1], "a_seconds_bucket{model=\"m\",le=\"0.00025\"} 2");
        assert_eq!(lines[11], "a_seconds_bucket{model=\"m\",le=\"0.5\"} 2");
        assert_eq!(lines[12], "a_seconds_bucket{model=\"m\",le=\"1\"} 3");
        assert_eq!(lines[18], "a_seconds_bucket{model=\"m\",le=\"300\"} 3");
        assert_eq!(lines[19], "a_seconds_bucket{model=\"m\",le=\"+Inf\"} 4");
        assert_eq!(lines[21], "a_seconds_count{model=\"m\"} 4");
    }

    #[test]
    fn without_labels_only_the_bounds_stand_in_braces() {
        let mut page = String::new();
        of(&[1_500_000, 2]).render(&mut page, "a_seconds", "");
        assert!(page.starts_with("a_seconds_bucket{le=\"0.0001\"} 1\n"), "{page}");
        assert!(page.ends_with("a_seconds_sum 1.500002\na_seconds_count 2\n"), "{page}");
    }

    #[test]
    fn a_bounds_text_is_its_number_of_microseconds() {
        for (us, seconds) in BOUNDS {
            assert_eq!((seconds.parse::<f64>().unwrap() * 1e6).round() as u64, us);
        }
    }

    #[test]
    fn a_percentile_lies_in_the_bucket_of_those_it_is_taken_from() {
        assert_eq!(Durations::default().percentile_us(50), None);
        let durations = of(&[200, 200, 200, 200, 200, 200, 200, 200, 200, 40_000]);
        let (middle, most) = (durations.percentile_us(50).unwrap(), durations.percentile_us(99).unwrap());
        assert!((100..=250).contains(&middle), "{middle}");
        assert!((25_000..=50_000).contains(&most), "{most}");
        assert_eq!(of(&[u64::MAX]).percentile_us(99), Some(300_000_000));
    }
}

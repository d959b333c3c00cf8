//! One's own states against somebody else's proofs.

use parity_scale_codec::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::{Chunk, Fingerprint, Proof};

/// How far a proof is from one's own values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Measure {
    /// Values compared.
    pub values: u32,
    /// Of these, values with another exponent.
    pub exponent_mismatches: u32,
    /// Mean difference of the other values' mantissas, in thousandths of the last bit. [`Measure::NOTHING_ALIKE`] if there is no
    /// other value.
    pub mantissa_error_mean_milli: u32,
    /// Median of the same; the upper one of two.
    pub mantissa_error_median_milli: u32,
}

/// All proofs of a fingerprint compared.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Comparison {
    /// One for each proof.
    pub measures: Vec<Measure>,
}

/// Where two computations of the same thing end and two different things begin. A proof is beyond if any of the three is exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// Values with another exponent, in thousandths of the values. Default: 300, as in the paper (38 of 128).
    pub exponent_mismatches_milli_max: u32,
    /// [`Measure::mantissa_error_mean_milli`]. Default: 10,000, as in the paper.
    pub mantissa_error_mean_milli_max: u32,
    /// [`Measure::mantissa_error_median_milli`]. Default: 8,000, as in the paper.
    pub mantissa_error_median_milli_max: u32,
    /// Proofs beyond the above that a fingerprint may have, in thousandths, rounded down. Default: 100.
    pub proofs_beyond_milli_max: u32,
}

/// What a comparison says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The same computation.
    #[codec(index = 0)]
    Same,
    /// Another model, other weights or another prompt.
    #[codec(index = 1)]
    Different,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            exponent_mismatches_milli_max: 300,
            mantissa_error_mean_milli_max: 10_000,
            mantissa_error_median_milli_max: 8_000,
            proofs_beyond_milli_max: 100,
        }
    }
}

impl Measure {
    /// Stands for a mean or a median of nothing.
    pub const NOTHING_ALIKE: u32 = u32::MAX;

    /// Whether it exceeds a threshold.
    pub fn is_beyond(&self, thresholds: &Thresholds) -> bool {
        let mismatches = u64::from(self.exponent_mismatches).saturating_mul(1_000);
        let allowed = u64::from(thresholds.exponent_mismatches_milli_max).saturating_mul(self.values.into());
        mismatches > allowed
            || self.mantissa_error_mean_milli > thresholds.mantissa_error_mean_milli_max
            || self.mantissa_error_median_milli > thresholds.mantissa_error_median_milli_max
    }
}

impl Proof {
    /// Compares one's own greatest values with what the proof says at their places.
    pub fn compare(&self, own: &Chunk) -> Measure {
        let mut errors: Vec<u32> = Vec::with_capacity(own.values().len());
        for (place, bits) in own.values() {
            let theirs = self.value_at(*place);
            if (theirs & 0x7f80) == (bits & 0x7f80) {
                errors.push((theirs & 0x7f).abs_diff(bits & 0x7f).into());
            }
        }
        errors.sort_unstable();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let alike = count(errors.len());
        let sum = errors.iter().fold(0_u32, |sum, error| sum.saturating_add(*error));
        let values = count(own.values().len());
        Measure {
            values,
            exponent_mismatches: values.saturating_sub(alike),
            // At most 128 errors of at most 127 each.
            mantissa_error_mean_milli: sum
                .saturating_mul(1_000)
                .checked_div(alike)
                .unwrap_or(Measure::NOTHING_ALIKE),
            mantissa_error_median_milli: errors
                .get(errors.len() / 2)
                .map_or(Measure::NOTHING_ALIKE, |error| error.saturating_mul(1_000)),
        }
    }
}

impl Fingerprint {
    /// Compares every proof with one's own chunk. `None` unless there are as many chunks as proofs.
    pub fn compare(&self, own: &[Chunk]) -> Option<Comparison> {
        if own.len() != self.proofs().len() {
            return None;
        }
        let measures = self.proofs().iter().zip(own).map(|(proof, chunk)| proof.compare(chunk)).collect();
        Some(Comparison { measures })
    }
}

impl Comparison {
    /// Proofs beyond a threshold.
    pub fn beyond(&self, thresholds: &Thresholds) -> usize {
        self.measures.iter().filter(|measure| measure.is_beyond(thresholds)).count()
    }

    /// Different if the first proof, which stands for the prompt, is beyond, or more of the others than the thresholds allow. A comparison
    /// of nothing is the same.
    pub fn verdict(&self, thresholds: &Thresholds) -> Verdict {
        let first = self.measures.first().is_some_and(|first| first.is_beyond(thresholds));
        let allowed = self.measures.len().saturating_mul(thresholds.proofs_beyond_milli_max as usize) / 1_000;
        if first || self.beyond(thresholds) > allowed { Verdict::Different } else { Verdict::Same }
    }
}

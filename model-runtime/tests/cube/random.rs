//! Seeded numbers, and comparing.

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `range`.
    pub fn among(&mut self, range: std::ops::Range<usize>) -> usize {
        range.start + (self.bits() as usize) % range.len()
    }

    /// In -1..1.
    pub fn number(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub fn numbers(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.number()).collect()
    }
}

pub fn words(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

pub fn numbers(words: &[u32]) -> Vec<f32> {
    words.iter().map(|word| f32::from_bits(*word)).collect()
}

/// Not a number, until written.
pub fn unwritten(count: usize) -> Vec<u32> {
    vec![f32::NAN.to_bits(); count]
}

/// Root of the squared difference over the root of the squares, which is not a number where one is not.
pub fn error(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let difference: f64 =
        found.iter().zip(expected).map(|(found, expected)| (f64::from(*found) - expected).powi(2)).sum();
    let size: f64 = expected.iter().map(|expected| expected.powi(2)).sum();
    (difference / size).sqrt()
}

#[track_caller]
pub fn assert_close(found: &[f32], expected: &[f64], at_most: f64, what: &str) {
    let error = error(found, expected);
    assert!(error < at_most, "{what}: {error:e}");
}

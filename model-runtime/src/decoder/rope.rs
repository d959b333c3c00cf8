//! Rotary positions: pairs of a head's numbers are turned by an angle that grows with the position.

/// How positions turn queries and keys. Families resolve bases and scalings to one frequency per pair; executors only multiply.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeSpec {
    /// Radians per position of pair `i`. Twice as many numbers of each head are turned; the rest stay.
    pub frequencies: Vec<f64>,
    /// Which numbers are a pair.
    pub pairing: RopePairing,
    /// Multiplies cosines and sines: 1 but for YaRN.
    pub magnitude: f32,
}

/// Which numbers of a head are turned together; `d` numbers are turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopePairing {
    /// `2 i` and `2 i + 1`: Llama in GGUF files.
    Adjacent,
    /// `i` and `i + d / 2`: most others, and Llama in Hugging Face's files.
    Halves,
}

/// How frequencies are stretched for longer contexts.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// All divided by this.
    Linear(f64),
    /// Pair `i` divided by `factors[i]`, as GGUF's `rope_freqs.weight` has them.
    Factors(Vec<f64>),
    /// Llama 3.1: long waves divided by `factor`, short ones kept, a ramp between. Source: transformers' `modeling_rope_utils`.
    Llama3 {
        /// Divides the long waves.
        factor: f64,
        /// Waves longer than `original_context / low` are long.
        low: f64,
        /// Waves shorter than `original_context / high` are short.
        high: f64,
        /// Positions the model was trained with first.
        original_context: f64,
    },
}

impl RopeSpec {
    /// Turns the first `dims` numbers of each head, with `base` to the power of `-2 i / dims` as the frequency of pair `i`.
    #[must_use]
    pub fn new(base: f64, dims: usize, pairing: RopePairing, scaling: &RopeScaling) -> Self {
        let frequency = |i: usize| scaling.apply(i, base.powf(-((2 * i) as f64) / dims as f64));
        Self { frequencies: (0..dims / 2).map(frequency).collect(), pairing, magnitude: 1.0 }
    }

    /// Numbers of each head that are turned.
    #[must_use]
    pub fn dims(&self) -> usize {
        self.frequencies.len() * 2
    }
}

impl RopeScaling {
    fn apply(&self, pair: usize, frequency: f64) -> f64 {
        match self {
            Self::None => frequency,
            Self::Linear(factor) => frequency / factor,
            Self::Factors(factors) => frequency / factors.get(pair).copied().unwrap_or(1.0),
            Self::Llama3 { factor, low, high, original_context } => {
                let waves = original_context * frequency / std::f64::consts::TAU;
                if waves < *low {
                    frequency / factor
                } else if waves > *high {
                    frequency
                } else {
                    let kept = (waves - low) / (high - low);
                    frequency * ((1.0 - kept) / factor + kept)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llama_3_keeps_short_waves_and_stretches_long_ones() {
        let scaling = RopeScaling::Llama3 { factor: 32.0, low: 1.0, high: 4.0, original_context: 8192.0 };
        let plain = RopeSpec::new(500_000.0, 64, RopePairing::Halves, &RopeScaling::None);
        let scaled = RopeSpec::new(500_000.0, 64, RopePairing::Halves, &scaling);
        assert_eq!(scaled.dims(), 64);
        let ratio = |i: usize| plain.frequencies[i] / scaled.frequencies[i];
        assert_eq!(ratio(0), 1.0);
        assert!((ratio(31) - 32.0).abs() < 1e-9);
        let between: Vec<f64> =
            (0..32).map(ratio).filter(|ratio| *ratio > 1.001 && *ratio < 31.999).collect();
        assert!(!between.is_empty() && between.is_sorted());
    }

    #[test]
    fn factors_divide_pair_by_pair() {
        let scaling = RopeScaling::Factors(vec![1.0, 2.0]);
        let spec = RopeSpec::new(100.0, 4, RopePairing::Adjacent, &scaling);
        assert_eq!(spec.frequencies, [1.0, 0.05]);
    }
}

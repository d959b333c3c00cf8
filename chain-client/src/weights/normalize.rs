//! From scores to the chain's numbers, as the Python SDK does it: the same scores give the same vector, bit for bit.

/// Why scores are not a weight vector.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NormalizeError {
    /// A score is negative, infinite or not a number.
    #[error("the score {score} of uid {uid} is not a weight: it must be finite and not negative")]
    NotAWeight {
        /// Whose.
        uid: u16,
        /// The score.
        score: f64,
    },
    /// A uid has two scores.
    #[error("uid {uid} has two scores")]
    Duplicate {
        /// The uid.
        uid: u16,
    },
}

/// The SDK's tolerance when it looks for the cutoff of too large weights.
const EPSILON: f64 = 1e-7;

/// Pairs of uid and weight, ascending by uid, the largest weight 65,535; scores that round to zero are left out, and
/// scores that are all zero give an empty vector.
///
/// `limit` is the subnet's `MaxWeightsLimit`: the largest share of the sum that one weight may have, out of 65,535. The
/// chain of today does not enforce it, but the SDK clips to it, and so does this. A vector of one is left as it is when
/// `only_itself` says that it is the validator's own.
pub fn normalize(
    scores: &[(u16, f64)],
    limit: u16,
    only_itself: bool,
) -> Result<Vec<(u16, u16)>, NormalizeError> {
    let mut scores = scores.to_vec();
    scores.sort_by_key(|(uid, _)| *uid);
    if let Some(pair) = scores.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(NormalizeError::Duplicate { uid: pair[0].0 });
    }
    if let Some((uid, score)) = scores.iter().find(|(_, score)| !score.is_finite() || *score < 0.0) {
        return Err(NormalizeError::NotAWeight { uid: *uid, score: *score });
    }
    let mut weights: Vec<f64> = scores.iter().map(|(_, score)| *score).collect();
    if weights.iter().all(|weight| *weight == 0.0) {
        return Ok(Vec::new());
    }
    if limit < u16::MAX && !only_itself {
        weights = clipped(&weights, f64::from(limit) / f64::from(u16::MAX));
    }
    let top = weights.iter().copied().fold(0.0, f64::max);
    let scaled = weights.iter().map(|weight| quantized(weight / top));
    Ok(scores.iter().map(|(uid, _)| *uid).zip(scaled).filter(|(_, value)| *value != 0).collect())
}

/// Python rounds halves to even.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of the largest: 0 to 65,535"
)]
fn quantized(share: f64) -> u16 {
    (share * f64::from(u16::MAX)).round_ties_even() as u16
}

/// Shares of the sum, none above `limit`: what is above a cutoff is cut, and the cutoff is where the largest share is then
/// exactly the limit. If no distribution can keep the limit, all are equal.
#[expect(clippy::cast_precision_loss, reason = "a subnet has at most 65,536 neurons")]
fn clipped(weights: &[f64], limit: f64) -> Vec<f64> {
    let count = weights.len() as f64;
    let total: f64 = weights.iter().sum();
    if count * limit <= 1.0 {
        return vec![1.0 / count; weights.len()];
    }
    let mut shares: Vec<f64> = weights.iter().map(|weight| weight / total).collect();
    shares.sort_by(f64::total_cmp);
    if shares[shares.len() - 1] <= limit {
        return weights.iter().map(|weight| weight / total).collect();
    }
    let sums: Vec<f64> = shares
        .iter()
        .scan(0.0, |sum, share| {
            *sum += share;
            Some(*sum)
        })
        .collect();
    let below = (0..shares.len())
        .filter(|&index| {
            let above = (shares.len() - index - 1) as f64;
            shares[index] / (above * shares[index] + sums[index] + EPSILON) < limit
        })
        .count();
    // Python's `sums[-1]` for none below is the last sum.
    let sum_below = sums[below.checked_sub(1).unwrap_or(sums.len() - 1)];
    let cutoff = total * ((limit * sum_below - EPSILON) / (1.0 - limit * (count - below as f64)));
    let cut: Vec<f64> = weights.iter().map(|weight| weight.min(cutoff)).collect();
    let total: f64 = cut.iter().sum();
    cut.iter().map(|weight| weight / total).collect()
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    /// For each of 1,000 cases the first eight hex digits of the SHA-256 of what bittensor 11.3.0 made of it, each pair as
    /// two little-endian u16; see the README beside the file.
    const SDK: &str = include_str!("../../tests/data/weights/normalize.txt");

    /// splitmix64, which the script that made the vectors has as well.
    struct Numbers(u64);

    impl Numbers {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        }

        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        fn unit(bits: u64) -> f64 {
            (bits >> 11) as f64 / (1u64 << 53) as f64
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn case(seed: u64) -> (Vec<(u16, f64)>, u16) {
        let mut numbers = Numbers(seed);
        let count = 1 + numbers.next() % 256;
        let kind = numbers.next() % 4;
        let scores = (0..count)
            .map(|uid| {
                let bits = numbers.next();
                let score = match kind {
                    0 => (bits % 1000) as f64,
                    1 => Numbers::unit(bits),
                    2 if bits.is_multiple_of(3) => 0.0,
                    2 => Numbers::unit(bits).powi(2).powi(2),
                    _ => (bits % 7) as f64 * 0.5,
                };
                (u16::try_from(uid).unwrap(), score)
            })
            .collect();
        let limit = if numbers.next().is_multiple_of(2) {
            u16::MAX
        } else {
            1 + u16::try_from(numbers.next() % 65_535).unwrap()
        };
        (scores, limit)
    }

    #[test]
    fn a_thousand_random_inputs_give_the_vectors_of_the_python_sdk() {
        assert_eq!(SDK.lines().count(), 1_000);
        for (seed, expected) in (0..).zip(SDK.lines()) {
            let (scores, limit) = case(seed);
            let vector = normalize(&scores, limit, false).unwrap();
            let bytes: Vec<u8> = vector
                .iter()
                .flat_map(|(uid, value)| [uid.to_le_bytes(), value.to_le_bytes()].concat())
                .collect();
            assert_eq!(&hex::encode(&Sha256::digest(&bytes)[..4]), expected, "case {seed}: {vector:?}");
        }
    }

    #[test]
    fn a_vector_of_the_scoring_function_is_left_as_it_is() {
        let vector: Vec<(u16, u16)> = (0..=255).map(|uid| (uid, 65_535 - uid * 257 % 65_535)).collect();
        let scores: Vec<(u16, f64)> = vector.iter().map(|(uid, value)| (*uid, f64::from(*value))).collect();
        assert_eq!(normalize(&scores, u16::MAX, false).unwrap(), vector);
    }

    #[test]
    fn what_is_no_weight_is_refused() {
        let nan = normalize(&[(3, f64::NAN)], u16::MAX, false).unwrap_err();
        assert!(matches!(nan, NormalizeError::NotAWeight { uid: 3, .. }));
        assert!(normalize(&[(3, -1.0)], u16::MAX, false).is_err());
        let twice = normalize(&[(3, 1.0), (3, 2.0)], u16::MAX, false).unwrap_err();
        assert_eq!(twice, NormalizeError::Duplicate { uid: 3 });
    }

    #[test]
    fn nothing_scored_is_an_empty_vector_and_order_does_not_matter() {
        assert_eq!(normalize(&[(1, 0.0), (2, 0.0)], u16::MAX, false).unwrap(), []);
        assert_eq!(normalize(&[], u16::MAX, false).unwrap(), []);
        assert_eq!(normalize(&[(9, 1.0), (2, 2.0)], u16::MAX, false).unwrap(), [(2, 65_535), (9, 32_768)]);
    }
}

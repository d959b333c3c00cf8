use super::*;

/// Made with the package `toploc` 0.1.6 by `tests/oracles/toploc/make-vectors`: name, places, noise, seed, proof, and the comparison
/// with the same states under noise.
const TOPLOC: &str = include_str!("../vectors/toploc.txt");

/// Knuth's linear congruence; the upper half of each state.
fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 32
    })
}

fn states(places: usize, seed: u64) -> Vec<u16> {
    numbers(seed).take(places).map(|number| (number >> 16) as u16 & 0xbfff).collect()
}

fn noisy(bits: &[u16], noise: u64, seed: u64) -> Vec<u16> {
    let move_by = |(value, number): (&u16, u64)| {
        let magnitude = i64::from(value & 0x7fff) + (number % (2 * noise + 1)) as i64 - noise as i64;
        (value & 0x8000) | magnitude.clamp(0, 0x7f7f) as u16
    };
    bits.iter().zip(numbers(seed + 1)).map(move_by).collect()
}

/// The first state is a chunk by itself.
fn first_chunk(bits: Vec<u16>) -> Chunk {
    let mut builder = FingerprintBuilder::default();
    builder.push(bits);
    builder.take_closed().pop().unwrap()
}

fn answer(rows: usize, width: usize, seed: u64) -> (Vec<Chunk>, Fingerprint) {
    let bits = states(rows * width, seed);
    let mut builder = FingerprintBuilder::default();
    bits.chunks(width).for_each(|row| builder.push(row.iter().copied()));
    let chunks = builder.take_last();
    let proofs = chunks.iter().map(|chunk| chunk.prove().unwrap()).collect();
    (chunks, Fingerprint::new((0..rows as u32).collect(), proofs).unwrap())
}

#[test]
fn proofs_and_comparisons_are_those_of_toploc_byte_for_byte() {
    let mut cases = 0;
    for line in TOPLOC.lines() {
        let [name, places, noise, seed, proof, mismatches, mean, median] =
            line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let number = |text: &str| text.parse::<u64>().unwrap();
        let bits = states(number(places) as usize, number(seed));
        let own = noisy(&bits, number(noise), number(seed));
        let made = first_chunk(bits).prove().unwrap();
        assert_eq!(hex::encode(made.to_bytes()), proof, "{name}");
        assert_eq!(Proof::from_bytes(&hex::decode(proof).unwrap()), Some(made.clone()), "{name}");
        let measure = made.compare(&first_chunk(own));
        let found = [measure.exponent_mismatches, measure.mantissa_error_mean_milli].map(u64::from);
        assert_eq!(found, [number(mismatches), number(mean)], "{name}");
        assert_eq!(u64::from(measure.mantissa_error_median_milli), number(median) * 1_000, "{name}");
        cases += 1;
    }
    assert_eq!(cases, 8);
}

#[test]
fn the_first_state_is_alone_and_then_every_thirty_two_share_a_proof() {
    for (rows, proofs) in [(1, 1), (2, 2), (33, 2), (34, 3), (97, 4)] {
        assert_eq!(answer(rows, 24, 7).1.proofs().len(), proofs, "{rows} rows");
    }
}

#[test]
fn the_values_kept_are_the_greatest_whatever_the_order_they_came_in() {
    let bits = states(32 * 200, 3);
    let mut builder = FingerprintBuilder::default();
    builder.push([0]);
    bits.chunks(200).for_each(|row| builder.push(row.iter().copied()));
    let chunks = builder.take_closed();
    let mut expected: Vec<(u32, u16)> = (0..).zip(bits).collect();
    expected.sort_by_key(|(place, bits)| (std::cmp::Reverse(bits & 0x7fff), *place));
    assert_eq!(chunks[1].values(), &expected[..TOP_VALUES]);
}

#[test]
fn the_same_states_are_the_same_and_others_are_not() {
    let (own, fingerprint) = answer(70, 300, 1);
    let thresholds = Thresholds::default();
    let same = fingerprint.compare(&own).unwrap();
    assert_eq!((same.verdict(&thresholds), same.beyond(&thresholds)), (Verdict::Same, 0));
    assert!(same.measures.iter().all(|measure| measure.exponent_mismatches == 0));
    let (other, _) = answer(70, 300, 2);
    assert_eq!(fingerprint.compare(&other).unwrap().verdict(&thresholds), Verdict::Different);
    assert_eq!(fingerprint.compare(&other[..2]), None, "a chunk is missing");
}

#[test]
fn one_stray_proof_of_many_is_forgiven_but_not_the_first() {
    let (own, fingerprint) = answer(1 + 32 * 11, 64, 1);
    let (other, _) = answer(1 + 32 * 11, 64, 2);
    let thresholds = Thresholds::default();
    let with = |strays: &[usize]| {
        let mut mixed = own.clone();
        strays.iter().for_each(|index| mixed[*index] = other[*index].clone());
        fingerprint.compare(&mixed).unwrap().verdict(&thresholds)
    };
    assert_eq!(with(&[5]), Verdict::Same);
    assert_eq!(with(&[5, 6]), Verdict::Different);
    assert_eq!(with(&[0]), Verdict::Different);
}

#[test]
fn floats_are_rounded_to_the_nearest_bfloat16() {
    let cases = [
        (1.0, 0x3f80),
        (-2.5, 0xc020),
        (1.004, 0x3f81),
        (f32::from_bits(0x3f80_8000), 0x3f80),
        (f32::from_bits(0x3f81_8000), 0x3f82),
        (f32::MAX, 0x7f80),
        (f32::NEG_INFINITY, 0xff80),
        (f32::NAN, 0x7fc0),
        (f32::from_bits(0xffff_ffff), 0x7fc0),
    ];
    for (float, bits) in cases {
        assert_eq!(bfloat16_bits(f32::to_bits(float)), bits, "{float}");
    }
}

#[test]
fn a_fingerprint_round_trips_and_every_shortened_or_lengthened_one_is_refused() {
    let (_, fingerprint) = answer(40, 24, 9);
    let bytes = fingerprint.encode();
    assert_eq!(Fingerprint::from_bytes(&bytes), Ok(fingerprint.clone()));
    for length in 0..bytes.len() {
        assert!(Fingerprint::from_bytes(&bytes[..length]).is_err(), "{length} bytes");
    }
    assert!(Fingerprint::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
    let two = Fingerprint::new(fingerprint.tokens().to_vec(), fingerprint.proofs()[..1].to_vec());
    assert_eq!(two, Err(FingerprintError::Proofs { tokens: 40, expected: 3, found: 1 }));
    let (_, short) = answer(2, 2, 9);
    assert_eq!(hex::encode(short.encode()), "010800040818ffd92ee7567e18ffd9be1e7e28");
    assert_eq!(
        short.digest().to_string(),
        "0x8775dfe30d82c0490326ce3760e369a27132a8fd1a1842319aec7b2d2192ed06"
    );
}

#[test]
fn proofs_out_of_range_are_refused() {
    assert_eq!(Proof::from_bytes(&[0, 0, 0, 1]), None, "a modulus of zero");
    assert_eq!(Proof::from_bytes(&[0, 1]), None, "no coefficients");
    assert_eq!(Proof::from_bytes(&[0xff, 0xd9, 0xff, 0xd9]), None, "a coefficient that is not reduced");
    assert_eq!(Proof::from_bytes(&[0xff, 0xda, 0, 1]), None, "a modulus above the prime");
    assert_eq!(Proof::from_bytes(&[1; 2 * TOP_VALUES + 4]), None, "too many coefficients");
    assert_eq!(Proof::through(&[]), None);
    assert_eq!(Proof::through(&[(1, 2), (1, 3)]), None, "two values at one place");
}

use super::*;

fn sampling(temperature: f32, top_p: f32, top_k: Option<u32>) -> Sampling {
    Sampling { temperature, top_p, top_k, seed: Some(7) }
}

fn draws(sampling: Sampling, logits: &[f32], count: usize) -> Vec<u32> {
    let mut sampler = Sampler::new(sampling, 0);
    (0..count).map(|_| sampler.sample(logits).unwrap()).collect()
}

#[test]
fn greedy_takes_the_lowest_of_the_likeliest() {
    assert_eq!(draws(Sampling::greedy(), &[0.0, 3.0, 3.0, -1.0], 3), [1, 1, 1]);
}

#[test]
fn the_same_seed_draws_the_same_tokens_and_another_seed_others() {
    let logits: Vec<f32> = (0..50).map(|i| (i as f32 * 0.7).sin()).collect();
    let first = draws(sampling(1.0, 1.0, None), &logits, 40);
    assert_eq!(first, draws(sampling(1.0, 1.0, None), &logits, 40));
    assert_ne!(first, draws(Sampling { seed: Some(8), ..sampling(1.0, 1.0, None) }, &logits, 40));
}

#[test]
fn draws_follow_the_probabilities() {
    // Probabilities 0.1, 0.2, 0.7.
    let logits = [0.1_f32.ln(), 0.2_f32.ln(), 0.7_f32.ln()];
    let tokens = draws(sampling(1.0, 1.0, None), &logits, 20_000);
    for (token, expected) in [(0, 0.1), (1, 0.2), (2, 0.7)] {
        let share = tokens.iter().filter(|drawn| **drawn == token).count() as f64 / 20_000.0;
        assert!((share - expected).abs() < 0.015, "token {token}: {share} instead of {expected}");
    }
}

#[test]
fn temperature_divides_the_logits() {
    // At temperature 0.5 the weights are squared: 1, 4, 49 of 54.
    let logits = [0.1_f32.ln(), 0.2_f32.ln(), 0.7_f32.ln()];
    let tokens = draws(sampling(0.5, 1.0, None), &logits, 20_000);
    let share = tokens.iter().filter(|drawn| **drawn == 2).count() as f64 / 20_000.0;
    assert!((share - 49.0 / 54.0).abs() < 0.01, "{share}");
}

#[test]
fn top_k_keeps_the_likeliest() {
    let logits = [1.0, 4.0, 2.0, 3.0];
    let tokens = draws(sampling(5.0, 1.0, Some(2)), &logits, 500);
    assert!(tokens.iter().all(|token| [1, 3].contains(token)));
    assert!(tokens.contains(&1) && tokens.contains(&3));
}

#[test]
fn top_p_keeps_the_fewest_tokens_that_reach_it() {
    let logits = [0.1_f32.ln(), 0.2_f32.ln(), 0.7_f32.ln()];
    let all = |top_p, allowed: &[u32]| {
        let tokens = draws(sampling(1.0, top_p, None), &logits, 500);
        assert!(tokens.iter().all(|token| allowed.contains(token)), "top_p {top_p}");
        assert!(allowed.iter().all(|token| tokens.contains(token)), "top_p {top_p}");
    };
    all(0.6, &[2]);
    all(0.8, &[1, 2]);
    all(0.95, &[0, 1, 2]);
}

#[test]
fn logits_that_are_not_finite_are_never_drawn() {
    let logits = [f32::NAN, f32::NEG_INFINITY, 0.0, f32::NAN];
    assert_eq!(draws(sampling(1.0, 0.9, None), &logits, 5), [2; 5]);
    let mut sampler = Sampler::new(Sampling::greedy(), 0);
    assert_eq!(sampler.sample(&[f32::NAN]), Err(NotFinite));
    assert_eq!(sampler.sample(&[]), Err(NotFinite));
}

#[test]
fn settings_out_of_range_are_refused() {
    assert_eq!(sampling(-1.0, 1.0, None).validate(), Err(SamplingError::Temperature(-1.0)));
    assert!(sampling(f32::NAN, 1.0, None).validate().is_err());
    assert_eq!(sampling(1.0, 0.0, None).validate(), Err(SamplingError::TopP(0.0)));
    assert_eq!(sampling(1.0, 1.5, None).validate(), Err(SamplingError::TopP(1.5)));
    assert_eq!(sampling(1.0, 1.0, Some(0)).validate(), Err(SamplingError::TopK));
    assert_eq!(sampling(0.0, 1.0, Some(1)).validate(), Ok(()));
}

#[test]
fn the_generator_gives_the_published_sequence() {
    let mut rng = SplitMix64(1_234_567);
    let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
    assert_eq!([rng.next(), rng.next(), rng.next()], expected);
}

use super::*;

fn sampling(temperature: f32, top_p: f32, top_k: Option<u32>) -> Sampling {
    Sampling { temperature, top_p, top_k, seed: Some(7), ..Sampling::greedy() }
}

fn draws(sampling: Sampling, logits: &[f32], count: usize) -> Vec<u32> {
    let mut sampler = Sampler::new(sampling, 0, &[]);
    (0..count).map(|_| sampler.draw(logits, &[]).unwrap().token).collect()
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
    let mut sampler = Sampler::new(Sampling::greedy(), 0, &[]);
    assert_eq!(sampler.draw(&[f32::NAN], &[]), Err(NotFinite));
    assert_eq!(sampler.draw(&[], &[]), Err(NotFinite));
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

fn greedy_with(change: impl FnOnce(&mut Sampling)) -> Sampler {
    let mut sampling = Sampling::greedy();
    change(&mut sampling);
    sampling.validate().unwrap();
    Sampler::new(sampling, 0, &[3])
}

fn tokens(sampler: &mut Sampler, logits: &[f32], forbidden: &[u32], count: usize) -> Vec<u32> {
    (0..count).map(|_| sampler.draw(logits, forbidden).unwrap().token).collect()
}

#[test]
fn penalties_bring_in_tokens_the_answer_does_not_have() {
    let logits = [1.0, 0.8, 0.3, 1.2];
    let mut presence = greedy_with(|s| s.presence_penalty = 0.5);
    assert_eq!(tokens(&mut presence, &logits, &[], 4), [3, 0, 1, 3]);
    let mut frequency = greedy_with(|s| s.frequency_penalty = 0.3);
    assert_eq!(tokens(&mut frequency, &logits, &[], 5), [3, 0, 3, 1, 0]);
    // Counts the prompt, which has token 3, too: 1.2 / 2 is less than 1.
    let mut repetition = greedy_with(|s| s.repetition_penalty = 2.0);
    assert_eq!(tokens(&mut repetition, &logits, &[], 3), [0, 1, 3]);
    // A negative logit becomes more negative.
    let mut negative = greedy_with(|s| s.repetition_penalty = 2.0);
    assert_eq!(tokens(&mut negative, &[-3.0, -4.0, -9.0, -2.0], &[], 1), [0]);
}

#[test]
fn biases_and_forbidden_tokens_change_what_is_likeliest() {
    let logits = [1.0, 0.8, 0.3];
    let mut biased = greedy_with(|s| s.logit_bias = [(2, 1.0)].into());
    assert_eq!(tokens(&mut biased, &logits, &[], 1), [2]);
    assert_eq!(tokens(&mut greedy_with(|_| {}), &logits, &[0], 1), [1]);
    assert_eq!(tokens(&mut greedy_with(|_| {}), &logits, &[], 1), [0]);
}

#[test]
fn min_p_keeps_tokens_by_their_share_of_the_likeliest() {
    let logits = [0.1_f32.ln(), 0.2_f32.ln(), 0.7_f32.ln()];
    for (min_p, allowed) in [(0.5, vec![2]), (0.2, vec![1, 2]), (0.1, vec![0, 1, 2])] {
        let tokens = draws(Sampling { min_p, ..sampling(1.0, 1.0, None) }, &logits, 500);
        assert!(tokens.iter().all(|token| allowed.contains(token)), "min_p {min_p}");
        assert!(allowed.iter().all(|token| tokens.contains(token)), "min_p {min_p}");
    }
}

#[test]
fn log_probabilities_are_the_models_own_whatever_settings_change() {
    let logits = [0.1_f32.ln(), 0.2_f32.ln(), 0.7_f32.ln(), f32::NEG_INFINITY];
    let mut sampler = greedy_with(|s| {
        s.logprobs = Some(2);
        s.logit_bias.insert(0, 50.0);
    });
    let drawn = sampler.draw(&logits, &[]).unwrap();
    let logprobs = drawn.logprobs.unwrap();
    assert_eq!(drawn.token, 0);
    assert!((logprobs.drawn - 0.1_f32.ln()).abs() < 1e-6);
    let tokens: Vec<u32> = logprobs.top.iter().map(|(token, _)| *token).collect();
    assert_eq!(tokens, [2, 1]);
    assert!((logprobs.top[0].1 - 0.7_f32.ln()).abs() < 1e-6);
}

#[test]
fn new_settings_out_of_range_are_refused() {
    let refused = |change: fn(&mut Sampling)| {
        let mut sampling = Sampling::greedy();
        change(&mut sampling);
        sampling.validate().unwrap_err()
    };
    assert_eq!(refused(|s| s.min_p = 1.5), SamplingError::MinP(1.5));
    assert_eq!(refused(|s| s.presence_penalty = 3.0), SamplingError::Penalty(3.0));
    assert_eq!(refused(|s| s.repetition_penalty = 0.0), SamplingError::Repetition(0.0));
    assert_eq!(refused(|s| s.logit_bias = [(1, 101.0)].into()), SamplingError::Bias(101.0));
    assert_eq!(refused(|s| s.logprobs = Some(21)), SamplingError::Logprobs(21));
}

//! Gemma 3 270M (Q4_K_M): exactly what transformers makes of the same file in f32 (`tests/vectors/make-exact-gemma.py`), and what
//! llama.cpp makes of it (`make-llama-cpp-vectors.mjs`) but for its rounding.
//!
//! llama.cpp rounds activations to 8 bits before it multiplies them with quantised weights. In this small model, going round in circles
//! as a base model does, that moves logits by 0.2 mostly and by 3 at times.

use model_runtime::burn_decoder::BurnDecoder;
use model_runtime::checkpoint::Checkpoint;
use model_runtime::device::ComputeDevice;
use model_runtime::sampling::argmax;
use serde::Deserialize;
use serde_json::Value;

use super::driver::{fed, pages_for};
use super::vectors;

/// A token of llama.cpp's that is further behind our best is more than a near-tie; one in so many steps may be.
const NEAR_TIE: f64 = 0.5;
const FAR_STEPS: usize = 40;
/// How far the gaps between the best two may be apart at the median. Logits reach 30.
const GAP_MEDIAN_TOLERANCE: f64 = 0.3;
/// How far f32 gaps may be from transformers', in logits, which reach 30.
const EXACT_TOLERANCE: f64 = 1e-3;

#[derive(Deserialize)]
struct LlamaCpp {
    model_sha256: String,
    tokens_of_texts: Vec<Vec<u32>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    text: String,
    prompt_ids: Vec<u32>,
    greedy_ids: Vec<u32>,
    gaps: Vec<f64>,
}

fn opened() -> (Checkpoint, LlamaCpp) {
    let checkpoint = Checkpoint::open(&vectors::model("gemma-3-270m-q4_k_m.gguf")).unwrap();
    (checkpoint, vectors::json("llama-cpp-gemma.json"))
}

#[test]
fn texts_become_llama_cpps_tokens() {
    let (checkpoint, vectors) = opened();
    assert_eq!(
        hex::encode(checkpoint.weights_sha256()),
        vectors.model_sha256,
        "the vectors are of another file"
    );
    let tokenizer = checkpoint.tokenizer().unwrap();
    let texts: Value = vectors::json("tokenizers/gemma3.json");
    let texts: Vec<(String, Vec<u32>)> = serde_json::from_value(texts["cases"].clone()).unwrap();
    assert!(texts.len() >= 150 && texts.len() == vectors.tokens_of_texts.len());
    // node-llama-cpp's `tokenize` leaves out the token that begins texts.
    let without_first = |text: &str| {
        let tokens = tokenizer.encode(text).unwrap();
        assert_eq!((tokens.first().copied(), tokenizer.bos()), (Some(2), Some(2)), "{text:?}");
        tokens[1..].to_vec()
    };
    for ((text, _), expected) in texts.iter().zip(&vectors.tokens_of_texts) {
        assert_eq!(&without_first(text), expected, "{text:?}");
    }
    for case in &vectors.cases {
        assert_eq!(without_first(&case.text), case.prompt_ids, "{}", case.name);
    }
}

#[derive(Deserialize)]
struct Exact {
    likeliest: Vec<u32>,
    gaps: Vec<f64>,
}

/// The best token, and the best two logits.
fn best_two(logits: &[f32]) -> (u32, f64, f64) {
    let best = argmax(logits).unwrap();
    let rest = logits.iter().enumerate().filter(|(id, _)| *id != best as usize);
    let second = rest.fold(f32::MIN, |max, (_, logit)| max.max(*logit));
    (best, logits[best as usize].into(), second.into())
}

#[derive(Default)]
struct Distances {
    steps: usize,
    others: usize,
    far: usize,
    gaps: Vec<f64>,
}

impl Distances {
    /// `rows` are our logits at each step of llama.cpp's answer.
    fn add(&mut self, case: &Case, rows: &[Vec<f32>]) {
        for ((logits, theirs), gap) in rows.iter().zip(&case.greedy_ids).zip(&case.gaps) {
            let (best, largest, second) = best_two(logits);
            self.steps += 1;
            if best == *theirs {
                self.gaps.push((largest - second - gap).abs());
            } else {
                self.others += 1;
                self.far += usize::from(largest - f64::from(logits[*theirs as usize]) > NEAR_TIE);
            }
        }
    }
}

#[test]
fn logits_are_transformers_and_llama_cpps_but_for_its_rounding() {
    let (checkpoint, vectors) = opened();
    let exact: Vec<Exact> = vectors::json("exact-gemma.json");
    let decoder = checkpoint.decoder(256).unwrap();
    assert_eq!((decoder.family.name(), decoder.spec.layers.len()), ("gemma3", 18));
    let mut model = BurnDecoder::new(decoder.spec, &decoder.weights, &ComputeDevice::cpu(), pages_for(256));
    let mut distances = Distances::default();
    let mut worst = 0.0_f64;
    for (case, exact) in vectors.cases.iter().zip(&exact) {
        let tokens = [case.prompt_ids.as_slice(), &case.greedy_ids].concat();
        let rows = fed(&mut model, &tokens, &[tokens.len()]);
        assert!(exact.likeliest.len() == tokens.len() && exact.gaps.len() == tokens.len());
        for (row, (likeliest, gap)) in rows.iter().zip(exact.likeliest.iter().zip(&exact.gaps)) {
            let (best, largest, second) = best_two(row);
            assert!(
                best == *likeliest || *gap < EXACT_TOLERANCE,
                "{}: {best} instead of {likeliest}",
                case.name
            );
            worst = worst.max((largest - second - gap).abs());
        }
        distances.add(case, &rows[case.prompt_ids.len() - 1..tokens.len() - 1]);
    }
    assert!(worst < EXACT_TOLERANCE, "a gap between the best two is off by {worst} from transformers'");
    let Distances { steps, others, far, mut gaps } = distances;
    gaps.sort_by(f64::total_cmp);
    let median = gaps[gaps.len() / 2];
    eprintln!(
        "transformers: gaps within {worst:.1e}; llama.cpp: {others} of {steps} tokens differ, {far} of them by more than a near-tie, gaps by {median:.3} at the median"
    );
    assert!(steps > 100 && exact.len() == vectors.cases.len(), "only {steps} steps");
    assert!(others * 10 < steps, "{others} of {steps} steps differ from llama.cpp");
    assert!(far * FAR_STEPS <= steps, "{far} of {steps} tokens of llama.cpp's are far behind our best");
    assert!(
        median < GAP_MEDIAN_TOLERANCE,
        "the gap of the best two is off from llama.cpp's by {median} at the median"
    );
}

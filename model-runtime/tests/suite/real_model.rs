//! The default model against llama.cpp on the same file, and against a float64 computation.
//!
//! llama.cpp rounds activations to 8 bits before it multiplies them with the file's 4-bit weights; we compute in f32. So its logits are
//! off by what that rounding does, and where two tokens are closer than that either may come first. The vectors in `tests/vectors` were
//! made by the scripts beside them.

use std::path::PathBuf;
use std::sync::OnceLock;

use futures::StreamExt as _;
use model_runtime::burn_decoder::BurnDecoder;
use model_runtime::chat_template::{ChatTemplate, TemplateTokens};
use model_runtime::checkpoint::Checkpoint;
use model_runtime::device::ComputeDevice;
use model_runtime::sampling::argmax;
use model_runtime::tokenizer::Tokenizer;
use model_runtime::{
    Event, FinishReason, GenerateRequest, Message, ModelSource, Prompt, Runtime, RuntimeConfig,
};
use serde::Deserialize;

use super::driver::{fed, pages_for};
use super::vectors;

/// Two tokens whose logits differ by less may change places under llama.cpp's rounding.
const NEAR_TIE: f64 = 0.3;
/// How far the gap between llama.cpp's best two tokens may be from ours, half of the time and ever. Logits reach 40.
const GAP_MEDIAN_TOLERANCE: f64 = 0.15;
const GAP_TOLERANCE: f64 = 1.5;
/// How far log-probabilities of llama.cpp's likeliest first tokens may be from ours.
const LOG_PROBABILITY_TOLERANCE: f64 = 0.5;
/// How far f32 logits may be from float64 ones, in parts of the largest.
const EXACT_TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
struct LlamaCpp {
    model_sha256: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    text: String,
    prompt_ids: Vec<u32>,
    greedy_ids: Vec<u32>,
    ended: bool,
    gaps: Vec<f64>,
    first_step_log_probabilities: Vec<(usize, f64)>,
}

#[derive(Deserialize)]
struct Exact {
    prompt_ids: Vec<u32>,
    likeliest_after_each: Vec<u32>,
    largest_after_each: Vec<f64>,
    last_logits: Vec<(usize, f64)>,
}

#[derive(Deserialize)]
struct PromptCase {
    name: String,
    chat: Option<Vec<Turn>>,
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    content: String,
}

/// Where the default model's file is.
pub fn path() -> PathBuf {
    match std::env::var_os("SUBNET64_MODEL") {
        Some(path) => path.into(),
        None => vectors::model("SmolLM2-135M-Instruct.Q4_1.gguf"),
    }
}

struct Loaded {
    checkpoint: Checkpoint,
    tokenizer: Tokenizer,
}

/// One for all tests of this file that run in one process.
fn loaded() -> &'static Loaded {
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    LOADED.get_or_init(|| {
        let checkpoint = Checkpoint::open(&path()).unwrap();
        Loaded { tokenizer: checkpoint.tokenizer().unwrap(), checkpoint }
    })
}

/// The plain executor, in f32.
fn plain() -> BurnDecoder {
    let decoder = loaded().checkpoint.decoder(8192).unwrap();
    BurnDecoder::new(decoder.spec, &decoder.weights, &ComputeDevice::cpu(), pages_for(1024))
}

/// Logits at every step of llama.cpp's answer, given the tokens it chose before.
fn forced(model: &mut BurnDecoder, case: &Case) -> Vec<Vec<f32>> {
    let (_, before_last) = case.greedy_ids.split_last().unwrap();
    let tokens = [case.prompt_ids.as_slice(), before_last].concat();
    fed(model, &tokens, &[tokens.len()]).split_off(case.prompt_ids.len() - 1)
}

/// The best two logits.
fn best_two(logits: &[f32]) -> (f64, f64) {
    let best = argmax(logits).unwrap() as usize;
    let second = logits
        .iter()
        .enumerate()
        .filter(|(id, _)| *id != best)
        .fold(f32::MIN, |max, (_, logit)| max.max(*logit));
    (logits[best].into(), second.into())
}

#[test]
fn prompts_become_llama_cpps_tokens() {
    let vectors: LlamaCpp = vectors::json("llama-cpp.json");
    let Loaded { checkpoint, tokenizer } = loaded();
    assert_eq!(
        hex::encode(checkpoint.weights_sha256()),
        vectors.model_sha256,
        "the vectors are of another file"
    );
    assert!(vectors.cases.len() >= 10);
    for case in &vectors.cases {
        assert_eq!(tokenizer.encode(&case.text).unwrap(), case.prompt_ids, "{}", case.name);
        let bytes: Vec<u8> =
            case.prompt_ids.iter().flat_map(|id| tokenizer.vocabulary().bytes(*id)).copied().collect();
        let shown = case.text.replace("<|im_start|>", "").replace("<|im_end|>", "");
        assert_eq!(String::from_utf8(bytes).unwrap(), shown, "{}", case.name);
    }
}

#[test]
fn the_files_template_gives_the_prompts_of_the_vectors() {
    let prompts: Vec<PromptCase> = vectors::json("prompts.json");
    let vectors: LlamaCpp = vectors::json("llama-cpp.json");
    let template = loaded().checkpoint.chat_template().unwrap().unwrap();
    let template = ChatTemplate::new(&template, TemplateTokens::default()).unwrap();
    for (prompt, case) in prompts.into_iter().zip(vectors.cases) {
        assert_eq!(prompt.name, case.name);
        if let Some(turns) = prompt.chat {
            let message = |Turn { role, content }| Message { role, content };
            let messages: Vec<Message> = turns.into_iter().map(message).collect();
            assert_eq!(template.render(&messages).unwrap(), case.text, "{}", case.name);
        }
    }
}

/// Distances from llama.cpp over all steps.
#[derive(Debug, Default)]
struct Distances {
    steps: usize,
    /// Steps at which it chose another token.
    others: usize,
    /// How far its other tokens were behind our best.
    behind_max: f64,
    /// Differences of the gaps between the best two tokens, where those are the same.
    gaps: Vec<f64>,
    log_probability_max: f64,
}

impl Distances {
    fn add(&mut self, model: &mut BurnDecoder, case: &Case) {
        let rows = forced(model, case);
        for ((logits, theirs), gap) in rows.iter().zip(&case.greedy_ids).zip(&case.gaps) {
            self.steps += 1;
            let (best, second) = best_two(logits);
            if argmax(logits) == Some(*theirs) {
                self.gaps.push((best - second - gap).abs());
            } else {
                self.others += 1;
                self.behind_max = self.behind_max.max(best - f64::from(logits[*theirs as usize]));
            }
        }
        let total: f64 = rows[0].iter().map(|logit| f64::from(*logit).exp()).sum();
        for (id, expected) in &case.first_step_log_probabilities {
            let found = f64::from(rows[0][*id]) - total.ln();
            self.log_probability_max = self.log_probability_max.max((found - expected).abs());
        }
    }
}

#[test]
fn greedy_tokens_and_their_gaps_are_llama_cpps_but_for_its_rounding() {
    let vectors: LlamaCpp = vectors::json("llama-cpp.json");
    let (mut model, mut distances) = (plain(), Distances::default());
    for case in &vectors.cases {
        distances.add(&mut model, case);
    }
    distances.gaps.sort_by(f64::total_cmp);
    let Distances { steps, others, behind_max, gaps, log_probability_max } = distances;
    let (median, max) = (gaps[gaps.len() / 2], gaps[gaps.len() - 1]);
    eprintln!("{others} of {steps} tokens differ, by at most {behind_max:.3}");
    eprintln!(
        "gaps differ by {median:.3} (median), {max:.3} (most); log-probabilities by {log_probability_max:.3}"
    );
    assert!(behind_max < NEAR_TIE, "a token of llama.cpp's is {behind_max} behind our best");
    assert!(others * 20 < steps, "{others} of {steps} steps differ: too many to be near-ties");
    assert!(median < GAP_MEDIAN_TOLERANCE, "the gap of the best two is off by {median} at the median");
    assert!(max < GAP_TOLERANCE, "the gap of the best two is off by {max}");
    assert!(
        log_probability_max < LOG_PROBABILITY_TOLERANCE,
        "a log-probability is off by {log_probability_max}"
    );
}

#[test]
fn logits_are_the_exact_ones_within_f32() {
    let exact: Exact = vectors::json("exact-logits.json");
    let rows = fed(&mut plain(), &exact.prompt_ids, &[exact.prompt_ids.len()]);
    let largest = exact.largest_after_each.iter().fold(0.0_f64, |max, logit| max.max(logit.abs()));
    let off = |found: f32, expected: f64| (f64::from(found) - expected).abs() / largest;
    let mut worst = 0.0_f64;
    for ((row, likeliest), size) in
        rows.iter().zip(&exact.likeliest_after_each).zip(&exact.largest_after_each)
    {
        assert_eq!(argmax(row), Some(*likeliest));
        worst = worst.max(off(row[*likeliest as usize], *size));
    }
    for (id, expected) in &exact.last_logits {
        worst = worst.max(off(rows.last().unwrap()[*id], *expected));
    }
    eprintln!("worst relative error {worst:.2e}");
    assert!(worst < EXACT_TOLERANCE, "off by {worst} of the largest logit");
}

#[tokio::test]
async fn the_runtime_streams_what_the_model_computes() {
    let vectors: LlamaCpp = vectors::json("llama-cpp.json");
    let runtime = Runtime::start(RuntimeConfig::default()).unwrap();
    let model = runtime.load("SmolLM2-135M-Instruct", ModelSource::Gguf(path())).await.unwrap();
    let facts = model.facts();
    assert_eq!(
        (facts.parameters, facts.context_tokens, facts.vocabulary_tokens),
        (134_515_008, 8192, 49_152)
    );
    assert_eq!(facts.end_tokens, [0, 2]);
    let (mut plain, mut compared) = (plain(), 0);
    for case in &vectors.cases {
        let rows = forced(&mut plain, case);
        let request =
            GenerateRequest::greedy(Prompt::Tokens(case.prompt_ids.clone()), case.greedy_ids.len() as u32);
        let mut generation = model.generate(request).await.unwrap();
        for (step, theirs) in case.greedy_ids.iter().enumerate() {
            let Some(Event::Token { id, .. }) = generation.next().await else {
                panic!("{} broke off", case.name)
            };
            let (best, second) = best_two(&rows[step]);
            // Both round activations to 8 bits, each in its own way.
            if best - second < 2.0 * NEAR_TIE && id != *theirs {
                break;
            }
            assert_eq!(id, *theirs, "{} step {step}", case.name);
            compared += 1;
            if step + 1 == case.greedy_ids.len() {
                let Some(Event::Finished(finished)) = generation.next().await else {
                    panic!("{} has no end", case.name)
                };
                let expected = if case.ended { FinishReason::Stop } else { FinishReason::Length };
                assert_eq!(finished.reason, expected, "{}", case.name);
            }
        }
    }
    eprintln!("{compared} tokens equal before the first near-ties");
    assert!(compared > 200, "only {compared} tokens could be compared");
}

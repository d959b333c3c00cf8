//! The kernels against llama.cpp on the same files: a hundred prompts each, answered greedily, and the perplexity of a text.
//!
//! llama.cpp's answers are in `tests/vectors/agreement-*.json`, which `scripts/check-llama-cpp --write` makes. We are given them token by
//! token ("teacher-forced"), a few answers beside each other in every pass, and say what we would have chosen. Both round activations to
//! 8 bits before they meet quantised weights, each in its own blocks, so tokens that are close may change places: [`Expected`] says how
//! close, and how often.
//!
//! Which of the two is nearer to the truth, the same weights in f32 tell (`model-runtime score --plain`; `exact_perplexity`). SmolLM2's text
//! of 1,369 tokens has a perplexity of 71.79 in f32, of 71.98 by our kernels and of 72.38 by llama.cpp. Token by token compared, ours is
//! 0.27 % above the exact one (standard error 0.23) and llama.cpp's 0.82 % (0.23); so ours is 0.55 % below llama.cpp's because it is nearer
//! to f32. Gemma's has 72.30, 72.37 and 72.59: 0.10 % and 0.40 % above the exact one. llama.cpp was given an f32 cache; it rounds the
//! scales of its 8-bit blocks to f16, where ours stay f32.

use std::num::NonZeroUsize;
use std::sync::Arc;

use model_runtime::checkpoint::Checkpoint;
use model_runtime::cpu::{CpuConfig, CpuModel};
use model_runtime::decoder::{Model as _, Part, Step};
use model_runtime::kernels::{Isa, Team};
use model_runtime::sampling::argmax;
use serde::Deserialize;

use super::driver::pages_for;
use super::vectors;

/// Answers computed in one pass.
const BESIDE: usize = 5;
/// Positions that one of them may take, and those of the text.
const ANSWER_POSITIONS: usize = 64;
const TEXT_POSITIONS: usize = 1536;
/// Tokens of the text in one pass.
const PIECE_TOKENS: usize = 64;
/// How far our perplexity may be above llama.cpp's, as a part of it.
const PERPLEXITY_ABOVE: f64 = 0.005;

#[derive(Deserialize)]
struct LlamaCpp {
    model_sha256: String,
    answers: Vec<Answer>,
    text_ids: Vec<u32>,
    log_probabilities: Vec<f64>,
}

#[derive(Deserialize)]
struct Answer {
    prompt: String,
    prompt_ids: Vec<u32>,
    ids: Vec<u32>,
}

/// What is asked of a file's answers.
struct Expected {
    /// A token of llama.cpp's that is not our best is behind our best by less, in logits.
    near_tie: f64,
    /// One step of so many may be such a near-tie.
    other_steps: usize,
    /// How far our perplexity may be below llama.cpp's, as a part of it.
    perplexity_below: f64,
    /// Of the text with the same weights in f32.
    exact_perplexity: f64,
}

fn executor(checkpoint: &Checkpoint) -> CpuModel {
    let decoder = checkpoint.decoder(TEXT_POSITIONS).unwrap();
    let team = Arc::new(Team::new(NonZeroUsize::new(2).unwrap()).unwrap());
    let pages = pages_for(TEXT_POSITIONS).max(BESIDE * pages_for(ANSWER_POSITIONS));
    // As the runtime loads it.
    let config = CpuConfig { pages, exact_cache: false, isa: Isa::detect() };
    CpuModel::new(decoder.spec, &decoder.weights, config, team).unwrap()
}

/// The `index`-th block table of those that do not overlap.
fn table(index: usize) -> Vec<u32> {
    let pages = pages_for(ANSWER_POSITIONS);
    (index * pages..(index + 1) * pages).map(|page| page as u32).collect()
}

/// How far every token of `answers` is behind our best, in order; 0 where it is our best.
fn behind(model: &mut CpuModel, answers: &[Answer]) -> Vec<f64> {
    let tables: Vec<Vec<u32>> = (0..answers.len()).map(table).collect();
    let sequences: Vec<Vec<u32>> = answers
        .iter()
        .map(|answer| [&answer.prompt_ids, &answer.ids[..answer.ids.len() - 1]].concat())
        .collect();
    let parts: Vec<Part<'_>> = answers
        .iter()
        .zip(&sequences)
        .zip(&tables)
        .map(|((answer, tokens), pages)| Part {
            tokens,
            start: 0,
            pages,
            rows_from: answer.prompt_ids.len() - 1,
            likeliest: None,
        })
        .collect();
    let rows = model.forward(&Step { parts: &parts, hidden: false }).unwrap();
    let theirs = answers.iter().flat_map(|answer| &answer.ids).copied();
    theirs
        .enumerate()
        .map(|(row, token)| {
            let logits = rows.logits(row);
            let best = argmax(logits).unwrap() as usize;
            f64::from(logits[best]) - f64::from(logits[token as usize])
        })
        .collect()
}

/// The mean of `-ln p`, as a power of e.
fn perplexity(log_probabilities: &[f64]) -> f64 {
    (-log_probabilities.iter().sum::<f64>() / log_probabilities.len() as f64).exp()
}

fn log_probabilities(model: &mut CpuModel, tokens: &[u32]) -> Vec<f64> {
    let pages: Vec<u32> = (0..pages_for(tokens.len()) as u32).collect();
    let mut found = Vec::new();
    for piece in tokens[..tokens.len() - 1].chunks(PIECE_TOKENS) {
        let start = found.len();
        let part = Part { tokens: piece, start, pages: &pages, rows_from: 0, likeliest: None };
        let rows = model.forward(&Step { parts: &[part], hidden: false }).unwrap();
        for (row, next) in tokens[start + 1..=start + piece.len()].iter().enumerate() {
            let logits = rows.logits(row);
            let largest = f64::from(logits[argmax(logits).unwrap() as usize]);
            let total: f64 = logits.iter().map(|logit| (f64::from(*logit) - largest).exp()).sum();
            found.push(f64::from(logits[*next as usize]) - largest - total.ln());
        }
    }
    found
}

fn compare(file: &str, answers: &str, expected: &Expected) {
    let theirs: LlamaCpp = vectors::json(answers);
    let checkpoint = Checkpoint::open(&vectors::model(file)).unwrap();
    let sha256 = hex::encode(checkpoint.weights_sha256());
    assert_eq!(sha256, theirs.model_sha256, "the vectors are of another file");
    assert!(theirs.answers.len() == 100 && theirs.text_ids.len() > 1000);
    let tokenizer = checkpoint.tokenizer().unwrap();
    for answer in &theirs.answers {
        assert_eq!(tokenizer.encode(&answer.prompt).unwrap(), answer.prompt_ids, "{:?}", answer.prompt);
    }
    let mut model = executor(&checkpoint);
    let all: Vec<f64> =
        theirs.answers.chunks(BESIDE).flat_map(|answers| behind(&mut model, answers)).collect();
    let mut others: Vec<f64> = all.iter().copied().filter(|behind| *behind > 0.0).collect();
    others.sort_by(|a, b| b.total_cmp(a));
    let ours = perplexity(&log_probabilities(&mut model, &theirs.text_ids));
    let apart = ours / perplexity(&theirs.log_probabilities) - 1.0;
    eprintln!(
        "{file}: {} of {} tokens differ; behind {:.3?}; perplexity {ours:.4}, {:.2} % from llama.cpp's",
        others.len(),
        all.len(),
        &others[..others.len().min(12)],
        apart * 100.0
    );
    let farthest = others.first().copied().unwrap_or(0.0);
    assert!(all.len() > 1500, "only {} steps", all.len());
    assert!(farthest < expected.near_tie, "a token of llama.cpp's is {farthest} behind our best");
    assert!(others.len() * expected.other_steps < all.len(), "{} of {} differ", others.len(), all.len());
    let from_exact = ours / expected.exact_perplexity - 1.0;
    assert!(from_exact.abs() < PERPLEXITY_ABOVE, "perplexity {ours} is {from_exact} from the exact one");
    let allowed = -expected.perplexity_below..PERPLEXITY_ABOVE;
    assert!(allowed.contains(&apart), "perplexity {ours} is {apart} from llama.cpp's");
}

#[test]
fn smollm2_chooses_llama_cpps_tokens_after_a_hundred_prompts_up_to_near_ties() {
    let expected =
        Expected { near_tie: 0.75, other_steps: 20, perplexity_below: 0.01, exact_perplexity: 71.7905 };
    compare("SmolLM2-135M-Instruct.Q4_1.gguf", "agreement-smollm2.json", &expected);
}

#[test]
fn gemma_chooses_llama_cpps_tokens_after_a_hundred_prompts_up_to_near_ties() {
    let expected =
        Expected { near_tie: 0.5, other_steps: 20, perplexity_below: 0.005, exact_perplexity: 72.2987 };
    compare("gemma-3-270m-q4_k_m.gguf", "agreement-gemma.json", &expected);
}

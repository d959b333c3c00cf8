//! `model-runtime score`: what a model thinks of given tokens.

use std::io::{Read as _, stdin};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use model_runtime::burn_decoder::BurnDecoder;
use model_runtime::checkpoint::Checkpoint;
use model_runtime::cpu::{CpuConfig, CpuModel};
use model_runtime::decoder::{Model, PAGE_TOKENS, Part, Step};
use model_runtime::device::ComputeDevice;
use model_runtime::kernels::{Isa, Team};
use serde::Serialize;

use crate::output;

/// Reads a JSON array of sequences (arrays of token numbers) from stdin, and prints for each what the model says at every token but the
/// last: its likeliest next token, how far the second is behind, and the log-probability of the token that does follow.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A GGUF file, or a folder of safetensors.
    #[arg(long, value_name = "PATH")]
    model: PathBuf,
    /// Expand the weights to f32 and compute by the plain implementation, instead of by the kernels that serve.
    #[arg(long)]
    plain: bool,
}

#[derive(Default, Serialize)]
struct Scores {
    likeliest: Vec<u32>,
    gaps: Vec<f64>,
    log_probabilities: Vec<f64>,
    /// Logits by which the token that follows is behind the likeliest.
    behind: Vec<f64>,
}

/// Tokens computed at once.
const PIECE_TOKENS: usize = 64;

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut text = String::new();
    stdin().read_to_string(&mut text).context("cannot read stdin")?;
    let sequences: Vec<Vec<u32>> =
        serde_json::from_str(&text).context("stdin is not a JSON array of arrays of tokens")?;
    let longest = sequences.iter().map(Vec::len).max().unwrap_or(0);
    let checkpoint = Checkpoint::open(&args.model)?;
    let decoder = checkpoint.decoder(longest)?;
    let context_max = decoder.spec.context_max;
    ensure!(longest <= context_max, "a sequence has {longest} tokens, the model takes {context_max}");
    let pages = longest.div_ceil(PAGE_TOKENS).max(1);
    let mut model: Box<dyn Model> = if args.plain {
        Box::new(BurnDecoder::new(decoder.spec, &decoder.weights, &ComputeDevice::cpu(), pages))
    } else {
        let team = Team::new(std::thread::available_parallelism()?)?;
        let config = CpuConfig { pages, exact_cache: false, isa: Isa::detect() };
        Box::new(CpuModel::new(decoder.spec, &decoder.weights, config, Arc::new(team))?)
    };
    let mut all = Vec::new();
    for (index, sequence) in sequences.iter().enumerate() {
        eprintln!("sequence {} of {}: {} tokens", index + 1, sequences.len(), sequence.len());
        all.push(scores(&mut *model, sequence)?);
    }
    output::json(&all)
}

fn scores(model: &mut dyn Model, sequence: &[u32]) -> anyhow::Result<Scores> {
    let pages: Vec<u32> = (0..sequence.len().div_ceil(PAGE_TOKENS) as u32).collect();
    let mut scores = Scores::default();
    let mut start = 0;
    for tokens in sequence.chunks(PIECE_TOKENS) {
        let part = Part { tokens, start, pages: &pages, rows_from: 0, likeliest: None };
        let rows = model.forward(&Step { parts: &[part], hidden: false })?;
        start += tokens.len();
        let following = &sequence[start + 1 - tokens.len()..];
        for (row, next) in following.iter().take(tokens.len()).enumerate() {
            scores.add(rows.logits(row), *next);
        }
    }
    Ok(scores)
}

impl Scores {
    fn add(&mut self, logits: &[f32], next: u32) {
        let best = model_runtime::sampling::argmax(logits).unwrap_or(0);
        let largest = f64::from(logits[best as usize]);
        let others = logits.iter().enumerate().filter(|(id, _)| *id != best as usize);
        let second = others.fold(f64::NEG_INFINITY, |max, (_, logit)| max.max((*logit).into()));
        let total: f64 = logits.iter().map(|logit| (f64::from(*logit) - largest).exp()).sum();
        let behind = logits.get(next as usize).map_or(f64::INFINITY, |logit| largest - f64::from(*logit));
        self.likeliest.push(best);
        self.gaps.push(largest - second);
        self.log_probabilities.push(-behind - total.ln());
        self.behind.push(behind);
    }
}

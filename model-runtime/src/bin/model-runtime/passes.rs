//! `model-runtime passes`: how long a card's passes take by themselves, and where their time goes.

use std::time::Instant;

use anyhow::Context as _;
use model_runtime::checkpoint::Checkpoint;
use model_runtime::cube::card::{Card, usual_folder};
use model_runtime::cube::decoder::{CubeDecoder, Kinds};
use model_runtime::cube::{page_bytes, weights_bytes};
use model_runtime::decoder::{BlockKind, Model, PAGE_TOKENS, Part, Step};
use serde::Serialize;

use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The GGUF file, or a folder as Hugging Face has it.
    #[arg(long, value_name = "PATH")]
    model: std::path::PathBuf,
    /// Numbers of sequences at once.
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_value = "1,8,32")]
    batch: Vec<usize>,
    /// Tokens before the one that is computed; and of the prompt that is read.
    #[arg(long, value_name = "N", default_value_t = 512)]
    context: usize,
    /// Passes of each measurement; medians are reported.
    #[arg(long, value_name = "N", default_value_t = 50)]
    rounds: usize,
    /// Measure every kind of kernel by itself, too.
    #[arg(long)]
    kinds: bool,
    /// Divide products of few rows with numbers of 8 bits another way: 1 to 4, 0 as usual.
    #[arg(long, value_name = "N", default_value_t = 0, hide = true)]
    division: u8,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    weights_bytes: u64,
    load_ms: f64,
    /// Until the first pass of one token had run, kernels compiled.
    first_pass_ms: f64,
    passes: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    what: String,
    batch: usize,
    median_ms: f64,
    /// The middle half of the passes lies between these.
    quartiles_ms: [f64; 2],
    /// Weights and the cache that is read, over the time.
    gigabytes_per_second: f64,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    let files = Checkpoint::open(&args.model)?;
    let decoder = files.decoder(args.context + 64)?;
    let spec = decoder.spec.clone();
    let most = args.batch.iter().copied().max().unwrap_or(1);
    let per_sequence = (args.context + 64).div_ceil(PAGE_TOKENS);
    let exact = decoder.weights.layers.iter().all(|layer| layer.k.kind == BlockKind::F32);
    let board = Card::new(0, usual_folder(|name| std::env::var_os(name)))
        .map_err(anyhow::Error::msg)
        .context("no card")?;
    let weights = weights_bytes(&decoder.weights);
    let mut model = CubeDecoder::new(spec.clone(), &decoder.weights, board, most * per_sequence, exact)
        .map_err(anyhow::Error::msg)?;
    let all = Kinds { division: args.division, ..Kinds::all() };
    model.restrict(all);
    let load_ms = started.elapsed().as_secs_f64() * 1000.0;
    let started = Instant::now();
    decode(&mut model, 1, 0, per_sequence)?;
    let first_pass_ms = started.elapsed().as_secs_f64() * 1000.0;
    eprintln!("loaded in {load_ms:.0} ms, first pass {first_pass_ms:.0} ms");

    let mut passes = Vec::new();
    let cache = |batch: usize| (batch * args.context) as u64 * page_bytes(&spec, exact) / PAGE_TOKENS as u64;
    for &batch in &args.batch {
        eprintln!("batch {batch}");
        let started = Instant::now();
        for sequence in 0..batch {
            prompt(&mut model, sequence, args.context, per_sequence)?;
        }
        let read_ms = started.elapsed().as_secs_f64() * 1000.0;
        eprintln!("read {batch} prompts in {read_ms:.0} ms");
        let times = measure(args.rounds, || prompt(&mut model, 0, args.context, per_sequence))?;
        passes.push(row("prompt", 1, times, 0));
        let times = measure(args.rounds, || decode(&mut model, batch, args.context, per_sequence))?;
        passes.push(row("decode", batch, times, weights + cache(batch)));
        if args.kinds {
            let none = Kinds { division: args.division, ..Kinds::none() };
            let kinds = [
                ("qkv", Kinds { qkv: true, ..none }),
                ("attention", Kinds { attention: true, ..none }),
                ("attention output", Kinds { attention_output: true, ..none }),
                ("gate and up", Kinds { gate_up: true, ..none }),
                ("down", Kinds { down: true, ..none }),
                ("logits", Kinds { logits: true, ..none }),
                ("the rest", Kinds { rest: true, ..none }),
                ("nothing", none),
            ];
            for (what, kinds) in kinds {
                model.restrict(kinds);
                let times = measure(args.rounds, || decode(&mut model, batch, args.context, per_sequence))?;
                passes.push(row(&format!("decode: {what}"), batch, times, 0));
                if batch == 1 {
                    let times = measure(args.rounds, || prompt(&mut model, 0, args.context, per_sequence))?;
                    passes.push(row(&format!("prompt: {what}"), batch, times, 0));
                }
            }
            model.restrict(all);
        }
    }
    let report = Report { weights_bytes: weights, load_ms, first_pass_ms, passes };
    if args.json {
        return output::json(&report);
    }
    output::line(&format!(
        "{:<28} {:>6} {:>10} {:>20} {:>8}",
        "PASS", "BATCH", "MEDIAN ms", "QUARTILES ms", "GB/s"
    ))?;
    for Row { what, batch, median_ms, quartiles_ms: [low, high], gigabytes_per_second } in report.passes {
        output::line(&format!(
            "{what:<28} {batch:>6} {median_ms:>10.3} {:>20} {gigabytes_per_second:>8.0}",
            format!("{low:.3} to {high:.3}")
        ))?;
    }
    Ok(())
}

fn row(what: &str, batch: usize, mut times: Vec<f64>, bytes: u64) -> Row {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let median_ms = at(0.5);
    Row {
        what: what.to_owned(),
        batch,
        median_ms,
        quartiles_ms: [at(0.25), at(0.75)],
        gigabytes_per_second: bytes as f64 / median_ms / 1e6,
    }
}

/// Milliseconds of each round, after three that are not counted.
fn measure(rounds: usize, mut pass: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Vec<f64>> {
    for _ in 0..3 {
        pass()?;
    }
    (0..rounds.max(1))
        .map(|_| {
            let started = Instant::now();
            pass()?;
            Ok(started.elapsed().as_secs_f64() * 1000.0)
        })
        .collect()
}

fn pages(sequence: usize, per_sequence: usize) -> Vec<u32> {
    (sequence * per_sequence..(sequence + 1) * per_sequence).map(|page| page as u32).collect()
}

/// Reads a prompt, and gets its likeliest next token.
fn prompt(
    model: &mut CubeDecoder<Card>,
    sequence: usize,
    length: usize,
    per_sequence: usize,
) -> anyhow::Result<()> {
    let tokens: Vec<u32> = (0..length as u32).map(|at| (at * 7919 + 13 * sequence as u32) % 500).collect();
    let pages = pages(sequence, per_sequence);
    let part = Part { tokens: &tokens, start: 0, pages: &pages, rows_from: length - 1, likeliest: Some(&[]) };
    model.forward(&Step { parts: &[part], hidden: false })?;
    Ok(())
}

/// One token of every sequence.
fn decode(
    model: &mut CubeDecoder<Card>,
    batch: usize,
    context: usize,
    per_sequence: usize,
) -> anyhow::Result<()> {
    let tables: Vec<Vec<u32>> = (0..batch).map(|sequence| pages(sequence, per_sequence)).collect();
    let parts: Vec<Part<'_>> = tables
        .iter()
        .map(|pages| Part { tokens: &[17], start: context, pages, rows_from: 0, likeliest: Some(&[]) })
        .collect();
    model.forward(&Step { parts: &parts, hidden: false })?;
    Ok(())
}

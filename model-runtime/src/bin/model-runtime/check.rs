//! `model-runtime check`: a card's answers beside the processor's.

use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::Context as _;
use model_runtime::checkpoint::Checkpoint;
use model_runtime::cpu::{CpuConfig, CpuModel};
use model_runtime::cube::card::{Card, usual_folder};
use model_runtime::cube::decoder::CubeDecoder;
use model_runtime::decoder::{BlockKind, Model, PAGE_TOKENS, Part, Place, Step};
use model_runtime::kernels::{Isa, Team};
use model_runtime::sampling::argmax;
use serde::Serialize;

use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The GGUF file, or a folder as Hugging Face has it.
    #[arg(long, value_name = "PATH")]
    model: std::path::PathBuf,
    /// Tokens of the prompt.
    #[arg(long, value_name = "N", default_value_t = 150)]
    prompt_tokens: usize,
    /// Tokens after it, one by one.
    #[arg(long, value_name = "N", default_value_t = 20)]
    gen_tokens: usize,
    /// Root of the squared difference of logits over the root of their squares that is still right [default: 1e-4 for models of f32, which
    /// are computed exactly, 0.05 for others of floats, 0.1 for
    /// quantised ones, whose rows the processor rounds to 8 bits].
    #[arg(long, value_name = "X")]
    error_max: Option<f64>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    /// The greatest error of all positions.
    error: f64,
    error_max: f64,
    /// Positions whose likeliest token is the processor's.
    same_likeliest: usize,
    positions: usize,
    /// The greatest number of logits by which the processor's likeliest token beats the card's.
    furthest_behind: f32,
    /// Whether logits are the same bits however a prompt is cut and whatever else is in the pass.
    same_bits: bool,
    /// The first position whose bits depend on how the prompt was cut.
    cut_differs_from: Option<usize>,
    /// How many do.
    cut_differs: usize,
    /// Whether the last position's bits depend on what else is in the pass.
    beside_differs: bool,
    /// Whether the card's own choice of the likeliest token is that of its logits.
    same_choice: bool,
}

/// Exit status 1 when something is not as it should be.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let files = Checkpoint::open(&args.model)?;
    let count = args.prompt_tokens + args.gen_tokens;
    let decoder = files.decoder(count)?;
    let (spec, weights) = (decoder.spec, decoder.weights);
    let exact = weights.layers.iter().all(|layer| layer.k.kind == BlockKind::F32);
    let floats = weights.layers.iter().all(|layer| layer.k.kind.weights() == 1);
    let per_sequence = count.div_ceil(PAGE_TOKENS);
    let pages = 4 * per_sequence;
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let config = CpuConfig { pages, exact_cache: exact, isa: Isa::detect() };
    let mut processor = CpuModel::new(spec.clone(), &weights, config, Arc::new(Team::new(threads)?))?;
    let board = Card::new(0, usual_folder(|name| std::env::var_os(name)))
        .map_err(anyhow::Error::msg)
        .context("no card")?;
    let mut card =
        CubeDecoder::new(spec.clone(), &weights, board, pages, exact).map_err(anyhow::Error::msg)?;
    let tokens: Vec<u32> = (0..count as u64)
        .map(|at| (at * 2_654_435_761 % spec.vocabulary.min(50_000) as u64) as u32)
        .collect();
    let table = |sequence: usize| {
        (sequence * per_sequence..(sequence + 1) * per_sequence).map(|page| page as u32).collect::<Vec<_>>()
    };

    let whole = [args.prompt_tokens];
    let expected = feed(&mut processor, &table(0), &tokens, &whole)?;
    let found = feed(&mut card, &table(0), &tokens, &whole)?;
    let cut = feed(&mut card, &table(1), &tokens, &[args.prompt_tokens / 3, 1, 7])?;
    let last = beside_others(&mut card, &tokens, [0, 1, 2].map(table))?;
    let differs = |at: &usize| found[*at] != cut[*at];
    let cut_differs = (0..count).filter(differs).count();
    let cut_differs_from = (0..count).find(differs);
    let beside_differs = found.last() != Some(&last);
    let same_bits = cut_differs == 0 && !beside_differs;

    let errors = found.iter().zip(&expected).map(|(found, expected)| error(found, expected));
    let best = |logits: &Vec<f32>| argmax(logits).unwrap_or(0) as usize;
    let behind =
        found.iter().zip(&expected).map(|(found, expected)| expected[best(expected)] - expected[best(found)]);
    let part =
        Part { tokens: &tokens, start: 0, pages: &table(3), rows_from: count - 1, likeliest: Some(&[]) };
    let chosen = card.forward(&Step { parts: &[part], hidden: false })?.place(0);
    let report = Report {
        // A NaN is the greatest error of all.
        error: errors.fold(0.0, |most: f64, error| if error <= most { most } else { error }),
        error_max: args.error_max.unwrap_or(if exact {
            1e-4
        } else if floats {
            0.05
        } else {
            0.1
        }),
        same_likeliest: found
            .iter()
            .zip(&expected)
            .filter(|(found, expected)| best(found) == best(expected))
            .count(),
        positions: count,
        furthest_behind: behind.fold(0.0, f32::max),
        same_bits,
        cut_differs_from,
        cut_differs,
        beside_differs,
        same_choice: chosen == Place::Likeliest(found.last().and_then(|logits| argmax(logits))),
    };
    if args.json {
        output::json(&report)?;
    } else {
        output::line(&format!("{report:#?}"))?;
    }
    let Report { error, error_max, same_bits, same_choice, .. } = report;
    anyhow::ensure!(
        error <= error_max && same_bits && same_choice,
        "the card does not compute what the processor does"
    );
    Ok(())
}

fn error(found: &[f32], expected: &[f32]) -> f64 {
    let square = |value: f32| f64::from(value).powi(2);
    let difference: f64 = found.iter().zip(expected).map(|(found, expected)| square(found - expected)).sum();
    (difference / expected.iter().copied().map(square).sum::<f64>()).sqrt()
}

/// Logits after every token, read in pieces of the given sizes, the rest one by one.
fn feed(
    model: &mut dyn Model,
    pages: &[u32],
    tokens: &[u32],
    pieces: &[usize],
) -> anyhow::Result<Vec<Vec<f32>>> {
    let (mut start, mut logits) = (0, Vec::new());
    for piece in pieces.iter().copied().chain(std::iter::repeat(1)) {
        let end = (start + piece).min(tokens.len());
        if start == end {
            break;
        }
        let part = Part { tokens: &tokens[start..end], start, pages, rows_from: 0, likeliest: None };
        let rows = model.forward(&Step { parts: &[part], hidden: false })?;
        logits.extend((0..end - start).map(|row| rows.logits(row).to_vec()));
        start = end;
    }
    Ok(logits)
}

/// The last token of the first sequence again, beside pieces of two others.
fn beside_others(model: &mut dyn Model, tokens: &[u32], tables: [Vec<u32>; 3]) -> anyhow::Result<Vec<f32>> {
    let last = tokens.len() - 1;
    let part = |pages, tokens, start| Part { tokens, start, pages, rows_from: 0, likeliest: None };
    let [first, second, third] = &tables;
    let parts = [
        part(third, &tokens[..9], 0),
        part(first, &tokens[last..], last),
        part(second, &tokens[last - 1..], last - 1),
    ];
    Ok(model.forward(&Step { parts: &parts, hidden: false })?.logits(9).to_vec())
}

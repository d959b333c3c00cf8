//! Fingerprints that one device made, checked by another: on the same machine or on two, with a file between them.
//!
//! ```sh
//! fingerprint-errors write --model MODEL --device cuda --batch 1,8 --out card.json
//! fingerprint-errors verify --model MODEL --device cpu card.json
//! ```
//!
//! A file holds what a miner would show, tokens and proofs, of answers that were drawn greedily one at a time or in batches. `verify`
//! dictates the tokens and reads prompt and answer in one pass, as validators do.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use futures::future::join_all;
use model_runtime::checkpoint::Checkpoint;
use model_runtime::{DeviceChoice, ModelSource, Prompt};
use parity_scale_codec::Encode as _;
use protocol::evidence::is_improbable;
use protocol::fingerprint::{Comparison, Fingerprint, Measure, Thresholds, Verdict};
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::answers::{fingerprint, prompt, run, start};

/// Answers and writes.
#[derive(clap::Args)]
pub struct Write {
    /// The model: a GGUF file or a folder.
    #[arg(long)]
    model: PathBuf,
    /// Where it is computed.
    #[arg(long, value_enum)]
    device: DeviceChoice,
    /// How many answers are computed together; several numbers make a case each.
    #[arg(long, value_delimiter = ',', default_value = "1,8")]
    batch: Vec<usize>,
    /// Prompts to answer in each case: at most 48 differ.
    #[arg(long, default_value_t = 16)]
    prompts: usize,
    /// Tokens of each answer.
    #[arg(long, default_value_t = 65)]
    tokens: u32,
    /// What the model is called in tables; the file's name unless given.
    #[arg(long)]
    name: Option<String>,
    /// The model is one that a cheat would use: its answers ought to be refused.
    #[arg(long)]
    dishonest: bool,
    /// The file to write.
    #[arg(long)]
    out: PathBuf,
}

/// Reads and compares.
#[derive(clap::Args)]
pub struct Verify {
    /// The model that the answers ought to be of.
    #[arg(long)]
    model: PathBuf,
    /// Where it is computed.
    #[arg(long, value_enum)]
    device: DeviceChoice,
    /// What it is called in tables; the file's name unless given.
    #[arg(long)]
    name: Option<String>,
    /// Print a line of JSON for each answer, as `scripts/measure-fingerprints --lines` reads them, instead of a table.
    #[arg(long)]
    json: bool,
    /// What `write` wrote.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// What a device answered.
#[derive(Serialize, Deserialize)]
struct Written {
    /// The device's own name.
    device: String,
    model: String,
    /// SHA-256 of the weights, in hexadecimal digits.
    weights: String,
    honest: bool,
    answers: Vec<Answer>,
}

#[derive(Serialize, Deserialize)]
struct Answer {
    /// Answers that were computed together.
    batch: usize,
    /// The text, asked as a user's message.
    prompt: String,
    /// The fingerprint's SCALE bytes, in hexadecimal digits.
    fingerprint: String,
}

type Figure = fn(&Measure) -> f64;

/// What is told of each case's proofs.
const FIGURES: [(&str, Figure); 3] = [
    ("share of other exponents", |measure| {
        f64::from(measure.exponent_mismatches) / f64::from(measure.values)
    }),
    ("mean error of mantissas", |measure| f64::from(measure.mantissa_error_mean_milli) / 1_000.0),
    ("median error of mantissas", |measure| f64::from(measure.mantissa_error_median_milli) / 1_000.0),
];

/// A row of the table.
#[derive(Default)]
struct Row {
    answers: usize,
    refused: usize,
    by_states: usize,
    improbable: usize,
    measures: Vec<Measure>,
}

fn named(name: Option<&String>, model: &Path) -> String {
    let of_file = || model.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    name.cloned().or_else(of_file).unwrap_or_else(|| "a model".to_owned())
}

/// Answers and writes.
pub async fn write(args: &Write) -> Result<(), Failure> {
    let weights = hex::encode(Checkpoint::open(&args.model)?.weights_sha256());
    let (mut device, mut answers) = (String::new(), Vec::new());
    for batch in &args.batch {
        let runtime = start(args.device, None, *batch)?;
        runtime.device().name().clone_into(&mut device);
        let model = runtime.load("model", ModelSource::Gguf(args.model.clone())).await?;
        let numbers: Vec<usize> = (0..args.prompts).collect();
        for together in numbers.chunks((*batch).max(1)) {
            let ask = |number: &usize| run(&model, Prompt::user(&prompt(*number)), args.tokens, Vec::new());
            for (number, answer) in together.iter().zip(join_all(together.iter().map(ask)).await) {
                let bytes = fingerprint(&answer?)?.encode();
                let fingerprint = hex::encode(bytes);
                answers.push(Answer { batch: *batch, prompt: prompt(*number), fingerprint });
            }
        }
        writeln!(io::stderr(), "{} answers on {device}, {batch} at a time", args.prompts)?;
    }
    let model = named(args.name.as_ref(), &args.model);
    let written = Written { device, model, weights, honest: !args.dishonest, answers };
    fs::write(&args.out, serde_json::to_vec_pretty(&written)?)?;
    Ok(())
}

/// Reads and compares.
pub async fn verify(args: &Verify) -> Result<(), Failure> {
    let weights = hex::encode(Checkpoint::open(&args.model)?.weights_sha256());
    let runtime = start(args.device, None, 1)?;
    let model = runtime.load("model", ModelSource::Gguf(args.model.clone())).await?;
    let own = named(args.name.as_ref(), &args.model);
    let mut rows: Vec<(String, bool, Row)> = Vec::new();
    let mut out = io::stdout().lock();
    for file in &args.files {
        let written: Written = serde_json::from_slice(&fs::read(file)?)?;
        if written.weights != weights {
            writeln!(io::stderr(), "{}: answers of other weights than {own}'s", file.display())?;
        }
        for answer in &written.answers {
            let theirs = Fingerprint::from_bytes(&hex::decode(&answer.fingerprint)?)?;
            let tokens = theirs.tokens().to_vec();
            let count = tokens.len();
            let read = run(&model, Prompt::user(&answer.prompt), count as u32, tokens).await?;
            let compared = theirs.compare(&read.chunks).ok_or("another number of proofs than of chunks")?;
            let case = format!(
                "{} on {} by {}, read with {own} on {}",
                written.model,
                written.device,
                answer.batch,
                runtime.device().name(),
            );
            if args.json {
                let line = serde_json::json!({
                    "case": case, "honest": written.honest, "improbable": read.improbable, "measures": compared.measures,
                });
                writeln!(out, "{line}")?;
                continue;
            }
            let place = rows.iter().position(|row| row.0 == case).unwrap_or_else(|| {
                rows.push((case, written.honest, Row::default()));
                rows.len() - 1
            });
            rows[place].2.add(compared, read.improbable, count);
        }
    }
    for (case, honest, row) in &rows {
        row.print(&mut out, case, *honest)?;
    }
    Ok(())
}

impl Row {
    fn add(&mut self, comparison: Comparison, improbable: usize, tokens: usize) {
        let states = comparison.verdict(&Thresholds::default()) == Verdict::Different;
        let words = is_improbable(improbable as u64, tokens as u64);
        self.answers += 1;
        self.by_states += usize::from(states);
        self.refused += usize::from(states || words);
        self.improbable += improbable;
        self.measures.extend(comparison.measures);
    }

    fn print(&self, out: &mut impl io::Write, case: &str, honest: bool) -> io::Result<()> {
        let beyond = self.measures.iter().filter(|measure| measure.is_beyond(&Thresholds::default())).count();
        writeln!(out, "{case} ({})", if honest { "honest" } else { "dishonest" })?;
        writeln!(
            out,
            "  answers {}: accepted {}, refused {} (by states {}); proofs {}, beyond {beyond}; improbable tokens {}",
            self.answers,
            self.answers - self.refused,
            self.refused,
            self.by_states,
            self.measures.len(),
            self.improbable,
        )?;
        for (what, of) in FIGURES {
            let all = self.measures.iter().map(of);
            let mean = all.clone().sum::<f64>() / self.measures.len().max(1) as f64;
            let (worst, least) = (all.clone().fold(0.0, f64::max), all.fold(f64::MAX, f64::min));
            writeln!(out, "  {what}: mean {mean:.3}, greatest {worst:.3}, least {least:.3}")?;
        }
        Ok(())
    }
}

//! How far apart fingerprints are: of one model computed in different ways, and of what a cheat would pass off as it.
//!
//! `write` and `verify` are for devices of two machines: see `devices.rs`. Without a command, all is measured on this machine's processor:
//! `scripts/measure-fingerprints` makes the altered models, runs this and turns the lines into rates and a plot. Each line of the output
//! is a JSON object: the case, whether it is honest, and for each proof the exponent mismatches and the mantissas' mean and median errors.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use futures::future::join_all;
use model_runtime::burn_decoder::BurnDecoder;
use model_runtime::checkpoint::Checkpoint;
use model_runtime::decoder::{Model as _, PAGE_TOKENS, Part, Step};
use model_runtime::device::ComputeDevice;
use model_runtime::{ModelHandle, Prompt};
use protocol::fingerprint::{Chunk, Comparison, FingerprintBuilder, bfloat16_bits};

mod answers;
mod devices;

use answers::{Run, fingerprint, load, prompt, run};

type Failure = Box<dyn std::error::Error>;

#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    apart: Option<Apart>,
    #[command(flatten)]
    here: Option<Args>,
}

/// Answers on one machine, and their check on another.
#[derive(Subcommand)]
enum Apart {
    /// Answers on a device, and writes the fingerprints to a file.
    Write(devices::Write),
    /// Reads the answers of such files with a model and a device of one's own, and prints how far apart the fingerprints are.
    Verify(devices::Verify),
}

#[derive(clap::Args)]
struct Args {
    /// The model.
    #[arg(long)]
    model: PathBuf,
    /// Another model that a cheat answers with: NAME=PATH. May be given several times.
    #[arg(long)]
    cheat: Vec<String>,
    /// Prompts to answer.
    #[arg(long, default_value_t = 16)]
    prompts: usize,
    /// Tokens of each answer.
    #[arg(long, default_value_t = 97)]
    tokens: u32,
    /// Prompts that the f32 reference computes too; it is slow.
    #[arg(long, default_value_t = 4)]
    reference_prompts: usize,
}

/// The states of the reference: weights as f32, no rounding of activations.
fn reference(decoder: &mut BurnDecoder, prompt: &[u32], answer: &[u32]) -> Result<Vec<Chunk>, Failure> {
    let sequence = [prompt, &answer[..answer.len() - 1]].concat();
    let pages: Vec<u32> = (0..sequence.len().div_ceil(PAGE_TOKENS) as u32).collect();
    let part =
        Part { tokens: &sequence, start: 0, pages: &pages, rows_from: prompt.len() - 1, likeliest: None };
    let rows = decoder.forward(&Step { parts: &[part], hidden: true })?;
    let mut builder = FingerprintBuilder::default();
    for row in 0..answer.len() {
        builder.push(rows.hidden(row).iter().map(|value| bfloat16_bits(value.to_bits())));
    }
    Ok(builder.take_last())
}

fn tell(case: &str, honest: bool, comparison: Option<&Comparison>, improbable: usize) -> Result<(), Failure> {
    let measures = comparison.map(|comparison| &comparison.measures);
    let line =
        serde_json::json!({"case": case, "honest": honest, "improbable": improbable, "measures": measures});
    writeln!(io::stdout(), "{line}")?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args = match Cli::parse() {
        Cli { apart: Some(Apart::Write(args)), .. } => return devices::write(&args).await,
        Cli { apart: Some(Apart::Verify(args)), .. } => return devices::verify(&args).await,
        Cli { here, .. } => {
            here.ok_or("name a model by --model, or one of the commands `write` and `verify`")?
        }
    };
    let path = args.model.to_string_lossy().into_owned();
    let one = load(&path, 1).await?;
    let two = load(&path, 2).await?;
    let mut answers = Vec::new();
    for number in 0..args.prompts {
        answers.push(run(&one, Prompt::user(&prompt(number)), args.tokens, Vec::new()).await?);
    }
    eprintln!("{} answers of {} tokens", answers.len(), args.tokens);

    // Alone, token by token, one thread; then read at once with two.
    for (number, answer) in answers.iter().enumerate() {
        let again = run(&two, Prompt::user(&prompt(number)), args.tokens, answer.tokens.clone()).await?;
        let comparison = fingerprint(answer)?.compare(&again.chunks);
        tell("two threads, one pass", true, comparison.as_ref(), again.improbable)?;
    }
    // The same requests, all at once.
    let batch =
        (0..answers.len()).map(|number| run(&two, Prompt::user(&prompt(number)), args.tokens, Vec::new()));
    for (answer, batched) in answers.iter().zip(join_all(batch).await) {
        let batched = batched?;
        let comparison = fingerprint(&batched)?.compare(&answer.chunks);
        tell("batch of four", true, comparison.as_ref(), batched.improbable)?;
    }
    honest_reference(&args, &one).await?;
    cheats(&args, &one, &answers).await
}

/// Own kernels (integers, activations rounded to 8 bits) against f32 all through, both ways round.
async fn honest_reference(args: &Args, model: &ModelHandle) -> Result<(), Failure> {
    let checkpoint = Checkpoint::open(&args.model)?;
    let decoder = checkpoint.decoder(1024)?;
    let mut decoder =
        BurnDecoder::new(decoder.spec, &decoder.weights, &ComputeDevice::cpu(), 1024 / PAGE_TOKENS);
    for number in 0..args.reference_prompts {
        // Plain tokens, because the reference has no chat template: any sequence will do.
        let words: Vec<u32> =
            (0..40).map(|at| 1_000 + ((number * 977 + at * 7_919) % 30_000) as u32).collect();
        let answer = run(model, Prompt::Tokens(words.clone()), args.tokens, Vec::new()).await?;
        let exact = reference(&mut decoder, &words, &answer.tokens)?;
        let comparison = fingerprint(&answer)?.compare(&exact);
        tell("own kernels against f32", true, comparison.as_ref(), answer.improbable)?;
        let exact = Run { chunks: exact, ..answer };
        let own = run(model, Prompt::Tokens(words), args.tokens, exact.tokens.clone()).await?;
        let comparison = fingerprint(&exact)?.compare(&own.chunks);
        tell("f32 against own kernels", true, comparison.as_ref(), own.improbable)?;
    }
    Ok(())
}

async fn cheats(args: &Args, model: &ModelHandle, answers: &[Run]) -> Result<(), Failure> {
    for cheat in &args.cheat {
        let (name, path) = cheat.split_once('=').ok_or("--cheat is NAME=PATH")?;
        let other = load(path, 2).await?;
        for (number, answer) in answers.iter().enumerate() {
            let asked = Prompt::user(&prompt(number));
            let Ok(cheated) = run(&other, asked.clone(), args.tokens, Vec::new()).await else {
                // A model that knows no conversations.
                let plain = Prompt::Text(prompt(number));
                let cheated = run(&other, plain, args.tokens, Vec::new()).await?;
                tell(name, false, fingerprint(&cheated)?.compare(&answer.chunks).as_ref(), 0)?;
                continue;
            };
            let own = run(model, asked, args.tokens, cheated.tokens.clone()).await;
            let (chunks, improbable) = match &own {
                Ok(own) => (&own.chunks, own.improbable),
                Err(_) => (&answer.chunks, cheated.tokens.len()),
            };
            tell(name, false, fingerprint(&cheated)?.compare(chunks).as_ref(), improbable)?;
        }
    }
    for (number, answer) in answers.iter().enumerate() {
        let text = prompt(number);
        let altered = [
            ("an old answer replayed", prompt(number + 1)),
            ("one word of the prompt changed", text.replacen("the", "some", 1).replacen(" a ", " one ", 1)),
            ("an order put before the prompt", format!("Answer in one sentence. {text}")),
        ];
        for (name, altered) in altered.into_iter().filter(|(_, altered)| *altered != text) {
            let cheated = run(model, Prompt::user(&altered), args.tokens, Vec::new()).await?;
            let own = run(model, Prompt::user(&text), args.tokens, cheated.tokens.clone()).await?;
            tell(name, false, fingerprint(&cheated)?.compare(&own.chunks).as_ref(), own.improbable)?;
        }
        let random: Vec<u32> = answer.tokens.iter().map(|token| (token * 31 + 7_001) % 49_000).collect();
        let cheated = run(model, Prompt::user(&text), args.tokens, random).await?;
        tell(
            "random tokens",
            false,
            fingerprint(&cheated)?.compare(&cheated.chunks).as_ref(),
            cheated.improbable,
        )?;
    }
    Ok(())
}

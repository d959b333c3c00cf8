//! Runs language models from the command line. Results go to stdout, progress to stderr.

mod bench;
#[cfg(feature = "cuda")]
mod check;
mod embed;
mod generate;
mod inspect;
mod output;
#[cfg(feature = "cuda")]
mod passes;
mod score;

use clap::{Parser, Subcommand};

/// Run a language model, measure it, or look into its file.
#[derive(Debug, Parser)]
#[command(name = "model-runtime", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer one prompt.
    Generate(generate::Args),
    /// Measure prefill and decode speed.
    Bench(bench::Args),
    /// Turn texts into vectors.
    Embed(embed::Args),
    /// Say what a model thinks of given tokens.
    Score(score::Args),
    /// Compare a card's answers with the processor's.
    #[cfg(feature = "cuda")]
    Check(check::Args),
    /// Measure a card's passes by themselves.
    #[cfg(feature = "cuda")]
    Passes(passes::Args),
    /// Show what a weights file holds.
    Inspect(inspect::Args),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Generate(args) => generate::run(args).await,
        Command::Bench(args) => bench::run(args).await,
        Command::Embed(args) => embed::run(args),
        Command::Score(args) => score::run(&args),
        #[cfg(feature = "cuda")]
        Command::Check(args) => check::run(&args),
        #[cfg(feature = "cuda")]
        Command::Passes(args) => passes::run(&args),
        Command::Inspect(args) => inspect::run(&args),
    }
}

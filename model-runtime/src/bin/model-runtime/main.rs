//! Runs language models from the command line. Results go to stdout, progress to stderr.

mod bench;
mod embed;
mod generate;
mod inspect;
mod output;
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
        Command::Inspect(args) => inspect::run(&args),
    }
}

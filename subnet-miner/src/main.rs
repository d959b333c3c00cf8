//! `subnet-miner`: parses, runs one command, and ends with an exit code: 0 done, 2 wrong usage, 3 not registered, 1 else.

use std::process::ExitCode;

use chain_client::cli::program;
use clap::Parser;
use subnet_miner::cli::Cli;
use subnet_miner::command;

fn main() -> ExitCode {
    program::run(command::run(Cli::parse(), &mut std::io::stdout()))
}

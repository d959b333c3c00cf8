//! `subnet-validator`: parses, runs one command, and ends with an exit code: 0 done, 2 wrong usage, 3 not registered,
//! 4 an audit that disagrees, 1 else.

use std::process::ExitCode;

use chain_client::cli::program;
use clap::Parser;
use subnet_validator::cli::Cli;
use subnet_validator::command;

fn main() -> ExitCode {
    program::run(command::run(Cli::parse(), &mut std::io::stdout()))
}

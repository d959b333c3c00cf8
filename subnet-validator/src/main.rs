//! `subnet-validator`: parses, runs one command, and ends with an exit code: 0 done, 2 wrong usage, 3 not registered,
//! 4 an audit that disagrees, 1 else.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use subnet_validator::cli::Cli;
use subnet_validator::command::{self, CommandError};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if standard error is gone.
            let _ = report(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<(), CommandError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CommandError::Threads)?;
    runtime.block_on(command::run(cli, &mut std::io::stdout()))
}

fn report(error: &CommandError) -> std::io::Result<()> {
    let mut err = std::io::stderr().lock();
    writeln!(err, "error: {error}")?;
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        writeln!(err, "  because: {cause}")?;
        source = cause.source();
    }
    match error.next_step() {
        Some(step) => writeln!(err, "next: {step}"),
        None => Ok(()),
    }
}

//! A program's run: one command, and for its error the words and the exit code.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

/// An error that ends a program.
pub trait Failure: Error {
    /// The program has no threads.
    fn threads(error: io::Error) -> Self;
    /// The exit code: 1 where nothing else says more.
    fn exit_code(&self) -> u8;
    /// What the operator does next, where something can be done.
    fn next_step(&self) -> Option<String>;
}

/// Runs a command to its end on threads of its own.
pub fn run<E: Failure>(command: impl Future<Output = Result<(), E>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(E::threads);
    match runtime.and_then(|runtime| runtime.block_on(command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if standard error is gone.
            let _ = report(&error, &mut io::stderr().lock());
            ExitCode::from(error.exit_code())
        }
    }
}

fn report(error: &impl Failure, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "error: {error}")?;
    let mut source = error.source();
    while let Some(cause) = source {
        writeln!(out, "  because: {cause}")?;
        source = cause.source();
    }
    match error.next_step() {
        Some(step) => writeln!(out, "next: {step}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, report};
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot start")]
    struct Stopped(#[source] io::Error);

    impl Failure for Stopped {
        fn threads(error: io::Error) -> Self {
            Self(error)
        }
        fn exit_code(&self) -> u8 {
            1
        }
        fn next_step(&self) -> Option<String> {
            Some("start it again".to_owned())
        }
    }

    #[test]
    fn an_error_is_told_with_its_causes_and_what_to_do_next() {
        let mut told = Vec::new();
        report(&Stopped(io::Error::other("no threads")), &mut told).unwrap();
        assert_eq!(
            String::from_utf8(told).unwrap(),
            "error: cannot start\n  because: no threads\nnext: start it again\n"
        );
    }
}

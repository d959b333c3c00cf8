//! Logs go to standard error; standard output is for what a command was asked to print.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// The log level is not in tracing's filter language.
#[derive(Debug, thiserror::Error)]
#[error("`{level}` is no log level")]
pub struct BadLevel {
    level: String,
    #[source]
    source: tracing_subscriber::filter::ParseError,
}

/// Starts logging. Done once per process; a second call changes nothing.
pub fn start(level: &str, json: bool) -> Result<(), BadLevel> {
    let filter = EnvFilter::try_new(level).map_err(|source| BadLevel { level: level.to_owned(), source })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Colours are for people: a log file gets none.
    let builder = builder.with_ansi(std::io::stderr().is_terminal());
    // Fails only when another subscriber is set already, as in tests that start several validators.
    let _ = if json { builder.json().try_init() } else { builder.try_init() };
    Ok(())
}

//! Logs and traces of both programs. Logs go to standard error; standard output is for what a command was asked to print. Traces go
//! to an OTLP collector, if one is named: a span for each request, under the same trace at user, validator and miner.
//!
//! The collector never slows a node down: spans wait in a queue with a limit, and what does not fit is dropped.

pub mod traces;

use std::io::IsTerminal;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use self::traces::{TelemetryConfig, Traces, TracesError};

/// Why nothing can be logged as it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The log level is not in tracing's filter language.
    #[error("`{level}` is no log level")]
    Level {
        /// What was given.
        level: String,
        /// Why not.
        #[source]
        source: ParseError,
    },
    /// No traces can be sent.
    #[error("cannot send traces to `{endpoint}`")]
    Traces {
        /// Where to.
        endpoint: String,
        /// Why not.
        #[source]
        source: TracesError,
    },
}

impl LoggingError {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Level { .. } => "use error, warn, info, debug or trace",
            Self::Traces { .. } => "name a collector by http://ADDRESS:PORT, without a path",
        }
    }
}

/// What is logged, and how.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The program, as traces name it.
    pub program: &'static str,
    /// error, warn, info, debug, trace, or tracing's filter language.
    pub level: &'a str,
    /// JSON lines instead of text.
    pub json: bool,
    /// Where traces go.
    pub telemetry: &'a TelemetryConfig,
}

/// The process's log. [`shutdown`](Self::shutdown) sends the spans that are still waiting; without it they are lost.
#[derive(Debug)]
pub struct Logging {
    filter: reload::Handle<EnvFilter, Registry>,
    traces: Option<Traces>,
}

/// Starts logging; needs a tokio runtime where traces are sent. Done once per process: a second call changes nothing.
pub fn start(wanted: Wanted<'_>) -> Result<Logging, LoggingError> {
    let Wanted { program, level, json, telemetry } = wanted;
    let (filter, handle) = reload::Layer::new(parse(level)?);
    let traces = Traces::start(program, telemetry)
        .map_err(|source| LoggingError::Traces { endpoint: telemetry.otlp_endpoint.clone(), source })?;
    // Colours are for people: a log file gets none.
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let lines = if json { lines.json().boxed() } else { lines.boxed() };
    let spans = traces.as_ref().map(Traces::layer);
    // Fails only when another subscriber is set already, as in tests that start several nodes.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).with(spans).try_init();
    Ok(Logging { filter: handle, traces })
}

impl Logging {
    /// Logs at another level from now on; stays at the one in force, and says so, if this is none. What is sent to the collector does
    /// not depend on it.
    pub fn reload(&self, level: &str) {
        match parse(level) {
            Ok(filter) => {
                // Said under whichever of the two levels lets it be heard.
                let heard = tracing::enabled!(tracing::Level::INFO);
                if heard {
                    tracing::info!(level, "the log level is read again");
                }
                // Fails only when the subscriber is gone, which is when nothing logs.
                let _ = self.filter.reload(filter);
                if !heard {
                    tracing::info!(level, "the log level is read again");
                }
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the log level stays as it was");
            }
        }
    }

    /// Sends what is waiting, for no longer than one export may take.
    pub async fn shutdown(self) {
        if let Some(traces) = self.traces {
            traces.shutdown().await;
        }
    }
}

fn parse(level: &str) -> Result<EnvFilter, LoggingError> {
    EnvFilter::try_new(level).map_err(|source| LoggingError::Level { level: level.to_owned(), source })
}

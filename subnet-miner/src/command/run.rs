//! `run`: serve until told to stop; SIGHUP reads the configuration again.

use chain_client::cli::logging::Logging;
use tokio::signal::unix::{SignalKind, signal};

use super::CommandError;
use crate::config::Config;
use crate::miner::Miner;

pub(super) async fn run(
    config: Config,
    logging: Logging,
    configured: impl Fn() -> Result<Config, CommandError>,
) -> Result<(), CommandError> {
    // Set up before the miner, so that a signal during the start is not lost.
    let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::Signal)?;
    // Caught too: an uncaught one would end the process.
    let mut hangup = signal(SignalKind::hangup()).map_err(CommandError::Signal)?;
    let miner = tokio::select! {
        started = Miner::bind(config) => started.map_err(CommandError::Start)?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => match configured() {
                Ok(new) => {
                    miner.reload(&new);
                    logging.reload(&new.log_level);
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "the configuration cannot be read again; what is in force stays");
                }
            },
            () = miner.join() => break,
        }
    }
    tracing::info!("stopping; a second signal ends the miner at once");
    tokio::select! {
        () = miner.shutdown() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    logging.shutdown().await;
    Ok(())
}

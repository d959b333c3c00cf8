//! `run`: serve until told to stop.

use tokio::signal::unix::{SignalKind, signal};

use super::CommandError;
use crate::config::Config;
use crate::miner::Miner;

pub(super) async fn run(config: Config) -> Result<(), CommandError> {
    // Set up before the miner, so that a signal during the start is not lost.
    let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::Signal)?;
    let miner = tokio::select! {
        started = Miner::bind(config) => started.map_err(CommandError::Start)?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = miner.join() => {}
    }
    tracing::info!("stopping; a second signal ends the miner at once");
    tokio::select! {
        () = miner.shutdown() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

//! `run`: serve until interrupted; SIGHUP reads the configuration again.

use chain_client::cli::logging::Logging;
use chain_client::command::CommandError as SharedError;
use chain_client::wallet;
use tokio::signal::unix::{SignalKind, signal};

use super::{CommandError, Place};
use crate::config::Config;
use crate::validator::{StartError, Validator, ValidatorConfig};

pub(super) async fn run(
    place: Place,
    logging: Logging,
    configured: impl Fn() -> Result<Config, CommandError>,
) -> Result<(), CommandError> {
    if !place.config.allow_coldkey_present {
        wallet::refuse_open_coldkey(&place.site.wallet).map_err(SharedError::Wallet)?;
    }
    let hotkey = place.site.hotkey()?;
    let listed = place.listed()?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(CommandError::Signal)?;
    let mut terminated = signal(SignalKind::terminate()).map_err(CommandError::Signal)?;
    // Caught from the start on: an uncaught one would end the process.
    let mut hung_up = signal(SignalKind::hangup()).map_err(CommandError::Signal)?;
    let account = hotkey.public();
    let config = ValidatorConfig {
        state_dir: place.state(&account),
        endpoints: place.site.endpoints()?,
        settings: place.config.clone(),
        hotkey,
        listed,
    };
    // On the heap: what binding keeps across its waits is larger than a thread's stack should carry.
    let started = tokio::select! {
        started = Box::pin(Validator::bind(config)) => started,
        _ = interrupted.recv() => return Ok(()),
        _ = terminated.recv() => return Ok(()),
    };
    let mut validator = started.map_err(|error| match error {
        StartError::NotRegistered { netuid } => {
            SharedError::NotRegistered { hotkey: account, netuid, register: place.site.register_command() }
                .into()
        }
        error => CommandError::Start(error),
    })?;
    loop {
        tokio::select! {
            _ = interrupted.recv() => break,
            _ = terminated.recv() => break,
            _ = hung_up.recv() => match configured() {
                Ok(new) => {
                    let level = new.log_level.clone();
                    validator.reload(new);
                    logging.reload(&level);
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "the configuration cannot be read again; what is in force stays");
                }
            },
            part = validator.join() => {
                validator.shutdown().await;
                return Err(CommandError::Ended { part });
            }
        }
    }
    tracing::info!("stopping; a second signal ends the validator at once");
    tokio::select! {
        () = validator.shutdown() => {}
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    logging.shutdown().await;
    Ok(())
}

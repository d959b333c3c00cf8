//! `run`: serve until interrupted.

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use super::{CommandError, Place};
use crate::catalogue;
use crate::validator::{StartError, Validator, ValidatorConfig};

pub(super) async fn run(place: Place) -> Result<(), CommandError> {
    let hotkey = place.hotkey()?;
    let catalogue = match place.config.catalogue.as_str() {
        "" => catalogue::built_in(),
        path => catalogue::load(Path::new(path)).map_err(CommandError::Catalogue)?,
    };
    let mut interrupted = signal(SignalKind::interrupt()).map_err(CommandError::Signal)?;
    let mut terminated = signal(SignalKind::terminate()).map_err(CommandError::Signal)?;
    let config = ValidatorConfig {
        state_dir: place.state(&hotkey.public()),
        endpoints: place.endpoints()?,
        settings: place.config.clone(),
        hotkey,
        catalogue,
    };
    let mut validator = Validator::bind(config).await.map_err(|error| match error {
        StartError::NotRegistered { netuid } => {
            CommandError::NotRegistered { netuid, register: place.register_command() }
        }
        error => CommandError::Start(error),
    })?;
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
        part = validator.join() => {
            validator.shutdown().await;
            return Err(CommandError::Ended { part });
        }
    }
    tracing::info!("stopping");
    validator.shutdown().await;
    Ok(())
}

//! `run`: serve until interrupted.

use std::path::Path;

use chain_client::command::CommandError as SharedError;
use chain_client::wallet;
use tokio::signal::unix::{SignalKind, signal};

use super::{CommandError, Place};
use crate::catalogue;
use crate::validator::{StartError, Validator, ValidatorConfig};

pub(super) async fn run(place: Place) -> Result<(), CommandError> {
    if !place.config.allow_coldkey_present {
        wallet::refuse_open_coldkey(&place.site.wallet).map_err(SharedError::Wallet)?;
    }
    let hotkey = place.site.hotkey()?;
    let listed = match place.config.catalogue.as_str() {
        "" => catalogue::built_in(),
        path => catalogue::load(Path::new(path)).map_err(CommandError::Catalogue)?,
    };
    let mut interrupted = signal(SignalKind::interrupt()).map_err(CommandError::Signal)?;
    let mut terminated = signal(SignalKind::terminate()).map_err(CommandError::Signal)?;
    let account = hotkey.public();
    let config = ValidatorConfig {
        state_dir: place.state(&account),
        endpoints: place.site.endpoints()?,
        settings: place.config.clone(),
        hotkey,
        listed,
    };
    let mut validator = Validator::bind(config).await.map_err(|error| match error {
        StartError::NotRegistered { netuid } => {
            SharedError::NotRegistered { hotkey: account, netuid, register: place.site.register_command() }
                .into()
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

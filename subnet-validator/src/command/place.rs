//! Where things are: wallets, the state folder, the chain. The only reader of the home folder and of the environment besides clap.

use std::path::{Path, PathBuf};

use chain_client::cli::ChainFlags;
use chain_client::command::Site;
use chain_client::wallet::WalletPath;
use protocol::account::AccountId;

use super::CommandError;
use crate::catalogue::{self, Listed};
use crate::config::Config;

/// The configuration with what it stands for on this machine.
pub(super) struct Place {
    pub(super) config: Config,
    pub(super) site: Site,
}

impl Place {
    pub(super) fn new(config: Config, flags: ChainFlags) -> Self {
        let ChainFlags { local_endpoint, fallback_endpoints, wallet_password_file, .. } = flags;
        let Config { network, netuid, wallet, wallet_hotkey, wallet_path, chain_timeout_ms, .. } = &config;
        let site = Site {
            program: "subnet-validator",
            network: network.clone(),
            local_endpoint,
            fallback_endpoints,
            netuid: *netuid,
            wallet: WalletPath::new(at_home(wallet_path), wallet, wallet_hotkey),
            password_file: wallet_password_file,
            request_timeout_ms: *chain_timeout_ms,
        };
        Self { config, site }
    }

    /// The models users may ask for.
    pub(super) fn listed(&self) -> Result<Listed, CommandError> {
        match self.config.catalogue.as_str() {
            "" => Ok(catalogue::built_in()),
            path => catalogue::load(Path::new(path)).map_err(CommandError::Catalogue),
        }
    }

    /// The state folder of this hotkey on this subnet.
    pub(super) fn state(&self, hotkey: &AccountId) -> PathBuf {
        if !self.config.state_path.is_empty() {
            return at_home(&self.config.state_path);
        }
        let base = std::env::var_os("XDG_STATE_HOME").filter(|path| !path.is_empty());
        let base = base.map_or_else(|| at_home("~/.local/state"), PathBuf::from);
        base.join("subnet-validator").join(format!("{}-{hotkey}", self.config.netuid))
    }
}

fn at_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

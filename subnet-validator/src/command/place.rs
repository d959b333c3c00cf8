//! Where things are: wallets, the state folder, the chain. The only reader of the home folder and of the environment besides clap.

use std::path::PathBuf;

use chain_client::wallet::{self, Role, WalletPath};
use chain_client::{ChainClient, ConnectConfig, network};
use protocol::account::AccountId;
use protocol::signing::Keypair;

use super::CommandError;
use crate::config::Config;

/// The configuration with what it stands for on this machine.
pub(super) struct Place {
    pub(super) config: Config,
    pub(super) local_endpoint: Option<String>,
}

impl Place {
    pub(super) fn wallet(&self) -> WalletPath {
        let Config { wallet, wallet_hotkey, wallet_path, .. } = &self.config;
        WalletPath::new(at_home(wallet_path), wallet, wallet_hotkey)
    }

    pub(super) fn hotkey(&self) -> Result<Keypair, CommandError> {
        wallet::load_hotkey(&self.wallet()).map_err(CommandError::Wallet)
    }

    /// The hotkey's account, from its public file where there is one.
    pub(super) fn hotkey_account(&self) -> Result<AccountId, CommandError> {
        match wallet::load_public(&self.wallet(), Role::Hotkey) {
            Ok(account) => Ok(account),
            Err(_) => Ok(self.hotkey()?.public()),
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

    pub(super) fn endpoints(&self) -> Result<Vec<String>, CommandError> {
        network::resolve_with_local(&self.config.network, self.local_endpoint.as_deref())
            .map_err(CommandError::Network)
    }

    pub(super) async fn connect(&self) -> Result<ChainClient, CommandError> {
        let config = ConnectConfig {
            request_timeout_ms: self.config.chain_timeout_ms,
            ..ConnectConfig::new(self.endpoints()?)
        };
        ChainClient::connect(config).await.map_err(CommandError::Connect)
    }

    /// The command that registers this hotkey, to be pasted into a shell.
    pub(super) fn register_command(&self) -> String {
        let Config { netuid, network, wallet, wallet_hotkey, wallet_path, .. } = &self.config;
        format!(
            "subnet-validator register --netuid {netuid} --network {network} --wallet {wallet} \
             --wallet-hotkey {wallet_hotkey} --wallet-path {wallet_path}"
        )
    }
}

fn at_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

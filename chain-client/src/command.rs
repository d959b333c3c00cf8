//! The `chain` and `wallet` commands that miner and validator share, one file each. Results go to the given output, everything
//! else to standard error.

use std::io::Write;
use std::path::PathBuf;

use protocol::AccountId;
use protocol::signing::Keypair;
use serde_json::Value;

use crate::cli::{ChainCommand, Waiting, WalletCommand};
use crate::network::{self, Selection};
use crate::wallet::{self, Passwords, Role, WalletError, WalletPath};
use crate::{ChainClient, ConnectConfig, QueryError};

mod axon;
mod confirm;
mod error;
mod hyperparameters;
mod keys;
mod metagraph;
mod register;
mod stake;
mod status;
mod table;
mod weights;

pub use confirm::confirm;
pub use error::CommandError;
pub use register::register;

/// Where a command works: the chain, the subnet, the keys.
#[derive(Debug, Clone)]
pub struct Site {
    /// The program's name, for commands that are shown to be pasted into a shell.
    pub program: &'static str,
    /// A network's name or URLs; see [`network::resolve`].
    pub network: String,
    /// What the network `local` stands for.
    pub local_endpoint: Option<String>,
    /// Endpoints to use when the network's own does not answer; see [`network::Selection`].
    pub fallback_endpoints: Option<String>,
    /// The subnet.
    pub netuid: u16,
    /// The keys.
    pub wallet: WalletPath,
    /// The file with the coldkey's password.
    pub password_file: Option<PathBuf>,
    /// How long one request to the chain may take, in milliseconds.
    pub request_timeout_ms: u64,
}

impl Site {
    /// The endpoints of the network, in the order in which they are tried.
    pub fn endpoints(&self) -> Result<Vec<String>, CommandError> {
        let Self { network, local_endpoint, fallback_endpoints, .. } = self;
        let (local, fallbacks) = (local_endpoint.as_deref(), fallback_endpoints.as_deref());
        network::endpoints(Selection { network, local, fallbacks }).map_err(CommandError::Network)
    }

    /// Connects to the network.
    pub async fn connect(&self) -> Result<ChainClient, CommandError> {
        let config = ConnectConfig {
            request_timeout_ms: self.request_timeout_ms,
            ..ConnectConfig::new(self.endpoints()?)
        };
        ChainClient::connect(config).await.map_err(CommandError::Connect)
    }

    /// Connects to submit something for a person: it is waited for as long as the flags say, and standard error tells how far
    /// it is.
    async fn connect_to_submit(&self, waiting: Waiting) -> Result<ChainClient, CommandError> {
        let client = self.connect().await?.with_submit_timeout(waiting.limit());
        // Nobody is left to tell if standard error is gone.
        Ok(client.telling(|progress| drop(tell(&progress.to_string()))))
    }

    /// The hotkey.
    pub fn hotkey(&self) -> Result<Keypair, CommandError> {
        wallet::load_hotkey(&self.wallet).map_err(CommandError::Wallet)
    }

    /// The coldkey, unlocked with its password if it has one.
    pub fn coldkey(&self) -> Result<Keypair, CommandError> {
        let passwords = Passwords::of_process(self.password_file.clone());
        wallet::unlock(&self.wallet, Role::Coldkey, &passwords).map_err(CommandError::Wallet)
    }

    /// The hotkey's account, from its public file if there is one.
    pub fn hotkey_account(&self) -> Result<AccountId, CommandError> {
        self.account(Role::Hotkey).map_err(CommandError::Wallet)
    }

    /// The coldkey's account, from its public file if there is one.
    pub fn coldkey_account(&self) -> Result<AccountId, CommandError> {
        self.account(Role::Coldkey).map_err(CommandError::Wallet)
    }

    fn account(&self, role: Role) -> Result<AccountId, WalletError> {
        wallet::load_public(&self.wallet, role).or_else(|_| match role {
            Role::Hotkey => wallet::load_hotkey(&self.wallet).map(|key| key.public()),
            Role::Coldkey => wallet::load_coldkey(&self.wallet).map(|key| key.public()),
        })
    }

    /// The command that registers this hotkey, to be pasted into a shell.
    pub fn register_command(&self) -> String {
        let WalletPath { root, wallet, hotkey } = &self.wallet;
        format!(
            "{} register --network {} --netuid {} --wallet {wallet} --wallet-hotkey {hotkey} --wallet-path {}",
            self.program,
            self.network,
            self.netuid,
            root.display()
        )
    }

    /// That this hotkey has no uid, with the command that gets one.
    pub fn not_registered(&self, hotkey: AccountId) -> CommandError {
        CommandError::NotRegistered { hotkey, netuid: self.netuid, register: self.register_command() }
    }
}

/// Runs a `chain` command.
pub async fn chain(
    site: &Site,
    command: &ChainCommand,
    out: &mut (impl Write + Send),
) -> Result<(), CommandError> {
    // Each on the heap: together their states would fill a thread's stack.
    match command {
        ChainCommand::Status(output) => Box::pin(status::run(site, *output, out)).await,
        ChainCommand::Metagraph(output) => Box::pin(metagraph::run(site, *output, out)).await,
        ChainCommand::Hyperparameters(output) => Box::pin(hyperparameters::run(site, *output, out)).await,
        ChainCommand::Register(flags) => Box::pin(register(site, flags, out)).await,
        ChainCommand::Axon(flags) => Box::pin(axon::run(site, flags, out)).await,
        ChainCommand::Weights(flags) => Box::pin(weights::run(site, flags, out)).await,
        ChainCommand::Stake(flags) => Box::pin(stake::run(site, flags, out)).await,
    }
}

/// Runs a `wallet` command.
pub fn wallet(site: &Site, command: &WalletCommand, out: &mut impl Write) -> Result<(), CommandError> {
    match command {
        WalletCommand::New(flags) => keys::new(site, flags, out),
        WalletCommand::Show(output) => keys::show(site, *output, out),
        WalletCommand::Sign(flags) => keys::sign(site, flags, out),
        WalletCommand::Verify(flags) => keys::verify(site, flags, out),
    }
}

/// One JSON object on one line.
fn print_json(out: &mut impl Write, value: &Value) -> Result<(), CommandError> {
    writeln!(out, "{value}").map_err(CommandError::Output)
}

/// Lines of text.
fn print_lines(out: &mut impl Write, lines: &[String]) -> Result<(), CommandError> {
    lines.iter().try_for_each(|line| writeln!(out, "{line}")).map_err(CommandError::Output)
}

/// Tells of a failure that passes by itself, for who waits; any other ends the wait.
fn pass_over(error: QueryError) -> Result<(), CommandError> {
    if !error.is_passing() {
        return Err(CommandError::Chain(error));
    }
    tell(&format!("still waiting: {error}"))
}

/// A line for people beside the result.
fn tell(text: &str) -> Result<(), CommandError> {
    writeln!(std::io::stderr(), "{text}").map_err(CommandError::Output)
}

#[cfg(test)]
mod tests;

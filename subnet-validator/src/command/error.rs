//! How a command fails, with its exit code and the operator's next step.

use chain_client::wallet::WalletError;
use chain_client::{ConnectError, QueryError, SubmitError, network};

use crate::catalogue;
use crate::config::ConfigError;
use crate::ledger::{OpenError, ReadError};
use crate::logging::BadLevel;
use crate::validator::StartError;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The configuration file.
    #[error(transparent)]
    Config(ConfigError),
    /// The configuration in force cannot be shown.
    #[error("cannot write the configuration as TOML")]
    ShowConfig(#[source] toml::ser::Error),
    /// The log level.
    #[error(transparent)]
    LogLevel(BadLevel),
    /// The catalogue.
    #[error(transparent)]
    Catalogue(catalogue::LoadError),
    /// The process has no threads.
    #[error("cannot start the program's threads")]
    Threads(#[source] std::io::Error),
    /// The validator.
    #[error(transparent)]
    Start(StartError),
    /// The hotkey is not registered.
    #[error("the hotkey is not registered on subnet {netuid}")]
    NotRegistered {
        /// The subnet.
        netuid: u16,
        /// The command that registers it.
        register: String,
    },
    /// Signals cannot be received.
    #[error("cannot wait for the signal to stop")]
    Signal(#[source] std::io::Error),
    /// A part of the validator ended by itself.
    #[error("the validator stopped by itself: {part} has ended")]
    Ended {
        /// Which part.
        part: &'static str,
    },
    /// Keys.
    #[error("cannot use the wallet")]
    Wallet(#[source] WalletError),
    /// The network's name.
    #[error(transparent)]
    Network(network::UnknownNetwork),
    /// Connecting to the chain.
    #[error("cannot connect to the chain")]
    Connect(#[source] ConnectError),
    /// Reading the chain.
    #[error("cannot read the subnet from the chain")]
    Chain(#[source] QueryError),
    /// Nobody agreed.
    #[error("nothing was done: {reason}")]
    NotConfirmed {
        /// Why not.
        reason: &'static str,
    },
    /// A transaction failed.
    #[error("the transaction failed")]
    Submit(#[source] SubmitError),
    /// The file of API keys.
    #[error("cannot use the file of API keys")]
    Keys(#[source] std::io::Error),
    /// No such key.
    #[error("there is no valid key with the id {id}")]
    NoSuchKey {
        /// What was given.
        id: String,
    },
    /// Opening the ledger.
    #[error(transparent)]
    OpenLedger(OpenError),
    /// Reading the ledger.
    #[error("the ledger does not hold")]
    ReadLedger(#[source] ReadError),
    /// Standard output is gone.
    #[error("cannot write the result")]
    Output(#[source] std::io::Error),
}

impl CommandError {
    /// 2 for wrong usage, 3 for a hotkey that is not registered, 1 otherwise.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::LogLevel(_) | Self::Network(_) | Self::Catalogue(_) => 2,
            Self::NotRegistered { .. } => 3,
            _ => 1,
        }
    }

    /// What the operator does next, where something can be done.
    #[must_use]
    pub fn next_step(&self) -> Option<String> {
        let step = match self {
            Self::Config(_) => "compare with `subnet-validator config --print-default`",
            Self::LogLevel(_) => "use error, warn, info, debug or trace",
            Self::NotRegistered { register, .. } => return Some(format!("run `{register}`")),
            Self::Start(error) => error.hint()?,
            Self::Wallet(error) => error.hint(),
            Self::Connect(error) => error.hint(),
            Self::Chain(error) => error.hint(),
            Self::Submit(error) => error.hint(),
            Self::NotConfirmed { .. } => "run it again with -y, or with --dry-run to change nothing",
            Self::NoSuchKey { .. } => "see `subnet-validator keys list`",
            Self::OpenLedger(_) => "check --wallet, --wallet-hotkey, --netuid and --state",
            Self::ReadLedger(_) => "keep a copy of the folder, then restore a backup",
            _ => return None,
        };
        Some(step.to_owned())
    }
}

//! How a command fails, with its exit code and the operator's next step.

use chain_client::wallet::WalletError;
use chain_client::{QueryError, SubmitError};

use crate::config::ConfigError;
use crate::logging::BadLevel;
use crate::miner::{NO_KEY, StartError};
use crate::receipts::{DatabaseError, OpenError};
use crate::registration::Obstacle;

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
    /// The process has no threads.
    #[error("cannot start the program's threads")]
    Threads(#[source] std::io::Error),
    /// The miner.
    #[error(transparent)]
    Start(StartError),
    /// Signals cannot be received.
    #[error("cannot wait for the signal to stop")]
    Signal(#[source] std::io::Error),
    /// Keys.
    #[error("cannot use the wallet")]
    Wallet(#[source] WalletError),
    /// Reading the chain.
    #[error("cannot read the subnet from the chain")]
    Chain(#[source] QueryError),
    /// Registering would fail.
    #[error(transparent)]
    Obstacle(Obstacle),
    /// Nobody agreed to the price.
    #[error("nothing was burned: {reason}")]
    NotConfirmed {
        /// Why not.
        reason: &'static str,
    },
    /// Registering failed.
    #[error("the registration failed")]
    Submit(#[source] SubmitError),
    /// Reading receipts.
    #[error(transparent)]
    OpenReceipts(OpenError),
    /// Reading receipts.
    #[error("cannot read the receipts")]
    ReadReceipts(#[source] DatabaseError),
    /// Standard output is gone.
    #[error("cannot write the result")]
    Output(#[source] std::io::Error),
}

impl CommandError {
    /// 2 for wrong usage, 3 for a hotkey without a uid, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::LogLevel(_) => 2,
            Self::Start(error) => error.exit_code(),
            _ => 1,
        }
    }

    /// What the operator does next, where something can be done.
    pub fn next_step(&self) -> Option<String> {
        Some(match self {
            Self::Config(_) => "compare with `subnet-miner config --print-default`".to_owned(),
            Self::LogLevel(_) => "use error, warn, info, debug or trace".to_owned(),
            Self::Start(error) => return Some(error.next_step()),
            Self::Wallet(WalletError::NotFound { .. }) => NO_KEY.to_owned(),
            Self::Wallet(error) => error.hint().to_owned(),
            Self::Chain(error) => error.hint().to_owned(),
            Self::Submit(error) => error.hint().to_owned(),
            Self::Obstacle(Obstacle::Closed) => "ask the subnet's owner when registrations open".to_owned(),
            Self::Obstacle(Obstacle::Balance { .. }) => {
                "send TAO to the coldkey, then run this again".to_owned()
            }
            Self::Obstacle(Obstacle::Price { .. }) => {
                "wait until the price has fallen, or raise --burn-max-rao".to_owned()
            }
            Self::NotConfirmed { .. } => {
                "run it again with -y, or with --dry-run to see the price only".to_owned()
            }
            Self::OpenReceipts(_) => {
                "check --wallet, --wallet-hotkey and --state; a miner that never served has no receipts"
                    .to_owned()
            }
            _ => return None,
        })
    }
}

//! How a command fails, with its exit code and the operator's next step.

use std::path::PathBuf;

use chain_client::cli::logging::LoggingError;
use chain_client::cli::program::Failure;
use chain_client::command::CommandError as SharedError;

use super::receipts::ProofError;
use crate::config::ConfigError;
use crate::miner::StartError;
use crate::receipts::{DatabaseError, OpenError};
use crate::simulate::TraceError;
use crate::top::TopError;

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
    /// `run` would not start with this configuration.
    #[error("the configuration cannot be used")]
    Check(#[source] Box<StartError>),
    /// The log, or the traces.
    #[error(transparent)]
    Logging(LoggingError),
    /// The process has no threads.
    #[error("cannot start the program's threads")]
    Threads(#[source] std::io::Error),
    /// The miner.
    #[error(transparent)]
    Start(StartError),
    /// Signals cannot be received.
    #[error("cannot wait for the signal to stop")]
    Signal(#[source] std::io::Error),
    /// The chain and the keys.
    #[error(transparent)]
    Shared(#[from] SharedError),
    /// Reading receipts.
    #[error(transparent)]
    OpenReceipts(OpenError),
    /// Reading receipts.
    #[error("cannot read the receipts")]
    ReadReceipts(#[source] DatabaseError),
    /// A trace.
    #[error(transparent)]
    Trace(TraceError),
    /// Something that a miner needs is not as it should be.
    #[error("{failed} checks failed")]
    Doctor {
        /// How many.
        failed: usize,
    },
    /// The terminal view.
    #[error(transparent)]
    Top(TopError),
    /// A picture.
    #[error("cannot write the picture {}", path.display())]
    Plot {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// What receipts prove.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// Standard output is gone.
    #[error("cannot write the result")]
    Output(#[source] std::io::Error),
}

impl CommandError {
    /// 2 for wrong usage, 3 for a hotkey without a uid, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Logging(_) | Self::Trace(_) => 2,
            Self::Start(error) => error.exit_code(),
            Self::Shared(error) => error.exit_code(),
            _ => 1,
        }
    }

    /// What the operator does next, where something can be done.
    pub fn next_step(&self) -> Option<String> {
        Some(match self {
            Self::Config(_) => "compare with `subnet-miner config --print-default`".to_owned(),
            Self::Logging(error) => error.hint().to_owned(),
            Self::Start(error) => return error.next_step(),
            Self::Check(error) => return error.next_step(),
            Self::Shared(error) => return error.next_step(),
            Self::Top(TopError::Fetch { .. }) => {
                "start the miner, or pass --url with the address of its operations.bind".to_owned()
            }
            Self::OpenReceipts(_) => {
                "check --wallet, --wallet-hotkey and --state; a miner that never served has no receipts"
                    .to_owned()
            }
            _ => return None,
        })
    }
}

impl Failure for CommandError {
    fn threads(error: std::io::Error) -> Self {
        Self::Threads(error)
    }

    fn exit_code(&self) -> u8 {
        self.exit_code()
    }

    fn next_step(&self) -> Option<String> {
        self.next_step()
    }
}

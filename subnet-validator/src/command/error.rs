//! How a command fails, with its exit code and the operator's next step.

use chain_client::cli::logging::LoggingError;
use chain_client::cli::program::Failure;
use chain_client::command::CommandError as SharedError;

use super::receipts::ProofError;
use crate::audit::disputes::PaperError;
use crate::audit::export::ExportError;
use crate::audit::fetch::FetchError;
use crate::audit::recheck::RecheckError;
use crate::audit::review::ReviewError;
use crate::audit::store::StoreError;
use crate::catalogue;
use crate::config::ConfigError;
use crate::ledger::retention::PruneError;
use crate::ledger::{CopyError, OpenError, ReadError};
use crate::tls::TlsError;
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
    /// The log, or the traces.
    #[error(transparent)]
    Logging(LoggingError),
    /// The catalogue.
    #[error(transparent)]
    Catalogue(catalogue::LoadError),
    /// A catalogue to be made.
    #[error(transparent)]
    BuildCatalogue(catalogue::build::BuildError),
    /// The gateway's certificate.
    #[error("cannot serve TLS")]
    Tls(#[source] TlsError),
    /// The process has no threads.
    #[error("cannot start the program's threads")]
    Threads(#[source] std::io::Error),
    /// The validator.
    #[error(transparent)]
    Start(StartError),
    /// Signals cannot be received.
    #[error("cannot wait for the signal to stop")]
    Signal(#[source] std::io::Error),
    /// A part of the validator ended by itself.
    #[error("the validator stopped by itself: {part} has ended")]
    Ended {
        /// Which part.
        part: &'static str,
    },
    /// The chain and the wallet.
    #[error(transparent)]
    Shared(#[from] SharedError),
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
    /// Writing a bundle.
    #[error(transparent)]
    Export(ExportError),
    /// Removing old receipts.
    #[error(transparent)]
    Prune(PruneError),
    /// Object storage.
    #[error("cannot use object storage")]
    Store(#[source] StoreError),
    /// Fetching a bundle.
    #[error("the bundle was not fetched")]
    Fetch(#[source] FetchError),
    /// The bundle is wrong, or cannot be reviewed.
    #[error("the review fails")]
    Review(#[source] Box<ReviewError>),
    /// The chain shows something else than the bundle.
    #[error("the validator did not do what its bundle says: {0}")]
    Disagreed(String),
    /// The bundle is right, and a miner that it pays does not have its weights.
    #[error("a miner that the bundle pays signed something else than its weights; the evidence is in {folder}", folder = folder.display())]
    Caught {
        /// Where.
        folder: std::path::PathBuf,
    },
    /// Bundles that do not go together.
    #[error("{folder} is of another tempo or policy than the bundles before it, or of the same validator", folder = folder.display())]
    Unmergeable {
        /// The one that does not fit.
        folder: std::path::PathBuf,
    },
    /// Papers that cannot be used.
    #[error("the papers prove nothing")]
    Paper(#[source] PaperError),
    /// Evidence that is none, or could not be checked.
    #[error("the evidence was not checked again")]
    Recheck(#[source] Box<RecheckError>),
    /// Evidence could not be written.
    #[error("cannot write evidence into {folder}", folder = folder.display())]
    WriteEvidence {
        /// Where to.
        folder: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Papers that prove nobody guilty.
    #[error("nothing is proven: {0}")]
    NotProven(String),
    /// An inclusion proof that does not hold.
    #[error("the proof does not hold")]
    Proof(#[source] ProofError),
    /// A copy of the ledger was not made or not put back.
    #[error(transparent)]
    Copy(CopyError),
    /// Standard output is gone.
    #[error("cannot write the result")]
    Output(#[source] std::io::Error),
}

impl CommandError {
    /// 2 for wrong usage, 3 for a hotkey that is not registered, 4 for an audit that disagrees, 5 for a miner caught by an audit that
    /// agrees, 1 otherwise.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Logging(_) | Self::Catalogue(_) | Self::Tls(_) => 2,
            Self::Recheck(error) if error.needs_model() => 2,
            Self::Recheck(error) if error.is_about_evidence() => 4,
            Self::Shared(error) => error.exit_code(),
            Self::Review(_) | Self::Disagreed(_) | Self::Paper(_) | Self::NotProven(_) | Self::Proof(_) => 4,
            Self::Caught { .. } => 5,
            _ => 1,
        }
    }

    /// What the operator does next, where something can be done.
    #[must_use]
    pub fn next_step(&self) -> Option<String> {
        let step = match self {
            Self::Config(_) => "compare with `subnet-validator config --print-default`",
            Self::Logging(error) => error.hint(),
            Self::Shared(error) => return error.next_step(),
            Self::Start(error) => error.hint()?,
            Self::NoSuchKey { .. } => "see `subnet-validator keys list`",
            Self::OpenLedger(_) => "check --wallet, --wallet-hotkey, --netuid and --state",
            Self::Fetch(_) => "run it again: it goes on where it broke off",
            Self::Caught { .. } => "check it with `subnet-validator audit recheck`, and publish it",
            Self::ReadLedger(_) => "keep a copy of the folder, then restore a backup",
            _ => return None,
        };
        Some(step.to_owned())
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

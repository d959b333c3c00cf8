//! `receipts ...`: what this miner can prove, from its own store and from files. None of them needs the chain or a running miner.

mod bundle;
mod list;
mod omission;
mod record;

use std::io::Write;
use std::path::PathBuf;

use protocol::dispute::DisputeError;
use protocol::receipt::ReceiptError;
use protocol::replay::ReplayError;

use super::CommandError;
use crate::cli::Receipts;
use crate::config::Config;

/// A file proves nothing, or cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// A file cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is longer than anything of its kind.
    #[error("{} is longer than anything of its kind can be", .0.display())]
    TooLong(PathBuf),
    /// Neither the bytes of a record nor their digits.
    #[error("{} holds no countersigned receipt: neither its bytes nor 0x and their digits", .0.display())]
    NoRecord(PathBuf),
    /// The record is not what it seems.
    #[error("the countersigned receipt does not verify")]
    Record(#[source] ReceiptError),
    /// The validator has not sent this record back.
    #[error(
        "the store has no countersigned copy of call {sequence}; the validator sends copies a few seconds after the calls"
    )]
    NoCopy {
        /// The ticket's sequence number.
        sequence: u64,
    },
    /// A file of the bundle does not decode.
    #[error("{0} of the bundle is damaged or not of the form expected")]
    Bundle(String),
    /// The leaves cannot be read.
    #[error("the bundle's leaves cannot be read")]
    Leaves(#[from] parquet::errors::ParquetError),
    /// The bundle's own log is not as its head says.
    #[error("the bundle is not as its head says, so it proves nothing about the call")]
    Replay(#[from] ReplayError),
    /// The call and the head do not belong together.
    #[error("the bundle's head does not answer for this call")]
    Dispute(#[from] DisputeError),
}

pub(super) fn run(config: &Config, command: &Receipts, out: &mut impl Write) -> Result<(), CommandError> {
    match command {
        Receipts::List { max, validator, output } => list::run(config, *max, *validator, output, out),
        Receipts::Export { validator, sequence, out: file } => {
            record::export(config, validator, *sequence, file, out)
        }
        Receipts::Verify { record, output } => record::verify(record, output, out),
        Receipts::ProveOmission { record, bundle, output } => omission::run(record, bundle, output, out),
    }
}

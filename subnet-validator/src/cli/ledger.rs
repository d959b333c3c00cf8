//! Flags of `ledger` and `receipts`.

use std::path::PathBuf;

use chain_client::cli::Output;
use clap::Subcommand;

/// Commands about the ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Check every signature and recompute the Merkle root. The validator must not be running.
    Verify(Output),
    /// Write a whole and consistent copy of the ledger. The validator may be running.
    Backup {
        /// A new folder for the copy.
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Check a copy and put it where the ledger belongs, which must be empty.
    Restore {
        /// The copy's folder.
        folder: PathBuf,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Remove receipts that are older than so many days and that the newest head's window does not need. Heads, rules and all that
    /// proofs need stay. The validator must not be running; a running one does it by itself with `ledger.retention_days`.
    Prune {
        /// Days that receipts are kept.
        #[arg(long, value_name = "DAYS")]
        older_than_days: u32,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Let the database give back the space that it no longer needs. The validator must not be running.
    Compact(Output),
}

/// Commands about single receipts.
#[derive(Debug, Subcommand)]
pub enum Receipts {
    /// Check that a call is in a log, from the answer of `subnet_v1_receiptProof` in a file. Ends with code 4 if not.
    VerifyProof {
        /// The answer, with or without the JSON-RPC envelope.
        file: PathBuf,
        /// A signed tree head (SCALE) whose size and root the proof must be for.
        #[arg(long, value_name = "FILE")]
        head: Option<PathBuf>,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

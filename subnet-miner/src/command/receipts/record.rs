//! `receipts export` and `receipts verify`: one countersigned record in a file.

use std::io::Write;
use std::path::Path;

use chain_client::cli::Output;
use protocol::account::AccountId;
use protocol::receipt::{COUNTERSIGNED_BYTES_MAX, Countersigned, UncheckedCountersigned};
use serde_json::json;

use super::ProofError;
use crate::command::{CommandError, print_json};
use crate::config::Config;
use crate::receipts::ReceiptReader;

pub(super) fn export(
    config: &Config,
    validator: &AccountId,
    sequence: u64,
    file: &Path,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let hotkey = config.site().hotkey_account()?;
    let reader = ReceiptReader::open(&config.receipts_path(&hotkey)).map_err(CommandError::OpenReceipts)?;
    let copy = reader.countersigned(validator, sequence).map_err(CommandError::ReadReceipts)?;
    let copy = copy.ok_or(ProofError::NoCopy { sequence })?;
    let text = format!("0x{}\n", hex::encode(copy.encode()));
    std::fs::write(file, text).map_err(|source| ProofError::File { path: file.to_owned(), source })?;
    writeln!(out, "wrote {}; check it with `subnet-miner receipts verify {}`", file.display(), file.display())
        .map_err(CommandError::Output)
}

pub(super) fn verify(file: &Path, output: &Output, out: &mut impl Write) -> Result<(), CommandError> {
    let call = read(file)?;
    let (ticket, receipt) = (call.ticket(), call.receipt());
    if output.json {
        let found = json!({
            "valid": true, "counts": call.counts(), "leaf": call.leaf_hash(), "ticket": ticket, "receipt": receipt,
            "observation": call.observation(),
        });
        return print_json(out, &found);
    }
    let counts = if call.counts() { "it counts" } else { "it does not count" };
    writeln!(
        out,
        "good: {} ordered {} of {} under number {}; {}+{} tokens; three signatures hold; {counts}; its leaf is {}",
        ticket.validator,
        ticket.model,
        ticket.miner,
        ticket.sequence,
        receipt.prompt_tokens,
        receipt.completion_tokens,
        call.leaf_hash()
    )
    .map_err(CommandError::Output)
}

/// The record in a file, checked.
pub(super) fn read(file: &Path) -> Result<Countersigned, ProofError> {
    let bytes = super::bundle::read(file, 4 * COUNTERSIGNED_BYTES_MAX as u64)?;
    let text = std::str::from_utf8(&bytes).ok().and_then(|text| text.trim().strip_prefix("0x"));
    let bytes = match text {
        Some(digits) => hex::decode(digits).map_err(|_| ProofError::NoRecord(file.to_owned()))?,
        None => bytes,
    };
    let record =
        UncheckedCountersigned::from_bytes(&bytes).map_err(|_| ProofError::NoRecord(file.to_owned()))?;
    record.verify().map_err(ProofError::Record)
}

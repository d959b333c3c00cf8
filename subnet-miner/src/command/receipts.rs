//! `receipts list`: read the store, also beside a running miner.

use std::io::Write;

use serde_json::json;

use super::{CommandError, print_json};
use crate::cli::Receipts;
use crate::config::Config;
use crate::receipts::ReceiptReader;

pub(super) fn run(config: &Config, command: &Receipts, out: &mut impl Write) -> Result<(), CommandError> {
    let Receipts::List { max, validator, output } = command;
    let hotkey = config.site().hotkey_account()?;
    let reader = ReceiptReader::open(&config.receipts_path(&hotkey)).map_err(CommandError::OpenReceipts)?;
    let receipts = reader.newest(*validator, *max).map_err(CommandError::ReadReceipts)?;
    if output.json {
        return print_json(out, &json!({ "miner": hotkey, "receipts": receipts }));
    }
    for receipt in &receipts {
        let tokens = format!("{}+{} tokens", receipt.prompt_tokens, receipt.completion_tokens);
        let reason = format!("{:?}", receipt.finish_reason).to_lowercase();
        writeln!(
            out,
            "{} #{} {} {tokens} {} ms {reason} {}",
            receipt.validator, receipt.sequence, receipt.model, receipt.total_ms, receipt.receipt_hash
        )
        .map_err(CommandError::Output)?;
    }
    writeln!(out, "{} receipts signed by {hotkey}", receipts.len()).map_err(CommandError::Output)
}

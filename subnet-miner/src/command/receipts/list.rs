//! `receipts list`: read the store, also beside a running miner.

use std::io::Write;

use chain_client::cli::Output;
use protocol::account::AccountId;
use serde_json::json;

use crate::command::{CommandError, print_json};
use crate::config::Config;
use crate::receipts::ReceiptReader;

pub(super) fn run(
    config: &Config,
    max: u64,
    validator: Option<AccountId>,
    output: &Output,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let hotkey = config.site().hotkey_account()?;
    let reader = ReceiptReader::open(&config.receipts_path(&hotkey)).map_err(CommandError::OpenReceipts)?;
    let receipts = reader.newest(validator, max).map_err(CommandError::ReadReceipts)?;
    if output.json {
        return print_json(out, &json!({ "miner": hotkey, "receipts": receipts }));
    }
    for receipt in &receipts {
        let tokens = format!("{}+{} tokens", receipt.prompt_tokens, receipt.completion_tokens);
        let reason = format!("{:?}", receipt.finish_reason).to_lowercase();
        writeln!(
            out,
            "{} #{} {} {tokens} {} ms {reason} {} {}",
            receipt.validator,
            receipt.sequence,
            receipt.model,
            receipt.total_ms,
            receipt.receipt_hash,
            if receipt.countersigned.is_some() { "countersigned" } else { "not countersigned yet" }
        )
        .map_err(CommandError::Output)?;
    }
    writeln!(out, "{} receipts signed by {hotkey}", receipts.len()).map_err(CommandError::Output)
}

//! `ledger`: is everything in it whole and signed? Copies of it, and room.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use chain_client::cli::Output;
use serde_json::json;

use super::{CommandError, Place, print_json, print_lines};
use crate::cli::LedgerCommand;
use crate::clock::Clock;
use crate::ledger::prune::Pruned;
use crate::ledger::{Ledger, LedgerConfig, Owner, Verified, back_up, compact, restore};
use crate::validator;

pub(super) async fn run(
    place: &Place,
    command: &LedgerCommand,
    out: &mut (impl Write + Send),
) -> Result<(), CommandError> {
    let hotkey = place.site.hotkey_account()?;
    let path = place.state(&hotkey).join(validator::LEDGER_DIR);
    let owner = Owner { shard: place.config.shards.own, ..Owner::single(hotkey, place.config.netuid) };
    match command {
        LedgerCommand::Verify(output) => verify(path, owner, *output, out),
        LedgerCommand::Backup { out: folder, output } => {
            let copied = back_up(&path, folder, owner).map_err(CommandError::Copy)?;
            let text =
                format!("{} receipts copied to {}, root {}", copied.size, folder.display(), copied.root);
            show(copied, text, *output, out)
        }
        LedgerCommand::Restore { folder, output } => {
            let copied = restore(folder, &path, owner).map_err(CommandError::Copy)?;
            let text =
                format!("{} receipts put back into {}, root {}", copied.size, path.display(), copied.root);
            show(copied, text, *output, out)
        }
        LedgerCommand::Prune { older_than_days, output } => {
            const DAY_MS: u64 = 86_400_000;
            let ledger = Ledger::open(LedgerConfig::new(path, owner)).map_err(CommandError::OpenLedger)?;
            let age_ms = u64::from(*older_than_days).saturating_mul(DAY_MS);
            let pruned = ledger.prune(Clock::new().now_ms().saturating_sub(age_ms)).await;
            let Pruned { receipts, first } = pruned.map_err(CommandError::Prune)?;
            if output.json {
                return print_json(out, &json!({ "receiptsRemoved": receipts, "firstIndex": first }));
            }
            print_lines(out, &[format!("{receipts} receipts removed, the first that is left is {first}")])
        }
        LedgerCommand::Compact(output) => {
            let (before, after) = compact(&path, owner).map_err(CommandError::Copy)?;
            if output.json {
                return print_json(out, &json!({ "bytesBefore": before, "bytesAfter": after }));
            }
            print_lines(out, &[format!("{before} bytes before, {after} bytes now")])
        }
    }
}

fn show(copied: Verified, text: String, output: Output, out: &mut impl Write) -> Result<(), CommandError> {
    if output.json {
        return print_json(out, &json!({ "receipts": copied.size, "root": copied.root, "verified": true }));
    }
    print_lines(out, &[text])
}

fn verify(path: PathBuf, owner: Owner, output: Output, out: &mut impl Write) -> Result<(), CommandError> {
    let ledger = Ledger::open(LedgerConfig::new(path, owner)).map_err(CommandError::OpenLedger)?;
    let total = ledger.head().size;
    let mut err = std::io::stderr();
    let shows_progress = err.is_terminal();
    let verified = ledger.reader().verify(|done| {
        if shows_progress && (done % 1_000 == 0 || done == total) {
            // A terminal that went away is no reason to stop.
            let _ = write!(err, "\r{done} of {total} receipts");
        }
    });
    if shows_progress {
        let _ = writeln!(err);
    }
    let verified = verified.map_err(CommandError::ReadLedger)?;
    if output.json {
        return print_json(
            out,
            &json!({ "receipts": verified.size, "root": verified.root, "verified": true }),
        );
    }
    print_lines(out, &[format!("{} receipts, all signatures good, root {}", verified.size, verified.root)])
}

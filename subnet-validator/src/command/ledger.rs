//! `ledger verify`: is everything in it whole and signed?

use std::io::{IsTerminal, Write};

use serde_json::json;

use super::{CommandError, Place, print_json, print_lines};
use crate::cli::LedgerCommand;
use crate::ledger::{Ledger, LedgerConfig, Owner};
use crate::validator;

pub(super) fn run(place: &Place, command: &LedgerCommand, out: &mut impl Write) -> Result<(), CommandError> {
    let LedgerCommand::Verify(output) = command;
    let hotkey = place.site.hotkey_account()?;
    let path = place.state(&hotkey).join(validator::LEDGER_DIR);
    let owner = Owner { validator: hotkey, netuid: place.config.netuid };
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

//! `audit export`, `audit fetch` and `audit review`; `audit replay` and `audit dispute` have files of their own.

mod dispute;
mod replay;

use std::io::{IsTerminal, Write};
use std::path::Path;

use chain_client::command::CommandError as SharedError;
use protocol::account::AccountId;
use serde_json::json;

use super::{CommandError, Place, print_json, print_lines};
use crate::audit::chain::{ChainFacts, compare_with};
use crate::audit::export::{Exported, export};
use crate::audit::fetch::{Fetched, fetch};
use crate::audit::review::{ReviewError, Reviewed, review};
use crate::audit::verdict::Verdict;
use crate::audit::verdicts::{KeptVerdict, Verdicts};
use crate::cli::Audit;
use crate::clock::Clock;
use crate::ledger::{Owner, Reader};
use crate::validator;

pub(super) async fn run(
    place: &Place,
    command: Audit,
    out: &mut (impl Write + Send),
) -> Result<(), CommandError> {
    match command {
        Audit::Export { epoch, out: folder, output } => {
            let exported = write_bundle(place, epoch, &folder)?;
            let Exported { epoch_index, head, leaves, bytes } = exported;
            if output.json {
                let folder = folder.display().to_string();
                return print_json(
                    out,
                    &json!({ "epochIndex": epoch_index, "head": head, "leaves": leaves, "bytes": bytes, "folder": folder }),
                );
            }
            let folder = folder.display();
            let line =
                format!("epoch {epoch_index}: {leaves} leaves, {bytes} bytes in {folder}, head {head}");
            print_lines(out, &[line])
        }
        Audit::Fetch { url, epoch, out: folder, output } => {
            let mut bar = Progress::new("fetched", "bytes");
            let fetched = fetch(&url, epoch, &folder, |done, total| bar.show(done, total)).await;
            let Fetched { epoch_index, bytes } = fetched.map_err(CommandError::Fetch)?;
            drop(bar);
            if output.json {
                return print_json(out, &json!({ "epochIndex": epoch_index, "bytes": bytes }));
            }
            let folder = folder.display();
            let next = format!("next: subnet-validator audit review {folder}");
            print_lines(out, &[format!("epoch {epoch_index}: {bytes} bytes in {folder}"), next])
        }
        Audit::Replay(flags) => replay::run(place, flags, out).await,
        Audit::Dispute(flags) => dispute::run(&flags, out),
        Audit::Review { folder, validator, with, offline, output } => {
            let reviewed = check_bundle(&folder, validator.as_ref());
            let reviewed = match reviewed {
                Ok(reviewed) => reviewed,
                Err(error) => {
                    let verdict = Verdict::of_error(&error);
                    keep(place, &verdict);
                    if output.json {
                        print_json(out, &json!(verdict))?;
                    }
                    return Err(CommandError::Review(Box::new(error)));
                }
            };
            let others = with.iter().map(|folder| check_bundle(folder, None)).collect::<Result<Vec<_>, _>>();
            let others = others.map_err(|error| CommandError::Review(Box::new(error)))?;
            let findings =
                if offline { Vec::new() } else { compare_with_chain(place, &reviewed, &others).await? };
            let verdict = Verdict::of_reviewed(&reviewed, (!offline).then_some(&findings));
            keep(place, &verdict);
            if output.json {
                print_json(out, &json!(verdict))?;
            } else {
                print_lines(out, &lines(&reviewed, offline))?;
            }
            match findings.is_empty() {
                true => Ok(()),
                false => Err(CommandError::Disagreed(findings.join("; "))),
            }
        }
    }
}

/// Adds the verdict to those of the validator in whose name it was made, if it has a state folder here: its page shows them. The
/// verdict itself does not depend on it.
fn keep(place: &Place, verdict: &Verdict) {
    let Ok(hotkey) = place.site.hotkey_account() else { return };
    let state = place.state(&hotkey);
    if !state.is_dir() {
        return;
    }
    let kept = KeptVerdict { verdict: verdict.clone(), reviewed_at_ms: Clock::new().now_ms() };
    if let Err(error) = Verdicts::new(&state).append(&kept) {
        tracing::warn!(error = &error as &dyn std::error::Error, "the verdict cannot be kept for the page");
    }
}

fn write_bundle(place: &Place, epoch: Option<u64>, folder: &Path) -> Result<Exported, CommandError> {
    let hotkey = place.site.hotkey()?;
    let path = place.state(&hotkey.public()).join(validator::LEDGER_DIR);
    let owner = Owner { validator: hotkey.public(), netuid: place.config.netuid };
    let reader = Reader::open(&path, owner).map_err(CommandError::OpenLedger)?;
    let mut bar = Progress::new("written", "leaves");
    export(&reader, &hotkey, epoch, folder, |done, total| bar.show(done, total)).map_err(CommandError::Export)
}

fn check_bundle(folder: &Path, validator: Option<&AccountId>) -> Result<Reviewed, ReviewError> {
    let mut bar = Progress::new("checked", "leaves");
    review(folder, validator, |_, (done, total)| bar.show(done, total))
}

async fn compare_with_chain(
    place: &Place,
    reviewed: &Reviewed,
    others: &[Reviewed],
) -> Result<Vec<String>, CommandError> {
    let client = place.site.connect().await?;
    let at = client.finalized().await.map_err(SharedError::Chain)?;
    let facts = ChainFacts::read(&client, reviewed, at).await.map_err(SharedError::Chain)?;
    let findings = compare_with(reviewed, &others.iter().collect::<Vec<_>>(), &facts);
    Ok(findings.iter().map(ToString::to_string).collect())
}

fn lines(reviewed: &Reviewed, offline: bool) -> Vec<String> {
    let Reviewed { head, replayed, .. } = reviewed;
    let mut lines = vec![format!(
        "epoch {} of {}: {} leaves, all signatures good, root, policy, miners and scores as signed",
        head.epoch_index, head.validator, replayed.leaves
    )];
    let scored = replayed.table.rows.iter().filter(|row| row.basis_points > 0);
    lines.extend(scored.map(|row| format!("  {} {} of 10000 points", row.hotkey, row.basis_points)));
    let unlogged: u64 = replayed.unlogged.values().sum();
    if unlogged > 0 {
        lines.push(format!(
            "  {unlogged} receipts are named by the miners' next ones and not among these leaves"
        ));
    }
    if offline {
        lines.push("not compared with the chain: run without --offline for that".to_owned());
    }
    lines
}

/// A line on standard error that is written over, where somebody watches.
struct Progress {
    verb: &'static str,
    unit: &'static str,
    shown: bool,
    watched: bool,
}

impl Progress {
    fn new(verb: &'static str, unit: &'static str) -> Self {
        Self { verb, unit, shown: false, watched: std::io::stderr().is_terminal() }
    }

    fn show(&mut self, done: u64, total: u64) {
        if self.watched && (done.is_multiple_of(1_024) || done == total) {
            // A terminal that went away is no reason to stop.
            let _ = write!(std::io::stderr(), "\r{done} of {total} {} {}", self.unit, self.verb);
            self.shown = true;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = writeln!(std::io::stderr());
        }
    }
}

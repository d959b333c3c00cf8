//! `audit export`, `audit fetch` and `audit review`; the other commands have files of their own.

mod dispute;
mod equivocation;
mod rechallenge;
mod recheck;
mod replay;

use std::io::Write;
use std::path::{Path, PathBuf};

use chain_client::command::CommandError as SharedError;
use indicatif::{ProgressBar, ProgressStyle};
use protocol::account::AccountId;
use serde_json::json;

use super::{CommandError, Place, print_json, print_lines};
use crate::audit::chain::{ChainFacts, compare_with};
use crate::audit::export::{Exported, export};
use crate::audit::fetch::{Fetched, fetch, fetch_from_store};
use crate::audit::review::{ReviewError, ReviewOptions, Reviewed, review_with};
use crate::audit::seen::Seen;
use crate::audit::shelf::{Bundle, Shelf};
use crate::audit::store::{Store, StoreConfig};
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
        Audit::Export { epoch, out: folder, upload, output } => {
            let exported = write_bundle(place, epoch, &folder, output.json)?;
            let Exported { epoch_index, head, leaves, leaves_new, bytes, bytes_new } = exported;
            let sent = match upload {
                true => {
                    let store = Store::open(&place.config.audit.store).map_err(CommandError::Store)?;
                    Some(store.put_bundle(&folder, epoch_index).await.map_err(CommandError::Store)?)
                }
                false => None,
            };
            if output.json {
                let folder = folder.display().to_string();
                return print_json(
                    out,
                    &json!({
                        "epochIndex": epoch_index, "head": head, "leaves": leaves, "leavesNew": leaves_new,
                        "bytes": bytes, "bytesNew": bytes_new, "folder": folder,
                        "bytesSent": sent.map(|sent| sent.bytes),
                    }),
                );
            }
            let folder = folder.display();
            let mut lines = vec![format!(
                "epoch {epoch_index}: {leaves} leaves ({leaves_new} new), {bytes} bytes ({bytes_new} new) in {folder}, head {head}"
            )];
            lines.extend(sent.map(|sent| {
                format!("{} objects, {} bytes sent to object storage", sent.objects, sent.bytes)
            }));
            print_lines(out, &lines)
        }
        Audit::Fetch { url, epoch, out: folder, output } => {
            let bar = Progress::new("bytes fetched", output.json);
            let show = |done, total| bar.show(done, total);
            let fetched = if Store::is_url(&url) {
                fetch_from_store(store_at(place, url)?, epoch, &folder, show).await
            } else {
                fetch(&url, epoch, &folder, show).await
            };
            let Fetched { epoch_index, bytes, bytes_new } = fetched.map_err(CommandError::Fetch)?;
            drop(bar);
            if output.json {
                return print_json(
                    out,
                    &json!({ "epochIndex": epoch_index, "bytes": bytes, "bytesNew": bytes_new }),
                );
            }
            let folder = folder.display();
            let next = format!("next: subnet-validator audit review {folder}");
            print_lines(
                out,
                &[format!("epoch {epoch_index}: {bytes} bytes ({bytes_new} new) in {folder}"), next],
            )
        }
        Audit::Replay(flags) => replay::run(place, flags, out).await,
        Audit::Dispute(flags) => dispute::run(&flags, out),
        Audit::Equivocation(flags) => equivocation::run(&flags, out),
        Audit::Recheck(flags) => recheck::run(&flags, out).await,
        Audit::Review { bundle, epoch, resume, validator, with, offline, challenge, evidence, output } => {
            let from = match Store::is_url(&bundle) {
                true => From::Store(store_at(place, bundle)?, epoch),
                false => From::Folder(PathBuf::from(bundle), epoch),
            };
            let reviewed = check(from, validator, resume, output.json).await;
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
            let mut others = Vec::new();
            for folder in with {
                let other = check(From::Folder(folder, None), None, None, output.json).await;
                others.push(other.map_err(|error| CommandError::Review(Box::new(error)))?);
            }
            let findings =
                if offline { Vec::new() } else { compare_with_chain(place, &reviewed, &others).await? };
            let verdict = Verdict::of_reviewed(&reviewed, (!offline).then_some(&findings));
            keep(place, &verdict);
            let challenged = match challenge {
                0 => Vec::new(),
                count => rechallenge::run(place, &reviewed, count, &evidence).await?,
            };
            if output.json {
                let mut verdict = json!(verdict);
                if challenge > 0 {
                    verdict["challenged"] = challenged.iter().map(rechallenge::Row::json).collect();
                }
                print_json(out, &verdict)?;
            } else {
                let mut lines = lines(&reviewed, offline);
                lines.extend(challenged.iter().map(rechallenge::Row::line));
                print_lines(out, &lines)?;
            }
            match verdict.agreed {
                true if rechallenge::is_anyone_caught(&challenged) => {
                    Err(CommandError::Caught { folder: evidence })
                }
                true => Ok(()),
                false => Err(CommandError::Disagreed(verdict.findings.join("; "))),
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

/// Object storage at an address, with the configuration's settings.
fn store_at(place: &Place, url: String) -> Result<Store, CommandError> {
    let config = StoreConfig { url, ..place.config.audit.store.clone() };
    Store::open(&config).map_err(CommandError::Store)
}

fn write_bundle(
    place: &Place,
    epoch: Option<u64>,
    folder: &Path,
    quiet: bool,
) -> Result<Exported, CommandError> {
    let hotkey = place.site.hotkey()?;
    let path = place.state(&hotkey.public()).join(validator::LEDGER_DIR);
    let owner =
        Owner { shard: place.config.shards.own, ..Owner::single(hotkey.public(), place.config.netuid) };
    let reader = Reader::open(&path, owner).map_err(CommandError::OpenLedger)?;
    let bar = Progress::new("leaves written", quiet);
    export(&reader, &hotkey, epoch, folder, |done, total| bar.show(done, total)).map_err(CommandError::Export)
}

/// Where a bundle is reviewed from.
enum From {
    Folder(PathBuf, Option<u64>),
    Store(Store, Option<u64>),
}

/// Reviews on a thread that may block.
async fn check(
    from: From,
    validator: Option<AccountId>,
    resume: Option<PathBuf>,
    quiet: bool,
) -> Result<Reviewed, ReviewError> {
    let reviewing = tokio::task::spawn_blocking(move || {
        let name = match &from {
            From::Folder(folder, _) => folder.display().to_string(),
            From::Store(..) => "object storage".to_owned(),
        };
        let bundle = match from {
            From::Folder(folder, None) => Bundle::at(&folder),
            From::Folder(folder, epoch) => Shelf::Folder(folder).bundle(epoch),
            From::Store(store, epoch) => Shelf::Store(store).bundle(epoch),
        };
        let bundle = bundle.map_err(|source| ReviewError::Read { name, source })?;
        let seen = resume.map(|path| Seen::open(&path)).transpose().map_err(ReviewError::Seen)?;
        let options =
            ReviewOptions { validator: validator.as_ref(), seen: seen.as_ref(), ..ReviewOptions::default() };
        let bar = Progress::new("leaves checked", quiet);
        review_with(&bundle, options, |_, (done, total)| bar.show(done, total))
    });
    match reviewing.await {
        Ok(reviewed) => reviewed,
        Err(stopped) => std::panic::resume_unwind(stopped.into_panic()),
    }
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

/// A bar on standard error, where somebody watches.
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// `what` is counted. Nothing is drawn when `quiet`, or when standard error is no terminal.
    fn new(what: &'static str, quiet: bool) -> Self {
        if quiet {
            return Self { bar: ProgressBar::hidden() };
        }
        let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} {msg}, {eta} to go")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        Self { bar: ProgressBar::new(0).with_style(style).with_message(what) }
    }

    fn show(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

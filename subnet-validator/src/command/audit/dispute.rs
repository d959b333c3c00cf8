//! `audit dispute`: is a node proven guilty by papers that it signed itself? From files alone.

use std::io::Write;
use std::path::Path;

use protocol::account::AccountId;
use protocol::dispute::{Contradiction, Found, Guilt, Omission};
use protocol::head::shards::Logs;
use serde_json::json;

use super::super::{CommandError, print_json, print_lines};
use super::Progress;
use crate::audit::disputes::{Claim, PaperError, read_paper};
use crate::audit::review::{last_head, review};
use crate::cli::Dispute;

/// More than any two papers have.
const PAPERS_BYTES_MAX: u64 = 64 << 10;

pub(super) fn run(flags: &Dispute, out: &mut impl Write) -> Result<(), CommandError> {
    let Dispute { papers, bundle, output } = flags;
    let outcome = match bundle {
        None => contradiction(papers)?,
        Some(bundle) => omission(papers, bundle, output.json)?,
    };
    let (guilty, text) = match &outcome {
        Outcome::Guilty { node, offence } => (Some(node.clone()), format!("{node} {offence}")),
        Outcome::Innocent(text) => (None, text.clone()),
    };
    if output.json {
        print_json(out, &json!({ "proven": guilty.is_some(), "node": guilty, "finding": text }))?;
    } else {
        print_lines(out, std::slice::from_ref(&text))?;
    }
    match guilty {
        Some(_) => Ok(()),
        None => Err(CommandError::NotProven(text)),
    }
}

enum Outcome {
    Guilty { node: String, offence: String },
    Innocent(String),
}

fn contradiction(papers: &Path) -> Result<Outcome, CommandError> {
    let bytes = read_paper(papers, PAPERS_BYTES_MAX).map_err(CommandError::Paper)?;
    let nothing = |source| CommandError::Paper(PaperError::Nothing { path: papers.to_owned(), source });
    let guilt = Contradiction::from_bytes(&bytes).and_then(Contradiction::verify);
    let (node, offence) = words(guilt.map_err(nothing)?);
    Ok(Outcome::Guilty { node: node.to_string(), offence })
}

/// Who is at fault, and what for.
pub(super) fn words(guilt: Guilt) -> (AccountId, String) {
    match guilt {
        Guilt::ForkedLog { validator } => (validator, "signed two tree heads that fit no one log".to_owned()),
        Guilt::ForkedShard { validator, shard } => (
            validator,
            format!("signed two heads that fit no one log of shard {shard}, or left the shard out"),
        ),
        Guilt::DoubledCall { validator } => {
            (validator, "signed two different calls under one number".to_owned())
        }
        Guilt::DoubledReceipt { miner } => (miner, "signed two different receipts for one ticket".to_owned()),
    }
}

fn omission(papers: &Path, bundle: &Path, quiet: bool) -> Result<Outcome, CommandError> {
    let claim = Claim::read(papers).map_err(CommandError::Paper)?;
    let refused = |error| CommandError::Review(Box::new(error));
    let head = last_head(bundle).map_err(refused)?;
    let ticket = claim.call.ticket().clone();
    let nothing = |source| CommandError::Paper(PaperError::Nothing { path: papers.to_owned(), source });
    let mut search = Omission::new(claim.call, &head).map_err(nothing)?;
    let bar = Progress::new("leaves checked", quiet);
    let reviewed = review(bundle, Some(&ticket.validator), |receipts, (done, total)| {
        receipts.iter().for_each(|receipt| search.see(receipt));
        bar.show(done, total);
    });
    reviewed.map_err(refused)?;
    let (sequence, miner, epoch_index) = (ticket.sequence, ticket.miner, head.epoch_index);
    let log = match head.logs {
        Logs::One(_) => format!("the log of epoch {epoch_index}"),
        Logs::Shards { .. } => format!("the log of shard {} of epoch {epoch_index}", ticket.shard()),
    };
    let node = ticket.validator.to_string();
    Ok(match search.finish() {
        Found::InLog => Outcome::Innocent(format!("call {sequence} of miner {miner} is in {log}")),
        Found::Omitted => Outcome::Guilty {
            node,
            offence: format!("dropped call {sequence} of miner {miner}, which it countersigned, from {log}"),
        },
        Found::Altered(_) => {
            Outcome::Guilty { node, offence: format!("replaced call {sequence} of miner {miner} in {log}") }
        }
    })
}

//! `audit recheck`: is the evidence against a miner true? From its file, and the model if it is about one.

use std::fs;
use std::io::Write;

use protocol::evidence::{Fault, Finding};
use serde_json::{Value, json};

use super::super::{CommandError, print_json, print_lines};
use crate::audit::disputes::PaperError;
use crate::audit::recheck::{Outcome, Rechecked, read, recheck};
use crate::cli::Recheck;

/// The longest file that is read.
const FILE_BYTES_MAX: u64 = 256 << 20;

pub(super) async fn run(flags: &Recheck, out: &mut (impl Write + Send)) -> Result<(), CommandError> {
    let Recheck { file, model, output } = flags;
    let failed = |source| CommandError::Paper(PaperError::Read { path: file.clone(), source });
    let bytes = fs::metadata(file).map_err(failed)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(CommandError::Paper(PaperError::TooLong { path: file.clone(), bytes }));
    }
    let bytes = fs::read(file).map_err(failed)?;
    let mut rows = Vec::new();
    let unchecked = |error| CommandError::Recheck(Box::new(error));
    for evidence in read(&bytes).map_err(unchecked)? {
        let rechecked = recheck(evidence, model.as_deref()).await.map_err(unchecked)?;
        rows.push(Row::of(&rechecked));
    }
    let unproven: Vec<&Row> = rows.iter().filter(|row| !row.is_proven).collect();
    if output.json {
        let records: Vec<&Value> = rows.iter().map(|row| &row.fields).collect();
        print_json(out, &json!({ "proven": unproven.is_empty(), "evidence": records }))?;
    } else {
        print_lines(out, &rows.iter().map(|row| row.line.clone()).collect::<Vec<_>>())?;
    }
    match unproven.first() {
        None => Ok(()),
        Some(row) => Err(CommandError::NotProven(row.line.clone())),
    }
}

/// One record as it is printed.
struct Row {
    is_proven: bool,
    line: String,
    fields: Value,
}

impl Row {
    fn of(rechecked: &Rechecked) -> Self {
        let (evidence, is_proven) = (&rechecked.evidence, rechecked.proven_against().is_some());
        let (claimed, claimed_fault) = match evidence.finding() {
            Finding::DoubledReceipt(..) => ("two receipts for one ticket", None),
            Finding::ReplayedAnswer(..) => ("one answer for two tickets", None),
            Finding::Reexecution(again) => ("an answer that the model does not give", Some(&again.fault)),
            Finding::WrongAnswer(_) => ("a wrong answer to a challenge", None),
            Finding::Missed(_) => ("no answers in time to challenges in a row", None),
        };
        let (how, found) = match &rechecked.outcome {
            Outcome::ProvenByPapers => ("by the miner's own signatures".to_owned(), None),
            Outcome::FoundAgain(fault) => (format!("executed again: {}", words(fault)), Some(fault)),
            Outcome::NotFoundAgain => ("executed again, and nothing is wrong".to_owned(), None),
            Outcome::OneWord => ("by the word of one validator".to_owned(), None),
        };
        let (miner, validator) = (evidence.miner(), evidence.signed().evidence.validator);
        let model = evidence.call().map(|call| &call.ticket().model);
        let fields = json!({
            "proven": is_proven, "miner": miner, "validator": validator, "digest": evidence.digest(),
            "issuedAtMs": evidence.at_ms(), "model": model, "claimed": claimed,
            "claimedFault": claimed_fault.map(name), "foundFault": found.map(name), "finding": how,
        });
        let verdict = if is_proven { "proven" } else { "not proven" };
        let line =
            format!("{verdict}: miner {miner} gave {claimed}; {how} (collected by validator {validator})");
        Self { is_proven, line, fields }
    }
}

/// The fault as a word for programs.
fn name(fault: &Fault) -> &'static str {
    match fault {
        Fault::NoFingerprint => "noFingerprint",
        Fault::TokenCount => "tokenCount",
        Fault::PromptLength { .. } => "promptLength",
        Fault::Text => "text",
        Fault::States(_) => "states",
        Fault::Improbable { .. } => "improbable",
    }
}

fn words(fault: &Fault) -> String {
    match fault {
        Fault::NoFingerprint => "the receipt names no fingerprint".to_owned(),
        Fault::TokenCount => "the fingerprint has another number of tokens than the receipt".to_owned(),
        Fault::PromptLength { found } => format!("the prompt has {found} tokens, not what the receipt says"),
        Fault::Text => "the fingerprint's tokens do not spell the answer".to_owned(),
        Fault::States(comparison) => {
            let proofs = comparison.measures.len();
            format!("the states of {proofs} proofs are not the model's")
        }
        Fault::Improbable { tokens } => format!("the model would hardly have said {tokens} of the tokens"),
    }
}

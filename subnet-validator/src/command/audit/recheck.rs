//! `audit recheck`: is one piece of evidence against a miner true? From its file, and the model if it is about one.

use std::fs;
use std::io::Write;

use protocol::evidence::{BYTES_MAX, Fault, Finding};
use serde_json::json;

use super::super::{CommandError, print_json, print_lines};
use crate::audit::disputes::PaperError;
use crate::audit::recheck::{Outcome, recheck};
use crate::cli::Recheck;

pub(super) async fn run(flags: &Recheck, out: &mut (impl Write + Send)) -> Result<(), CommandError> {
    let Recheck { file, model, output } = flags;
    let failed = |source| CommandError::Paper(PaperError::Read { path: file.clone(), source });
    let bytes = fs::metadata(file).map_err(failed)?.len();
    if bytes > BYTES_MAX as u64 {
        return Err(CommandError::Paper(PaperError::TooLong { path: file.clone(), bytes }));
    }
    let bytes = fs::read(file).map_err(failed)?;
    let rechecked = recheck(&bytes, model.as_deref()).await.map_err(CommandError::Recheck)?;
    let (evidence, guilty) = (&rechecked.evidence, rechecked.proven_against());
    let (claimed, claimed_fault) = match evidence.finding() {
        Finding::DoubledReceipt(..) => ("two receipts for one ticket", None),
        Finding::ReplayedAnswer(..) => ("one answer for two tickets", None),
        Finding::Reexecution(again) => ("an answer that the model does not give", Some(&again.fault)),
    };
    let (how, found) = match &rechecked.outcome {
        Outcome::ProvenByPapers => ("by the miner's own signatures".to_owned(), None),
        Outcome::FoundAgain(fault) => (format!("executed again: {}", words(fault)), Some(fault)),
        Outcome::NotFoundAgain => ("executed again, and nothing is wrong".to_owned(), None),
    };
    let (miner, validator) = (evidence.miner(), evidence.signed().evidence.validator);
    if output.json {
        print_json(
            out,
            &json!({
                "proven": guilty.is_some(), "miner": miner, "validator": validator, "evidence": evidence.digest(),
                "issuedAtMs": evidence.call().ticket().issued_at_ms, "model": evidence.call().ticket().model,
                "claimed": claimed, "claimedFault": claimed_fault.map(name), "foundFault": found.map(name),
                "finding": how,
            }),
        )?;
    } else {
        let verdict = if guilty.is_some() { "proven" } else { "not proven" };
        let line =
            format!("{verdict}: miner {miner} gave {claimed}; {how} (collected by validator {validator})");
        print_lines(out, &[line])?;
    }
    match guilty {
        Some(_) => Ok(()),
        None => Err(CommandError::NotProven(how)),
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

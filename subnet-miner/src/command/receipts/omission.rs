//! `receipts prove-omission`: whether a validator's log lacks a call that it countersigned.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use chain_client::cli::Output;
use protocol::dispute::{Contradiction, Found, Omission, RecordBytes};
use protocol::evidence::SignedEvidence;
use protocol::head::SignedHead;
use protocol::manifest::frontier_file;
use protocol::merkle::Frontier;
use protocol::policy_document::{self, SignedPolicyDocument};
use protocol::receipt::Countersigned;
use protocol::replay::{Replay, Rules};
use protocol::scoring::Miner;
use serde_json::json;

use super::{ProofError, bundle, record};
use crate::command::{CommandError, print_json};

/// More than these files of a bundle have, in bytes.
const HEADS_BYTES_MAX: u64 = 16 << 20;
const MINERS_BYTES_MAX: u64 = 64 << 20;
const FRONTIER_BYTES_MAX: u64 = 64 << 10;
const EVIDENCE_BYTES_MAX: u64 = 1 << 30;
/// Leaves whose signatures are verified together.
const PART_LEAVES: usize = 1_024;

pub(super) fn run(
    file: &Path,
    folder: &Path,
    output: &Output,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let call = record::read(file)?;
    let (head, found) = search(call.clone(), folder)?;
    let (word, text) = match &found {
        Found::InLog => ("in_log", "the log holds the call: nothing was dropped"),
        Found::Omitted => {
            ("omitted", "PROVEN: the head answers for the call's time, and its whole log lacks the call")
        }
        Found::Altered(_) => ("altered", "PROVEN: the log holds another record under the call's number"),
    };
    if output.json {
        let contradiction = match &found {
            Found::Altered(other) => {
                let papers = Contradiction::Calls(RecordBytes::of(&call), RecordBytes::of(other));
                Some(format!("0x{}", hex::encode(parity_scale_codec::Encode::encode(&papers))))
            }
            Found::InLog | Found::Omitted => None,
        };
        let ticket = call.ticket();
        let found = json!({
            "found": word, "validator": ticket.validator, "sequence": ticket.sequence, "shard": ticket.shard(), "head": head,
            "contradiction": contradiction,
        });
        return print_json(out, &found);
    }
    writeln!(out, "{text} (validator {}, head {head})", call.ticket().validator).map_err(CommandError::Output)
}

/// Reads the whole log of the bundle's last head, of all shards where there are several, and looks for the call in it. The proof holds only if the log is as the head says, so
/// everything is checked that a reviewer checks.
fn search(call: Countersigned, folder: &Path) -> Result<(protocol::Digest, Found), ProofError> {
    let folder = &bundle::tempo(folder)?;
    let no = |name: &str| ProofError::Bundle(name.to_owned());
    let heads: Vec<SignedHead> = bundle::decode(folder, "heads.scale", HEADS_BYTES_MAX)?;
    let heads = heads.into_iter().map(SignedHead::verify).collect::<Result<Vec<_>, _>>();
    let heads = heads.map_err(|_| no("heads.scale"))?;
    let head = heads.last().cloned().ok_or_else(|| no("heads.scale"))?;
    let document: SignedPolicyDocument =
        bundle::decode(folder, "policy.scale", policy_document::BYTES_MAX as u64)?;
    let document = document.verify().map_err(|_| no("policy.scale"))?;
    let rules = Rules::new(document).map_err(|_| no("policy.scale"))?;
    let miners: Vec<Miner> = bundle::decode(folder, "miners.scale", MINERS_BYTES_MAX)?;
    let mut starts = BTreeMap::new();
    for shard in head.shards() {
        let name = frontier_file(shard.shard);
        starts.insert(shard.shard, bundle::decode::<Frontier>(folder, &name, FRONTIER_BYTES_MAX)?);
    }

    let mut omission = Omission::new(call, &head)?;
    let mut replay = Replay::of_shards(&rules, heads, starts)?;
    for shard in replay.shards_mut() {
        bundle::for_each_slice(folder, shard.shard(), |rows| {
            for part in rows.chunks(PART_LEAVES) {
                let leaves = part.iter().map(bundle::Row::as_leaf).collect::<Vec<_>>();
                shard.push_all(&leaves)?.iter().for_each(|receipt| omission.see(receipt));
            }
            Ok(())
        })?;
    }
    if folder.join("evidence.scale").exists() {
        let evidence: Vec<SignedEvidence> = bundle::decode(folder, "evidence.scale", EVIDENCE_BYTES_MAX)?;
        let evidence = evidence.into_iter().map(SignedEvidence::verify).collect::<Result<Vec<_>, _>>();
        replay.judge(&evidence.map_err(|_| no("evidence.scale"))?);
    }
    replay.finish(&miners)?;
    Ok((head.digest(), omission.finish()))
}

//! `receipts verify-proof`: that one call is in a validator's log, from the answer of `receiptProof` alone.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use protocol::digest::Digest;
use protocol::head::SignedHead;
use protocol::merkle::verify_inclusion;
use protocol::receipt::{ReceiptError, UncheckedCountersigned};
use protocol::ticket::Ticket;
use serde::Deserialize;
use serde_json::json;

use super::{CommandError, print_json, print_lines};
use crate::cli::Receipts;

/// More than any answer has.
const PROOF_BYTES_MAX: u64 = 1 << 20;

/// A proof does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The file cannot be read.
    #[error("cannot read the proof")]
    Read(#[source] io::Error),
    /// It is longer than any.
    #[error("the file has {0} bytes, a proof has at most {PROOF_BYTES_MAX}")]
    TooLong(u64),
    /// It is not an answer of `receiptProof`.
    #[error("the file is not an answer of receiptProof")]
    Form(#[source] serde_json::Error),
    /// The receipt is not hexadecimal.
    #[error("the receipt is not hexadecimal")]
    Hex(#[source] hex::FromHexError),
    /// The receipt is not signed as it must be.
    #[error("the receipt does not verify")]
    Receipt(#[source] ReceiptError),
    /// The receipt is not the leaf.
    #[error("the receipt has the leaf hash {found}, the proof is of {expected}")]
    Leaf {
        /// In the proof.
        expected: Digest,
        /// Of the receipt.
        found: Digest,
    },
    /// The path does not lead to the root.
    #[error("the path does not lead from leaf {index} of {size} to the root {root}")]
    Path {
        /// The leaf's place.
        index: u64,
        /// Leaves in the log.
        size: u64,
        /// The root.
        root: Digest,
    },
    /// The head given is not this log's.
    #[error("the tree head is not signed, or not of the log and size that the proof is for")]
    Head,
}

/// The answer, or the JSON-RPC envelope around it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Envelope { result: Data },
    Data(Data),
    Bare(Proof),
}

#[derive(Deserialize)]
struct Data {
    data: Proof,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Proof {
    index: u64,
    leaf_hash: Digest,
    size: u64,
    root: Digest,
    path: Vec<Digest>,
    encoded: String,
}

pub(super) fn run(command: &Receipts, out: &mut impl Write) -> Result<(), CommandError> {
    let Receipts::VerifyProof { file, head, output } = command;
    let proof = read(file).map_err(CommandError::Proof)?;
    let receipt = verify(&proof).map_err(CommandError::Proof)?;
    let ticket = receipt.ticket();
    if let Some(head) = head {
        check_head(head, &proof, ticket).map_err(CommandError::Proof)?;
    }
    let Proof { index, size, root, .. } = &proof;
    if output.json {
        return print_json(
            out,
            &json!({
                "verified": true, "validator": ticket.validator, "miner": ticket.miner, "index": index,
                "size": size, "root": root, "headChecked": head.is_some(),
            }),
        );
    }
    let mut lines = vec![format!(
        "call {} of miner {} is leaf {index} of {size} in the log of {} with the root {root}; all signatures good",
        ticket.sequence, ticket.miner, ticket.validator
    )];
    lines.push(match head {
        Some(_) => "the root is that of the tree head given, which the validator signed".to_owned(),
        None => {
            "compare the root with a tree head of the validator (--head), whose digest is on chain".to_owned()
        }
    });
    print_lines(out, &lines)
}

fn read(file: &PathBuf) -> Result<Proof, ProofError> {
    let bytes = fs::metadata(file).map_err(ProofError::Read)?.len();
    if bytes > PROOF_BYTES_MAX {
        return Err(ProofError::TooLong(bytes));
    }
    let text = fs::read(file).map_err(ProofError::Read)?;
    match serde_json::from_slice(&text).map_err(ProofError::Form)? {
        Answer::Envelope { result: Data { data } } | Answer::Data(Data { data }) | Answer::Bare(data) => {
            Ok(data)
        }
    }
}

fn verify(proof: &Proof) -> Result<protocol::receipt::Countersigned, ProofError> {
    let Proof { index, leaf_hash, size, root, path, encoded } = proof;
    let bytes = hex::decode(encoded.trim_start_matches("0x")).map_err(ProofError::Hex)?;
    let receipt = UncheckedCountersigned::from_bytes(&bytes).and_then(UncheckedCountersigned::verify);
    let receipt = receipt.map_err(ProofError::Receipt)?;
    let found = receipt.leaf_hash();
    if found != *leaf_hash {
        return Err(ProofError::Leaf { expected: *leaf_hash, found });
    }
    if !verify_inclusion(leaf_hash, *index, *size, path, root) {
        return Err(ProofError::Path { index: *index, size: *size, root: *root });
    }
    Ok(receipt)
}

/// A head in a file: SCALE bytes, as `heads.scale` holds several of.
fn check_head(file: &PathBuf, proof: &Proof, ticket: &Ticket) -> Result<(), ProofError> {
    let bytes = fs::read(file).map_err(ProofError::Read)?;
    let head = SignedHead::from_bytes(&bytes).and_then(|head| head.verify().ok()).ok_or(ProofError::Head)?;
    // The call's number says whose log it must be in.
    let log = head.log(ticket.shard()).map(|log| (log.tree_size, log.root));
    let fits = head.validator == ticket.validator && log == Some((proof.size, proof.root));
    fits.then_some(()).ok_or(ProofError::Head)
}

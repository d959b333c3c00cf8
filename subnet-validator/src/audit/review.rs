//! Reviewing a bundle: from files to a verdict, trusting none of them.
//!
//! Slices are checked one after another, on all cores, and put together in the log's order while the next one is being checked: so
//! memory holds two slices, however long the log is, and the first leaf at fault is the first in the log.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use parity_scale_codec::{Decode, DecodeAll};
use parquet::errors::ParquetError;
use protocol::account::AccountId;
use protocol::catalogue::CatalogueError;
use protocol::digest::Digest;
use protocol::evidence::{EvidenceError, SignedEvidence};
use protocol::head::{HeadError, SignedHead, ValidHead};
use protocol::manifest::{Manifest, ManifestError, SignedManifest, Slice};
use protocol::merkle::Frontier;
use protocol::policy_document::{self, PolicyDocumentError, SignedPolicyDocument};
use protocol::receipt::Countersigned;
use protocol::replay::{LeafError, Replay, ReplayError, Replayed, Rules};
use protocol::scoring::{HOUR_MS, Miner};

use super::check::{CheckedPart, check_slice};
use super::seen::Seen;
use super::shelf::Bundle;
use super::{EVIDENCE, FRONTIER, HEADS, MANIFEST, MINERS, POLICY};

/// Receipts shown together.
const SHOWN_TOGETHER: usize = 512;

/// How long the small files may be.
/// (A manifest has some 250 bytes for each part.)
pub(super) const MANIFEST_BYTES_MAX: u64 = 256 << 20;
const HEADS_BYTES_MAX: u64 = 64 << 20;
const MINERS_BYTES_MAX: u64 = 64 << 20;
const FRONTIER_BYTES_MAX: u64 = 4_096;

/// A bundle that is as its head says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewed {
    /// The head that was checked.
    pub head: ValidHead,
    /// The miners that it was checked with.
    pub miners: Vec<Miner>,
    /// What was computed.
    pub replayed: Replayed,
}

/// Why a bundle is not as its head says, or cannot be reviewed.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// A file cannot be read.
    #[error("cannot read {name}")]
    Read {
        /// Which one.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The manifest is unreadable.
    #[error(
        "the manifest is not JSON of the form expected (bundles of single files, of the first version, are not read)"
    )]
    ManifestForm(#[source] serde_json::Error),
    /// The manifest is not signed, or names files it may not.
    #[error("checking the manifest")]
    Manifest(#[source] ManifestError),
    /// The bundle is of another validator than the one to be reviewed.
    #[error("the bundle is of validator {found}, not of {expected}")]
    OtherValidator {
        /// The validator to be reviewed.
        expected: AccountId,
        /// The manifest's.
        found: AccountId,
    },
    /// A file is missing from the manifest.
    #[error("the manifest does not list {0}")]
    NotListed(&'static str),
    /// A file is not the one the manifest lists.
    #[error("{name} is not the file that the manifest lists: it was altered or cut off")]
    File {
        /// Which one.
        name: String,
    },
    /// A file does not decode.
    #[error("{0} does not decode")]
    Decode(&'static str),
    /// Evidence is none.
    #[error("checking the evidence")]
    Evidence(#[source] EvidenceError),
    /// A head is not signed by its validator.
    #[error("checking a head")]
    Head(#[source] HeadError),
    /// The last head is not the manifest's.
    #[error("the last head has the digest {found}, the manifest names {expected}")]
    OtherHead {
        /// In the manifest.
        expected: Digest,
        /// Of the last head.
        found: Digest,
    },
    /// The policy document is not good.
    #[error("checking the policy document")]
    Policy(#[source] PolicyDocumentError),
    /// The policy's models are no catalogue.
    #[error("reading the policy document's models")]
    Models(#[source] CatalogueError),
    /// A Parquet file is damaged.
    #[error("the leaves cannot be read")]
    Parquet(#[from] ParquetError),
    /// A leaf lies in the file of another miner or hour.
    #[error("leaf {index} lies in {part}, where it does not belong")]
    Misplaced {
        /// Its place in the log.
        index: u64,
        /// The file.
        part: String,
    },
    /// The list of parts that were checked before cannot be read or written.
    #[error("the list of checked parts cannot be read or written")]
    Seen(#[source] io::Error),
    /// The leaves are not as the heads say.
    #[error("the log is not as its head says")]
    Replay(#[from] ReplayError),
}

impl ReviewError {
    /// The leaf at fault, if it is one leaf's.
    #[must_use]
    pub fn leaf(&self) -> Option<u64> {
        match self {
            Self::Replay(ReplayError::Leaf { index, .. }) => Some(*index),
            Self::Replay(ReplayError::Truncated { found, .. }) => Some(*found),
            Self::Misplaced { index, .. } => Some(*index),
            _ => None,
        }
    }
}

/// How a bundle is reviewed.
#[derive(Debug, Default)]
pub struct ReviewOptions<'o> {
    /// Whose it must be.
    pub validator: Option<&'o AccountId>,
    /// Parts that were checked before; those that are checked now are added.
    pub seen: Option<&'o mut Seen>,
    /// Threads that verify; as many as there are cores for `None`.
    pub threads: Option<NonZeroUsize>,
}

/// The head that a bundle is of, with its signature checked and nothing else.
///
/// # Errors
/// When the heads cannot be read, or the last one is not signed by the validator that it names.
pub fn last_head(folder: &Path) -> Result<ValidHead, ReviewError> {
    last_head_of(&find(folder)?)
}

/// The same for a bundle that may lie elsewhere than in a folder.
///
/// # Errors
/// As [`last_head`].
pub fn last_head_of(bundle: &Bundle) -> Result<ValidHead, ReviewError> {
    let heads: Vec<SignedHead> = decode(bundle, HEADS, HEADS_BYTES_MAX)?;
    let last = heads.into_iter().last().ok_or(ReplayError::NoHead)?;
    last.verify().map_err(ReviewError::Head)
}

/// Reviews the bundle in a folder, of this validator. `see` is shown every receipt of the log in order, after its signatures were
/// verified, with how many leaves are done and how many there are.
///
/// # Errors
/// With the first thing that is wrong.
pub fn review(
    folder: &Path,
    validator: Option<&AccountId>,
    see: impl FnMut(&[Countersigned], (u64, u64)),
) -> Result<Reviewed, ReviewError> {
    review_with(&find(folder)?, ReviewOptions { validator, ..ReviewOptions::default() }, see)
}

/// Reviews a bundle, wherever it lies.
///
/// # Errors
/// With the first thing that is wrong.
pub fn review_with(
    bundle: &Bundle,
    options: ReviewOptions<'_>,
    mut see: impl FnMut(&[Countersigned], (u64, u64)),
) -> Result<Reviewed, ReviewError> {
    let manifest = read(bundle, MANIFEST, MANIFEST_BYTES_MAX)?;
    let manifest: SignedManifest = serde_json::from_slice(&manifest).map_err(ReviewError::ManifestForm)?;
    let manifest = manifest.verify().map_err(ReviewError::Manifest)?;
    if let Some(expected) = options.validator.filter(|expected| **expected != manifest.validator) {
        return Err(ReviewError::OtherValidator { expected: *expected, found: manifest.validator });
    }
    for name in [HEADS, POLICY, MINERS, FRONTIER] {
        if !manifest.files.iter().any(|file| file.name == name) {
            return Err(ReviewError::NotListed(name));
        }
    }
    for file in &manifest.files {
        let bytes = read(bundle, &file.name, EVIDENCE_BYTES_MAX)?;
        if (bytes.len() as u64, Digest::of(&bytes)) != (file.bytes, file.sha256) {
            return Err(ReviewError::File { name: file.name.clone() });
        }
    }
    let heads: Vec<SignedHead> = decode(bundle, HEADS, HEADS_BYTES_MAX)?;
    let heads = heads.into_iter().map(SignedHead::verify).collect::<Result<Vec<_>, _>>();
    let heads = heads.map_err(ReviewError::Head)?;
    let head = heads.last().cloned().ok_or(ReplayError::NoHead)?;
    if head.digest() != manifest.head {
        return Err(ReviewError::OtherHead { expected: manifest.head, found: head.digest() });
    }
    if head.validator != manifest.validator {
        let (expected, found) = (manifest.validator, head.validator);
        return Err(ReviewError::OtherValidator { expected, found });
    }
    let document: SignedPolicyDocument = decode(bundle, POLICY, policy_document::BYTES_MAX as u64)?;
    let document = document.verify().map_err(ReviewError::Policy)?;
    let rules = Rules::new(document).map_err(ReviewError::Models)?;
    let miners: Vec<Miner> = decode(bundle, MINERS, MINERS_BYTES_MAX)?;
    let frontier: Frontier = decode(bundle, FRONTIER, FRONTIER_BYTES_MAX)?;

    let mut replay = Replay::new(&rules, heads, frontier)?;
    replay_slices(bundle, &manifest, options, &mut replay, &mut see)?;
    // Without the file nobody is convicted or doubted; a head that says otherwise is not met then.
    if manifest.files.iter().any(|file| file.name == EVIDENCE) {
        let evidence: Vec<SignedEvidence> = decode(bundle, EVIDENCE, EVIDENCE_BYTES_MAX)?;
        let evidence = evidence.into_iter().map(SignedEvidence::verify).collect::<Result<Vec<_>, _>>();
        replay.judge(&evidence.map_err(ReviewError::Evidence)?);
    }
    let replayed = replay.finish(&miners)?;
    Ok(Reviewed { head, miners, replayed })
}

/// Evidence of one window together, in bytes.
const EVIDENCE_BYTES_MAX: u64 = 1 << 30;

fn replay_slices(
    bundle: &Bundle,
    manifest: &Manifest,
    options: ReviewOptions<'_>,
    replay: &mut Replay<'_>,
    see: &mut impl FnMut(&[Countersigned], (u64, u64)),
) -> Result<(), ReviewError> {
    let ReviewOptions { mut seen, threads, .. } = options;
    let threads = threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let check = |slice: &Slice, seen: Option<&Seen>| check_slice(bundle, slice, seen, threads);
    let mut ready = match manifest.slices.first() {
        Some(first) => check(first, seen.as_deref())?,
        None => return Ok(()),
    };
    for (number, slice) in manifest.slices.iter().enumerate() {
        let next = manifest.slices.get(number.saturating_add(1));
        let known = seen.as_deref();
        // The next slice is checked while this one is put together. Files that cannot be read matter only once they are reached.
        let (merged, following) = thread::scope(|scope| {
            let following = next.map(|next| scope.spawn(move || check(next, known)));
            let merged = merge(slice, ready, replay, see);
            (merged, following.map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))))
        });
        merged?;
        if let Some(seen) = seen.as_deref_mut() {
            let parts: Vec<Digest> = slice.parts.iter().map(|part| part.sha256).collect();
            seen.add(&parts).map_err(ReviewError::Seen)?;
        }
        ready = following.transpose()?.unwrap_or_default();
    }
    Ok(())
}

/// Puts a slice's leaves into the log, the lowest index first wherever it lies.
fn merge(
    slice: &Slice,
    checked: Vec<CheckedPart>,
    replay: &mut Replay<'_>,
    see: &mut impl FnMut(&[Countersigned], (u64, u64)),
) -> Result<(), ReviewError> {
    let (mut faults, mut queues) = (Vec::new(), Vec::new());
    for CheckedPart { leaves, wrong, fault } in checked {
        faults.extend(fault);
        queues.push((leaves.into_iter().peekable(), wrong));
    }
    let mut lowest = BinaryHeap::new();
    for (number, (leaves, wrong)) in queues.iter_mut().enumerate() {
        let index = leaves.peek().map(|leaf| leaf.index()).or(wrong.as_ref().map(|(index, _)| *index));
        lowest.extend(index.map(|index| Reverse((index, number))));
    }
    let mut receipts = Vec::new();
    while let Some(Reverse((index, number))) = lowest.pop() {
        let (Some((leaves, wrong)), Some(part)) = (queues.get_mut(number), slice.parts.get(number)) else {
            continue;
        };
        let (expected, _) = replay.progress();
        match leaves.next() {
            Some(leaf) => {
                let receipt = replay.push(leaf)?;
                let ticket = receipt.ticket();
                if (ticket.issued_at_ms / HOUR_MS, ticket.miner) != (part.hour, part.miner) {
                    return Err(ReviewError::Misplaced { index, part: part.path() });
                }
                receipts.push(receipt);
                if receipts.len() == SHOWN_TOGETHER {
                    see(&receipts, replay.progress());
                    receipts.clear();
                }
            }
            None if index == expected => {
                let Some((_, source)) = wrong.take() else { continue };
                return Err(ReplayError::Leaf { index, source }.into());
            }
            None => {
                let source = LeafError::Index { found: index };
                return Err(ReplayError::Leaf { index: expected, source }.into());
            }
        }
        let next = leaves.peek().map(|leaf| leaf.index()).or(wrong.as_ref().map(|(index, _)| *index));
        lowest.extend(next.map(|index| Reverse((index, number))));
    }
    if !receipts.is_empty() {
        see(&receipts, replay.progress());
    }
    let (found, expected) = (replay.progress().0, slice.end);
    if found != expected {
        return Err(ReplayError::Truncated { expected, found }.into());
    }
    // Leaves that are all good, in a file that is another one than listed.
    faults.into_iter().next().map_or(Ok(()), Err)
}

fn find(folder: &Path) -> Result<Bundle, ReviewError> {
    let name = || folder.display().to_string();
    Bundle::at(folder).map_err(|source| ReviewError::Read { name: name(), source })
}

fn read(bundle: &Bundle, name: &str, bytes_max: u64) -> Result<Vec<u8>, ReviewError> {
    let failed = |source| ReviewError::Read { name: name.to_owned(), source };
    bundle.file(name, bytes_max).map_err(failed)
}

fn decode<T: Decode>(bundle: &Bundle, name: &'static str, bytes_max: u64) -> Result<T, ReviewError> {
    let bytes = read(bundle, name, bytes_max)?;
    T::decode_all(&mut bytes.as_slice()).map_err(|_| ReviewError::Decode(name))
}

//! Reviewing a bundle: from a folder of files to a verdict, trusting none of them.

use std::fs;
use std::io;
use std::path::Path;

use parity_scale_codec::{Decode, DecodeAll};
use parquet::errors::ParquetError;
use protocol::account::AccountId;
use protocol::catalogue::CatalogueError;
use protocol::digest::Digest;
use protocol::evidence::{EvidenceError, SignedEvidence};
use protocol::head::{HeadError, SignedHead, ValidHead};
use protocol::manifest::{Manifest, ManifestError, SignedManifest};
use protocol::merkle::Frontier;
use protocol::policy_document::{self, PolicyDocumentError, SignedPolicyDocument};
use protocol::receipt::Countersigned;
use protocol::replay::{Leaf, Replay, ReplayError, Replayed, Rules};
use protocol::scoring::Miner;

use super::export::digest_of;
use super::{EVIDENCE, FRONTIER, HEADS, MANIFEST, MINERS, POLICY, leaves};

/// Leaves whose signatures are verified together.
const PART_LEAVES: usize = 512;

/// How long the small files may be.
const MANIFEST_BYTES_MAX: u64 = 16 << 20;
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
    /// A file is longer than it may be.
    #[error("{name} has {found} bytes, at most {max} are read")]
    TooLong {
        /// Which one.
        name: String,
        /// Its length.
        found: u64,
        /// The limit.
        max: u64,
    },
    /// The manifest is unreadable.
    #[error("the manifest is not JSON of the form expected")]
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
            _ => None,
        }
    }
}

/// The head that a bundle is of, with its signature checked and nothing else.
///
/// # Errors
/// When the heads cannot be read, or the last one is not signed by the validator that it names.
pub fn last_head(folder: &Path) -> Result<ValidHead, ReviewError> {
    let heads: Vec<SignedHead> = decode(folder, HEADS, HEADS_BYTES_MAX)?;
    let last = heads.into_iter().last().ok_or(ReplayError::NoHead)?;
    last.verify().map_err(ReviewError::Head)
}

/// Reviews a bundle of this validator. `see` is shown every receipt of the log in order, after its signatures were
/// verified, with how many leaves are done and how many there are.
///
/// # Errors
/// With the first thing that is wrong.
pub fn review(
    folder: &Path,
    validator: Option<&AccountId>,
    mut see: impl FnMut(&[Countersigned], (u64, u64)),
) -> Result<Reviewed, ReviewError> {
    let manifest = read(folder, MANIFEST, MANIFEST_BYTES_MAX)?;
    let manifest: SignedManifest = serde_json::from_slice(&manifest).map_err(ReviewError::ManifestForm)?;
    let manifest = manifest.verify().map_err(ReviewError::Manifest)?;
    if let Some(expected) = validator.filter(|expected| **expected != manifest.validator) {
        return Err(ReviewError::OtherValidator { expected: *expected, found: manifest.validator });
    }
    for name in [HEADS, POLICY, MINERS, FRONTIER] {
        if !manifest.files.iter().any(|file| file.name == name) {
            return Err(ReviewError::NotListed(name));
        }
    }
    let mut altered = None;
    for file in &manifest.files {
        let read = |source| ReviewError::Read { name: file.name.clone(), source };
        let (bytes, sha256) = digest_of(&folder.join(&file.name)).map_err(read)?;
        if (bytes, sha256) != (file.bytes, file.sha256) {
            altered = Some(ReviewError::File { name: file.name.clone() });
        }
    }
    match (replay(folder, &manifest, &mut see), altered) {
        // An altered leaf is told more exactly than the file that it stands in.
        (Err(error), Some(_)) if error.leaf().is_some() => Err(error),
        (_, Some(altered)) => Err(altered),
        (reviewed, None) => reviewed,
    }
}

fn replay(
    folder: &Path,
    manifest: &Manifest,
    see: &mut impl FnMut(&[Countersigned], (u64, u64)),
) -> Result<Reviewed, ReviewError> {
    let heads: Vec<SignedHead> = decode(folder, HEADS, HEADS_BYTES_MAX)?;
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
    let document: SignedPolicyDocument = decode(folder, POLICY, policy_document::BYTES_MAX as u64)?;
    let document = document.verify().map_err(ReviewError::Policy)?;
    let rules = Rules::new(document).map_err(ReviewError::Models)?;
    let miners: Vec<Miner> = decode(folder, MINERS, MINERS_BYTES_MAX)?;
    let frontier: Frontier = decode(folder, FRONTIER, FRONTIER_BYTES_MAX)?;

    let mut replay = Replay::new(&rules, heads, frontier)?;
    let names = manifest.files.iter().map(|file| &file.name).filter(|name| name.ends_with(".parquet"));
    for name in names {
        leaves::for_each_part(&folder.join(name), PART_LEAVES, |rows| {
            let part = rows.iter().map(|row| Leaf { index: row.index, hash: row.leaf, record: &row.record });
            let receipts = replay.push_all(&part.collect::<Vec<_>>())?;
            see(&receipts, replay.progress());
            Ok::<_, ReviewError>(())
        })?;
    }
    // Without the file nobody is convicted; a head that says otherwise is not met then.
    if manifest.files.iter().any(|file| file.name == EVIDENCE) {
        let evidence: Vec<SignedEvidence> = decode(folder, EVIDENCE, EVIDENCE_BYTES_MAX)?;
        let evidence = evidence.into_iter().map(SignedEvidence::verify).collect::<Result<Vec<_>, _>>();
        replay.convict(&evidence.map_err(ReviewError::Evidence)?);
    }
    let replayed = replay.finish(&miners)?;
    Ok(Reviewed { head, miners, replayed })
}

/// Evidence of one window together, in bytes.
const EVIDENCE_BYTES_MAX: u64 = 1 << 30;

fn read(folder: &Path, name: &str, bytes_max: u64) -> Result<Vec<u8>, ReviewError> {
    let path = folder.join(name);
    let failed = |source| ReviewError::Read { name: name.to_owned(), source };
    let found = fs::metadata(&path).map_err(failed)?.len();
    if found > bytes_max {
        return Err(ReviewError::TooLong { name: name.to_owned(), found, max: bytes_max });
    }
    fs::read(path).map_err(failed)
}

fn decode<T: Decode>(folder: &Path, name: &'static str, bytes_max: u64) -> Result<T, ReviewError> {
    let bytes = read(folder, name, bytes_max)?;
    T::decode_all(&mut bytes.as_slice()).map_err(|_| ReviewError::Decode(name))
}

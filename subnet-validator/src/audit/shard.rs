//! The papers of a shard but 0: its gateway writes them beside its own parts, and the head gateway puts them into the bundle.
//!
//! In the folder of bundles of the shard's gateway lie, below `shards/<number>`, the parts with the leaves, `frontier.scale`, and a
//! `manifest.json` that the validator signs: it names the shard's head, and its parts by slices. The head gateway has the same files
//! below the same folder, as [`super::fetch::fetch_shard`] brought them, or as somebody copied them.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use parity_scale_codec::{DecodeAll, Encode};
use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::head::TreeHead;
use protocol::head::shards::ShardLog;
use protocol::manifest::{FileEntry, Manifest, SHARDS, ShardSlices, SignedManifest, Slice};
use protocol::merkle::Frontier;
use protocol::signing::Keypair;

use super::export::{ExportError, NewLeaves, are_there, write_slices};
use super::publish::keep_parts;
use super::shelf::part_path;
use super::{FRONTIER, MANIFEST};
use crate::ledger::Reader;
use crate::ledger::shards::ShardRecord;

/// What a bundle needs of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Papers {
    /// Its leaves.
    pub slices: Vec<Slice>,
    /// The frontier over those before the first.
    pub frontier: Frontier,
}

/// Where a shard's papers lie below a folder of bundles.
#[must_use]
pub fn papers_folder(folder: &Path, shard: u8) -> PathBuf {
    folder.join(SHARDS).join(shard.to_string())
}

/// Writes what the bundle of a tempo needs of this shard, whose head is `record`: only leaves that were not written before. Answers how
/// many those are. Parts that neither this nor the last list names are removed.
///
/// # Errors
/// When reading or writing fails, or more leaves are new than may be.
pub fn export_shard(
    reader: &Reader,
    hotkey: &Keypair,
    record: &ShardRecord,
    folder: &Path,
    leaves_max: u64,
) -> Result<u64, ExportError> {
    let head = &record.head.head;
    let (shard, log) = (head.shard, head.entry(false).log);
    let place = papers_folder(folder, shard);
    let before = manifest_at(&place, &head.validator);
    if before.as_ref().is_some_and(|before| before.head == head.digest()) {
        return Ok(0);
    }
    let start = log.first_index.saturating_sub(1);
    let written = before.as_ref().and_then(|before| of_shard(before, shard).map(<[Slice]>::to_vec));
    // A head that this ledger does not hold is of another log.
    let ours = match &before {
        Some(before) => {
            let known = reader.shard_head(before.epoch_index)?;
            known.is_some_and(|known| known.head.head.digest() == before.head)
        }
        None => false,
    };
    let written = written.filter(|_| ours).unwrap_or_default();
    let written: Vec<Slice> = written.into_iter().filter(|slice| slice.end > start).collect();
    let fits = written.first().is_some_and(|slice| slice.first <= start)
        && written.last().is_some_and(|slice| slice.end <= log.tree_size)
        && are_there(folder, shard, &written);
    let written = if fits { written } else { Vec::new() };
    let new = NewLeaves { shard, start, end: log.tree_size, leaves_max };
    let (slices, leaves_new) = write_slices(reader, written, new, folder, |_, _| ())?;
    let first = slices.first().map_or(start, |slice| slice.first);
    let frontier = reader.frontier_at(first)?.encode();
    let file =
        FileEntry { name: FRONTIER.to_owned(), bytes: frontier.len() as u64, sha256: Digest::of(&frontier) };
    let manifest = Manifest {
        netuid: head.netuid,
        validator: head.validator,
        epoch_index: head.epoch_index,
        head: head.digest(),
        files: vec![file],
        slices: Vec::new(),
        shards: vec![ShardSlices { shard, slices }],
    };
    let listed = [before.as_ref(), Some(&manifest)].into_iter().flatten().flat_map(Manifest::parts);
    let listed: HashSet<String> = listed.map(|(shard, part)| part_path(shard, part)).collect();
    put(&place, &frontier, &manifest.sign(hotkey))?;
    keep_parts(folder, &listed)?;
    Ok(leaves_new)
}

/// Puts a shard's small files where they belong, the manifest last.
pub(super) fn put(place: &Path, frontier: &[u8], manifest: &SignedManifest) -> io::Result<()> {
    fs::create_dir_all(place)?;
    let manifest = serde_json::to_vec(manifest).map_err(io::Error::other)?;
    for (name, bytes) in [(FRONTIER, frontier), (MANIFEST, &manifest)] {
        let beside = place.join(format!("{name}.part"));
        fs::write(&beside, bytes)?;
        fs::rename(beside, place.join(name))?;
    }
    Ok(())
}

/// The papers of a shard as a tree head names it, from the folder of bundles.
///
/// # Errors
/// When they are not there, or of another head of the shard.
pub(super) fn papers(folder: &Path, head: &TreeHead, named: &ShardLog) -> Result<Papers, ExportError> {
    let shard = named.shard;
    let place = papers_folder(folder, shard);
    let missing = || ExportError::ShardMissing { shard, folder: place.clone() };
    let manifest = manifest_at(&place, &head.validator).ok_or_else(missing)?;
    let digest = named.head(head.netuid, head.validator).digest();
    let slices = of_shard(&manifest, shard).filter(|_| manifest.head == digest).ok_or_else(missing)?;
    let bytes = fs::read(place.join(FRONTIER))?;
    let listed = manifest.files.iter().any(|file| file.name == FRONTIER && file.sha256 == Digest::of(&bytes));
    let frontier = Frontier::decode_all(&mut bytes.as_slice()).ok().filter(|_| listed).ok_or_else(missing)?;
    if !are_there(folder, shard, slices) {
        return Err(missing());
    }
    Ok(Papers { slices: slices.to_vec(), frontier })
}

/// Whether the papers of a shard as a tree head names it are in the folder of bundles.
#[must_use]
pub fn has_papers(folder: &Path, head: &TreeHead, named: &ShardLog) -> bool {
    papers(folder, head, named).is_ok()
}

/// The manifest in this folder, if it is one that this validator signed.
pub(super) fn manifest_at(place: &Path, validator: &AccountId) -> Option<Manifest> {
    let bytes = fs::read(place.join(MANIFEST)).ok()?;
    let manifest = serde_json::from_slice::<SignedManifest>(&bytes).ok()?.verify().ok()?;
    (manifest.validator == *validator).then_some(manifest)
}

/// What a manifest lists of one shard.
pub(super) fn of_shard(manifest: &Manifest, shard: u8) -> Option<&[Slice]> {
    manifest.shards.iter().find(|listed| listed.shard == shard).map(|listed| listed.slices.as_slice())
}

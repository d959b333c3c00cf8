//! Writing a tempo's bundle beside those of earlier tempos: only leaves that none of them has are written, the others are named.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use parity_scale_codec::Encode;
use parquet::errors::ParquetError;
use protocol::account::AccountId;
use protocol::digest::{Digest, Hasher};
use protocol::evidence::ValidEvidence;
use protocol::head::{SignedHead, TreeHead};
use protocol::manifest::{FileEntry, Manifest, Part, SLICE_LEAVES_MAX, SignedManifest, Slice};
use protocol::merkle;
use protocol::receipt::{Countersigned, UncheckedCountersigned};
use protocol::scoring::HOUR_MS;
use protocol::signing::Keypair;

use super::leaves::{LeafWriter, Row};
use super::publish::{bundle, epochs};
use super::shelf::part_path;
use super::{EVIDENCE, FRONTIER, HEADS, MANIFEST, MINERS, POLICY};
use crate::ledger::{HeadRecord, ReadError, Reader};

/// No bundle was written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There is no head for the tempo.
    #[error("the ledger has no head for epoch {epoch_index}; `ledger heads` lists those it has")]
    NoHead {
        /// The tempo asked for.
        epoch_index: u64,
    },
    /// The ledger has no head at all.
    #[error("the ledger has no head yet: the first is cut when the validator first sets weights")]
    NoHeads,
    /// The rules that the head names are gone.
    #[error("the ledger has no policy document {0}")]
    NoDocument(Digest),
    /// The tempo's bundle is there already.
    #[error("{path} is there already; give another folder", path = .0.display())]
    Exists(PathBuf),
    /// More leaves would have to be written than may.
    #[error("{leaves} leaves would be written, at most {max} may be")]
    TooMany {
        /// How many are new.
        leaves: u64,
        /// The limit.
        max: u64,
    },
    /// The ledger could not be read.
    #[error("cannot read the ledger")]
    Read(#[from] ReadError),
    /// A stored receipt is damaged.
    #[error("receipt {index} of the ledger is damaged; `ledger verify` says more")]
    Receipt {
        /// Its place.
        index: u64,
    },
    /// A Parquet file could not be written.
    #[error("cannot write the leaves")]
    Parquet(#[from] ParquetError),
    /// A file could not be written.
    #[error("cannot write the bundle")]
    Write(#[from] io::Error),
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The tempo.
    pub epoch_index: u64,
    /// The digest of its head, as committed on chain.
    pub head: Digest,
    /// Leaves in the bundle.
    pub leaves: u64,
    /// Leaves written now; the others lay there from earlier tempos.
    pub leaves_new: u64,
    /// Bytes of all its files.
    pub bytes: u64,
    /// Bytes of the leaves written now.
    pub bytes_new: u64,
}

/// What is exported, and where to.
#[derive(Debug, Clone, Copy)]
pub struct ExportOptions<'f> {
    /// The tempo; the newest that has a head for `None`.
    pub epoch_index: Option<u64>,
    /// The folder of tempos ([`super::shelf`]); made if it is not there.
    pub folder: &'f Path,
    /// Leaves that may be written at most.
    pub leaves_max: u64,
}

/// Writes the bundle of a tempo, or of the newest one, into a folder of tempos. `progress` is told new leaves done and in all.
///
/// # Errors
/// When there is no such head, or reading or writing fails.
pub fn export(
    reader: &Reader,
    hotkey: &Keypair,
    epoch_index: Option<u64>,
    folder: &Path,
    progress: impl FnMut(u64, u64),
) -> Result<Exported, ExportError> {
    export_with(reader, hotkey, ExportOptions { epoch_index, folder, leaves_max: u64::MAX }, progress)
}

/// The same with a limit to what is written.
///
/// # Errors
/// As [`export`], and when more leaves are new than may be written.
pub fn export_with(
    reader: &Reader,
    hotkey: &Keypair,
    options: ExportOptions<'_>,
    mut progress: impl FnMut(u64, u64),
) -> Result<Exported, ExportError> {
    let ExportOptions { epoch_index, folder, leaves_max } = options;
    let record = match epoch_index {
        Some(epoch_index) => reader.head(epoch_index)?.ok_or(ExportError::NoHead { epoch_index })?,
        None => reader.latest_head()?.ok_or(ExportError::NoHeads)?,
    };
    let HeadRecord { head: SignedHead { head, .. }, miners, standings, .. } = &record;
    let place = bundle(folder, head.epoch_index);
    if place.exists() {
        return Err(ExportError::Exists(place));
    }
    let document = reader.document(&head.policy)?.ok_or(ExportError::NoDocument(head.policy))?;
    let start = head.first_index.saturating_sub(1);
    let mut slices = written_before(reader, head, start, folder)?;
    let first = slices.first().map_or(start, |slice| slice.first);
    let new = slices.last().map_or(start, |slice| slice.end);
    let leaves_new = head.tree_size.saturating_sub(new);
    if leaves_new > leaves_max {
        return Err(ExportError::TooMany { leaves: leaves_new, max: leaves_max });
    }
    let written_slices = slices.len();
    while slices.last().map_or(start, |slice| slice.end) < head.tree_size {
        let from = slices.last().map_or(start, |slice| slice.end);
        slices.push(write_slice(
            reader,
            from,
            head.tree_size.min(from.saturating_add(SLICE_LEAVES_MAX)),
            folder,
        )?);
        progress(slices.last().map_or(0, |slice| slice.end.saturating_sub(new)), leaves_new);
    }
    let new_parts = slices.iter().skip(written_slices).flat_map(|slice| &slice.parts);
    let bytes_new = new_parts.map(|part| part.bytes).sum();

    // Beside its place first, so that a tempo's folder is whole whenever it is there.
    let beside = place.with_extension("part");
    match fs::remove_dir_all(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(ExportError::Write(error)),
        _ => {}
    }
    fs::create_dir_all(&beside)?;
    let mut files = Vec::new();
    let mut put = |name: &str, bytes: Vec<u8>| {
        let entry =
            FileEntry { name: name.to_owned(), bytes: bytes.len() as u64, sha256: Digest::of(&bytes) };
        files.push(entry);
        fs::write(beside.join(name), bytes)
    };
    put(HEADS, heads_over(reader, first, head.epoch_index)?.encode())?;
    put(POLICY, document.encode())?;
    put(MINERS, miners.encode())?;
    if !standings.is_empty() {
        let named = |found: &ValidEvidence| standings.names(&found.digest());
        let evidence = reader.evidence(head.window_start_ms..head.window_end_ms)?;
        let evidence: Vec<_> =
            evidence.iter().filter(|found| named(found)).map(ValidEvidence::signed).collect();
        put(EVIDENCE, evidence.encode())?;
    }
    put(FRONTIER, reader.frontier_at(first)?.encode())?;
    let manifest = Manifest {
        netuid: head.netuid,
        validator: head.validator,
        epoch_index: head.epoch_index,
        head: head.digest(),
        files,
        slices,
    };
    let bytes = manifest.bytes();
    let manifest = serde_json::to_vec(&manifest.sign(hotkey)).map_err(io::Error::other)?;
    fs::write(beside.join(MANIFEST), manifest)?;
    fs::rename(&beside, &place)?;
    Ok(Exported {
        epoch_index: head.epoch_index,
        head: head.digest(),
        leaves: head.tree_size.saturating_sub(first),
        leaves_new,
        bytes,
        bytes_new,
    })
}

/// The slices of the newest earlier bundle here that this head's window needs. None if there is none, it is of another log, or
/// its parts are gone.
fn written_before(
    reader: &Reader,
    head: &TreeHead,
    start: u64,
    folder: &Path,
) -> Result<Vec<Slice>, ExportError> {
    let earlier = epochs(folder)?.into_iter().rev().find(|epoch_index| *epoch_index < head.epoch_index);
    let Some(epoch_index) = earlier else { return Ok(Vec::new()) };
    let bytes = fs::read(bundle(folder, epoch_index).join(MANIFEST))?;
    let manifest =
        serde_json::from_slice::<SignedManifest>(&bytes).ok().and_then(|signed| signed.verify().ok());
    let Some(manifest) = manifest else { return Ok(Vec::new()) };
    // A head that this ledger does not hold is of another log.
    let ours = reader.head(epoch_index)?.is_some_and(|record| record.head.head.digest() == manifest.head);
    let needed: Vec<Slice> = manifest.slices.into_iter().filter(|slice| slice.end > start).collect();
    let whole =
        |part: &Part| fs::metadata(folder.join(part_path(part))).is_ok_and(|found| found.len() == part.bytes);
    let fits = needed.first().is_some_and(|slice| slice.first <= start)
        && needed.last().is_some_and(|slice| slice.end <= head.tree_size)
        && needed.iter().flat_map(|slice| &slice.parts).all(whole);
    Ok(if ours && fits { needed } else { Vec::new() })
}

/// Writes the leaves of a range, which has at most as many as a slice.
fn write_slice(reader: &Reader, first: u64, end: u64, folder: &Path) -> Result<Slice, ExportError> {
    let mut of_part: BTreeMap<(u64, AccountId), Vec<(Row, Countersigned)>> = BTreeMap::new();
    let mut damaged = None;
    reader.for_each_leaf(first, end, |index, leaf, record| {
        // The ledger took it after its signatures were verified; the leaf shows that it is the same. Its signatures are the
        // reviewer's to check.
        match UncheckedCountersigned::from_bytes(record) {
            Ok(receipt) if merkle::leaf_hash(record) == leaf => {
                let receipt = receipt.verified_before();
                let ticket = receipt.ticket();
                let key = (ticket.issued_at_ms / HOUR_MS, ticket.miner);
                let row = Row { index, leaf, record: record.to_vec() };
                of_part.entry(key).or_default().push((row, receipt));
            }
            _ => {
                damaged.get_or_insert(index);
            }
        }
    })?;
    if let Some(index) = damaged {
        return Err(ExportError::Receipt { index });
    }
    let parts = of_part.into_iter().map(|(key, rows)| write_part(key, rows, folder));
    Ok(Slice { first, end, parts: parts.collect::<Result<_, _>>()? })
}

fn write_part(
    (hour, miner): (u64, AccountId),
    rows: Vec<(Row, Countersigned)>,
    folder: &Path,
) -> Result<Part, ExportError> {
    let index = |row: Option<&(Row, Countersigned)>| row.map_or(0, |(row, _)| row.index);
    let (first, last, count) = (index(rows.first()), index(rows.last()), rows.len() as u64);
    let mut bytes = Vec::new();
    let mut writer = LeafWriter::new(&mut bytes)?;
    for (row, receipt) in rows {
        writer.push(row, receipt)?;
    }
    writer.finish()?;
    let sha256 = Digest::of(&bytes);
    let part = Part { hour, miner, first, last, rows: count, bytes: bytes.len() as u64, sha256 };
    let place = folder.join(part_path(&part));
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder)?;
    }
    // The name says the content, so one that is there and whole is this one.
    if fs::metadata(&place).is_ok_and(|found| found.len() == part.bytes) {
        return Ok(part);
    }
    let beside = place.with_extension("part");
    fs::write(&beside, bytes)?;
    fs::rename(beside, place)?;
    Ok(part)
}

/// The heads that end among the leaves, and the last one whatever its size.
fn heads_over(reader: &Reader, first: u64, last_epoch: u64) -> Result<Vec<SignedHead>, ReadError> {
    const PAGE: usize = 256;
    let mut heads = Vec::new();
    let mut next = 0;
    loop {
        let page = reader.heads_from(next, PAGE)?;
        let full = page.len() == PAGE;
        for record in page {
            let head = record.head;
            if head.head.epoch_index > last_epoch {
                return Ok(heads);
            }
            next = head.head.epoch_index.saturating_add(1);
            if head.head.tree_size > first || head.head.epoch_index == last_epoch {
                heads.push(head);
            }
        }
        if !full {
            return Ok(heads);
        }
    }
}

/// Length and SHA-256 of a file.
pub(super) fn digest_of(path: &Path) -> io::Result<(u64, Digest)> {
    let mut file = File::open(path)?;
    let (mut hasher, mut bytes) = (Hasher::new(), 0_u64);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((bytes, hasher.finish()));
        }
        hasher.update(&buffer[..read]);
        bytes = bytes.saturating_add(read as u64);
    }
}

//! Writing a tempo's bundle beside those of earlier tempos: only leaves that none of them has are written, the others are named.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use parity_scale_codec::Encode;
use parquet::errors::ParquetError;
use protocol::account::AccountId;
use protocol::digest::{Digest, Hasher};
use protocol::evidence::ValidEvidence;
use protocol::head::shards::Log;
use protocol::head::{SignedHead, TreeHead};
use protocol::manifest::{
    FileEntry, Manifest, Part, SLICE_LEAVES_MAX, ShardSlices, SignedManifest, Slice, frontier_file,
};
use protocol::merkle;
use protocol::receipt::{Countersigned, UncheckedCountersigned};
use protocol::scoring::HOUR_MS;
use protocol::signing::Keypair;

use super::leaves::{LeafWriter, Row};
use super::publish::{bundle, epochs};
use super::shelf::part_path;
use super::{EVIDENCE, HEADS, MANIFEST, MINERS, POLICY, shard};
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
    /// The papers of another shard are not there.
    #[error(
        "{folder} has not what shard {shard} signed last; it is fetched from its gateway ([shards] of the configuration), or copied from its folder",
        folder = folder.display()
    )]
    ShardMissing {
        /// The shard.
        shard: u8,
        /// Where they belong.
        folder: PathBuf,
    },
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
    let log = head.log(0).ok_or(ExportError::NoHeads)?;
    let start = log.first_index.saturating_sub(1);
    let written = written_before(reader, head, log, folder)?;
    let written_slices = written.len();
    let others = head.shards().into_iter().filter(|named| named.shard > 0);
    let others = others
        .map(|named| Ok((named, shard::papers(folder, head, &named)?)))
        .collect::<Result<Vec<_>, ExportError>>()?;
    let new = NewLeaves { shard: 0, start, end: log.tree_size, leaves_max };
    let (slices, leaves_new) = write_slices(reader, written, new, folder, &mut progress)?;
    let first = slices.first().map_or(start, |slice| slice.first);
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
    let firsts = others.iter().map(|(named, papers)| {
        (named.shard, papers.slices.first().map_or(papers.frontier.size(), |slice| slice.first))
    });
    let firsts: Vec<(u8, u64)> = std::iter::once((0, first)).chain(firsts).collect();
    put(HEADS, heads_over(reader, &firsts, head.epoch_index)?.encode())?;
    put(POLICY, document.encode())?;
    put(MINERS, miners.encode())?;
    if !standings.is_empty() {
        let named = |found: &ValidEvidence| standings.names(&found.digest());
        let evidence = reader.evidence(head.window_start_ms..head.window_end_ms)?;
        let evidence: Vec<_> =
            evidence.iter().filter(|found| named(found)).map(ValidEvidence::signed).collect();
        put(EVIDENCE, evidence.encode())?;
    }
    put(&frontier_file(0), reader.frontier_at(first)?.encode())?;
    let mut leaves = log.tree_size.saturating_sub(first);
    let mut shards = Vec::with_capacity(others.len());
    for ((named, papers), (_, first)) in others.into_iter().zip(firsts.iter().skip(1)) {
        put(&frontier_file(named.shard), papers.frontier.encode())?;
        leaves = leaves.saturating_add(named.log.tree_size.saturating_sub(*first));
        shards.push(ShardSlices { shard: named.shard, slices: papers.slices });
    }
    let manifest = Manifest {
        netuid: head.netuid,
        validator: head.validator,
        epoch_index: head.epoch_index,
        head: head.digest(),
        files,
        slices,
        shards,
    };
    let bytes = manifest.bytes();
    let manifest = serde_json::to_vec(&manifest.sign(hotkey)).map_err(io::Error::other)?;
    fs::write(beside.join(MANIFEST), manifest)?;
    fs::rename(&beside, &place)?;
    Ok(Exported { epoch_index: head.epoch_index, head: head.digest(), leaves, leaves_new, bytes, bytes_new })
}

/// The slices of the newest earlier bundle here that this head's window needs. None if there is none, it is of another log, or
/// its parts are gone.
fn written_before(
    reader: &Reader,
    head: &TreeHead,
    log: Log,
    folder: &Path,
) -> Result<Vec<Slice>, ExportError> {
    let start = log.first_index.saturating_sub(1);
    let earlier = epochs(folder)?.into_iter().rev().find(|epoch_index| *epoch_index < head.epoch_index);
    let Some(epoch_index) = earlier else { return Ok(Vec::new()) };
    let bytes = fs::read(bundle(folder, epoch_index).join(MANIFEST))?;
    let manifest =
        serde_json::from_slice::<SignedManifest>(&bytes).ok().and_then(|signed| signed.verify().ok());
    let Some(manifest) = manifest else { return Ok(Vec::new()) };
    // A head that this ledger does not hold is of another log.
    let ours = reader.head(epoch_index)?.is_some_and(|record| record.head.head.digest() == manifest.head);
    let needed: Vec<Slice> = manifest.slices.into_iter().filter(|slice| slice.end > start).collect();
    let fits = needed.first().is_some_and(|slice| slice.first <= start)
        && needed.last().is_some_and(|slice| slice.end <= log.tree_size)
        && are_there(folder, 0, &needed);
    Ok(if ours && fits { needed } else { Vec::new() })
}

/// Whether all parts of these slices lie in the folder, whole.
pub(super) fn are_there(folder: &Path, shard: u8, slices: &[Slice]) -> bool {
    let whole = |part: &Part| {
        fs::metadata(folder.join(part_path(shard, part))).is_ok_and(|found| found.len() == part.bytes)
    };
    slices.iter().flat_map(|slice| &slice.parts).all(whole)
}

/// Leaves of a log that a bundle needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewLeaves {
    pub(super) shard: u8,
    pub(super) start: u64,
    pub(super) end: u64,
    /// Of which so many may be written.
    pub(super) leaves_max: u64,
}

/// Adds to the slices that are written what they lack of a log. Answers how many leaves that were.
pub(super) fn write_slices(
    reader: &Reader,
    mut slices: Vec<Slice>,
    leaves: NewLeaves,
    folder: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<(Vec<Slice>, u64), ExportError> {
    let NewLeaves { shard, start, end, leaves_max } = leaves;
    let new = slices.last().map_or(start, |slice| slice.end);
    let leaves_new = end.saturating_sub(new);
    if leaves_new > leaves_max {
        return Err(ExportError::TooMany { leaves: leaves_new, max: leaves_max });
    }
    let mut from = new;
    while from < end {
        let to = end.min(from.saturating_add(SLICE_LEAVES_MAX));
        slices.push(write_slice(reader, shard, from..to, folder)?);
        progress(to.saturating_sub(new), leaves_new);
        from = to;
    }
    Ok((slices, leaves_new))
}

/// Writes the leaves of a range, which has at most as many as a slice.
fn write_slice(
    reader: &Reader,
    shard: u8,
    Range { start: first, end }: Range<u64>,
    folder: &Path,
) -> Result<Slice, ExportError> {
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
    let parts = of_part.into_iter().map(|(key, rows)| write_part(shard, key, rows, folder));
    Ok(Slice { first, end, parts: parts.collect::<Result<_, _>>()? })
}

fn write_part(
    shard: u8,
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
    let place = folder.join(part_path(shard, &part));
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

/// The heads that end among the leaves of a shard, each given with its first, and the last one whatever its size.
fn heads_over(reader: &Reader, firsts: &[(u8, u64)], last_epoch: u64) -> Result<Vec<SignedHead>, ReadError> {
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
            let ends_among =
                |(shard, first): &(u8, u64)| head.head.log(*shard).is_some_and(|log| log.tree_size > *first);
            if head.head.epoch_index == last_epoch || firsts.iter().any(ends_among) {
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

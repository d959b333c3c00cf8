//! Writing a tempo's bundle.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read};
use std::path::{Path, PathBuf};

use parity_scale_codec::Encode;
use parquet::errors::ParquetError;
use protocol::digest::{Digest, Hasher};
use protocol::evidence::ValidEvidence;
use protocol::head::SignedHead;
use protocol::manifest::{FileEntry, Manifest};
use protocol::receipt::{ReceiptError, UncheckedCountersigned};
use protocol::signing::Keypair;

use super::leaves::{LeafWriter, Row};
use super::{EVIDENCE, FILE_LEAVES_MAX, FRONTIER, HEADS, MANIFEST, MINERS, POLICY, leaves_name};
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
    /// The folder holds something already.
    #[error("{path} is not empty; give a new folder", path = .0.display())]
    NotEmpty(PathBuf),
    /// The ledger could not be read.
    #[error("cannot read the ledger")]
    Read(#[from] ReadError),
    /// A stored receipt is damaged.
    #[error("receipt {index} of the ledger does not verify")]
    Receipt {
        /// Its place.
        index: u64,
        /// Why.
        #[source]
        source: ReceiptError,
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
    /// Leaves written.
    pub leaves: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

/// Writes the bundle of a tempo, or of the newest one, into an empty or new folder. `progress` is told leaves done and in
/// all.
///
/// # Errors
/// When there is no such head, or reading or writing fails.
pub fn export(
    reader: &Reader,
    hotkey: &Keypair,
    epoch_index: Option<u64>,
    folder: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<Exported, ExportError> {
    let record = match epoch_index {
        Some(epoch_index) => reader.head(epoch_index)?.ok_or(ExportError::NoHead { epoch_index })?,
        None => reader.latest_head()?.ok_or(ExportError::NoHeads)?,
    };
    fs::create_dir_all(folder)?;
    if fs::read_dir(folder)?.next().is_some() {
        return Err(ExportError::NotEmpty(folder.to_owned()));
    }
    let HeadRecord { head: SignedHead { head, .. }, miners, convictions, .. } = &record;
    let first = head.first_index.saturating_sub(1);
    let document = reader.document(&head.policy)?.ok_or(ExportError::NoDocument(head.policy))?;
    let heads = heads_over(reader, first, head.epoch_index)?;
    let mut files = Vec::new();
    let mut put = |name: &str, bytes: Vec<u8>| {
        files.push(name.to_owned());
        fs::write(folder.join(name), bytes)
    };
    put(HEADS, heads.encode())?;
    put(POLICY, document.encode())?;
    put(MINERS, miners.encode())?;
    if !convictions.is_empty() {
        let named = |found: &ValidEvidence| {
            let digest = found.digest();
            convictions.iter().any(|conviction| conviction.evidence.contains(&digest))
        };
        let evidence = reader.evidence(head.window_start_ms..head.window_end_ms)?;
        let evidence: Vec<_> =
            evidence.iter().filter(|found| named(found)).map(ValidEvidence::signed).collect();
        put(EVIDENCE, evidence.encode())?;
    }
    put(FRONTIER, reader.frontier_at(first)?.encode())?;
    files.extend(write_leaves(reader, first, head.tree_size, folder, &mut progress)?);

    let files = files.into_iter().map(|name| entry(folder, name)).collect::<io::Result<Vec<_>>>()?;
    let manifest = Manifest {
        netuid: head.netuid,
        validator: head.validator,
        epoch_index: head.epoch_index,
        head: head.digest(),
        files,
    };
    let bytes = manifest.files.iter().map(|file| file.bytes).sum();
    let manifest = serde_json::to_vec_pretty(&manifest.sign(hotkey)).map_err(io::Error::other)?;
    fs::write(folder.join(MANIFEST), manifest)?;
    let leaves = head.tree_size.saturating_sub(first);
    Ok(Exported { epoch_index: head.epoch_index, head: head.digest(), leaves, bytes })
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

fn write_leaves(
    reader: &Reader,
    first: u64,
    end: u64,
    folder: &Path,
    progress: &mut impl FnMut(u64, u64),
) -> Result<Vec<String>, ExportError> {
    let mut names = Vec::new();
    let mut start = first;
    while start < end {
        let stop = end.min(start.saturating_add(FILE_LEAVES_MAX));
        let name = leaves_name(names.len());
        let mut writer = LeafWriter::new(BufWriter::new(File::create_new(folder.join(&name))?))?;
        let mut failed = None;
        reader.for_each_leaf(start, stop, |index, leaf, record| {
            if failed.is_some() {
                return;
            }
            // Signatures are the reviewer's to check; here the columns for analysts are taken from the record.
            let written =
                match UncheckedCountersigned::from_bytes(record).and_then(UncheckedCountersigned::verify) {
                    Ok(receipt) => writer
                        .push(Row { index, leaf, record: record.to_vec() }, receipt)
                        .map_err(ExportError::Parquet),
                    Err(source) => Err(ExportError::Receipt { index, source }),
                };
            failed = written.err();
            progress(index.saturating_sub(first).saturating_add(1), end.saturating_sub(first));
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        writer.finish()?;
        names.push(name);
        start = stop;
    }
    Ok(names)
}

fn entry(folder: &Path, name: String) -> io::Result<FileEntry> {
    let (bytes, sha256) = digest_of(&folder.join(&name))?;
    Ok(FileEntry { name, bytes, sha256 })
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

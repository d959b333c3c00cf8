//! Where bundles lie: a folder for each tempo, and beside them the parts with the leaves, which tempos share.
//!
//! ```text
//! index.json                                       the tempos
//! 1207/manifest.json, heads.scale, policy.scale, ...
//! parts/hour=486688/miner=5F.../000000000000-000000004711-0123456789abcdef.parquet
//! shards/1/parts/hour=486688/...                   those of another shard than 0
//! shards/1/manifest.json, frontier.scale           what its gateway wrote of them last ([`super::shard`])
//! ```
//!
//! The same on a disk, below a URL and in object storage.

use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use protocol::manifest::{Part, parts_of};

use super::store::Store;
use super::{MANIFEST, publish};

/// Bundles on a disk or in object storage.
#[derive(Debug, Clone)]
pub enum Shelf {
    /// On a disk.
    Folder(PathBuf),
    /// In object storage.
    Store(Store),
}

/// One tempo's bundle.
#[derive(Debug, Clone)]
pub struct Bundle {
    shelf: Shelf,
    tempo: String,
}

impl Shelf {
    /// What lies at this path below it, which has at most so many bytes.
    pub(super) fn read(&self, path: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
        let bytes = match self {
            Self::Folder(folder) => {
                let path = folder.join(path);
                check_length(fs::metadata(&path)?.len(), bytes_max)?;
                fs::read(path)?
            }
            Self::Store(store) => store.read(path, bytes_max)?,
        };
        check_length(bytes.len() as u64, bytes_max)?;
        Ok(bytes)
    }

    /// The same, to be read in pieces.
    fn open(&self, path: &str, bytes_max: u64) -> io::Result<Box<dyn Read>> {
        Ok(match self {
            Self::Folder(folder) => {
                let file = File::open(folder.join(path))?;
                check_length(file.metadata()?.len(), bytes_max)?;
                Box::new(BufReader::new(file.take(bytes_max)))
            }
            Self::Store(_) => Box::new(Cursor::new(self.read(path, bytes_max)?)),
        })
    }

    fn epochs(&self) -> io::Result<Vec<u64>> {
        match self {
            Self::Folder(folder) => publish::epochs(folder),
            Self::Store(store) => store.epochs(),
        }
    }

    /// The bundle of a tempo, or the newest.
    ///
    /// # Errors
    /// When there is none, or the place cannot be read.
    pub fn bundle(self, epoch_index: Option<u64>) -> io::Result<Bundle> {
        let epochs = self.epochs()?;
        let found = match epoch_index {
            Some(epoch_index) => epochs.contains(&epoch_index).then_some(epoch_index),
            None => epochs.last().copied(),
        };
        let found = found.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                "there is no such bundle; give what `audit fetch` was given as --out",
            )
        })?;
        Ok(Bundle { shelf: self, tempo: found.to_string() })
    }
}

impl Bundle {
    /// The bundle in this folder: a tempo's own folder, or the newest of a folder of tempos.
    ///
    /// # Errors
    /// When there is none, or the folder cannot be read.
    pub fn at(folder: &Path) -> io::Result<Self> {
        // Relative and dotted paths too have a name and a folder above.
        let folder = fs::canonicalize(folder)?;
        let is_tempo = folder.join(MANIFEST).exists();
        match (folder.parent(), folder.file_name().and_then(|name| name.to_str())) {
            (Some(parent), Some(name)) if is_tempo => {
                Ok(Self { shelf: Shelf::Folder(parent.to_owned()), tempo: name.to_owned() })
            }
            _ => Shelf::Folder(folder).bundle(None),
        }
    }

    /// One of the files beside the manifest, or the manifest.
    pub(super) fn file(&self, name: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
        self.shelf.read(&format!("{}/{name}", self.tempo), bytes_max)
    }

    /// The same, to be read in pieces.
    pub(super) fn open(&self, name: &str, bytes_max: u64) -> io::Result<Box<dyn Read>> {
        self.shelf.open(&format!("{}/{name}", self.tempo), bytes_max)
    }

    /// A part's bytes.
    pub(super) fn part(&self, shard: u8, part: &Part) -> io::Result<Vec<u8>> {
        // A longer file is another one: its digest shows that.
        self.shelf.read(&part_path(shard, part), part.bytes.saturating_add(1 << 20))
    }
}

/// Where a shard's part lies below a shelf.
pub(super) fn part_path(shard: u8, part: &Part) -> String {
    format!("{}/{}", parts_of(shard), part.path())
}

fn check_length(found: u64, max: u64) -> io::Result<()> {
    if found <= max {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has {found} bytes, at most {max} are read")))
}

//! The folders of the store: what is there, what it weighs, and what goes when room is needed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use parity_scale_codec::{DecodeAll, Encode};
use protocol::catalogue_document::{Offer, WeightFile};
use protocol::digest::{Digest, Hasher};
use protocol::weight_tree::{HashedWeights, WeightHasher};

use super::error::disk;
use super::{FetchError, OpenError, below};

const PIECE_BYTES: usize = 1 << 20;

/// The folders. See [`crate::store`] for what is in them.
#[derive(Debug)]
pub(super) struct Objects {
    root: PathBuf,
    disk_bytes_max: u64,
    /// Locked for as long as it is open.
    _lock: File,
}

/// What a finished download turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// The file that was promised; it is an object now.
    Good,
    /// Another file, which was removed.
    Other(Digest),
}

/// A file that could go.
#[derive(Debug)]
struct Candidate {
    path: PathBuf,
    bytes: u64,
    /// Broken-off downloads go before whole files, then the one that was not used for longest.
    order: (bool, SystemTime),
}

impl Objects {
    pub fn open(root: &Path, disk_bytes_max: u64) -> Result<Self, OpenError> {
        let folder = |source| OpenError::Folder { path: root.to_owned(), source };
        for name in ["objects", "partial", "models", "leaves"] {
            let path = root.join(name);
            fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(folder)?;
        }
        let lock = File::create(root.join("lock")).map_err(folder)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(OpenError::Taken { path: root.to_owned() }),
            Err(fs::TryLockError::Error(source)) => return Err(folder(source)),
        }
        Ok(Self { root: root.to_owned(), disk_bytes_max, _lock: lock })
    }

    pub fn object(&self, sha256: &Digest) -> PathBuf {
        self.root.join("objects").join(hex::encode(sha256.0))
    }

    /// Where the leaves of an object's tree are.
    fn leaves(&self, sha256: &Digest) -> PathBuf {
        self.root.join("leaves").join(hex::encode(sha256.0))
    }

    /// What an object hashed to when it came. `None` if that was not kept, or is unreadable: then it is hashed again when it must be.
    pub fn hashed(&self, file: &WeightFile) -> Option<HashedWeights> {
        let bytes = fs::read(self.leaves(&file.sha256)).ok()?;
        let leaves = Vec::<Digest>::decode_all(&mut bytes.as_slice()).ok()?;
        Some(HashedWeights { sha256: file.sha256, bytes: file.bytes, leaves })
    }

    /// Keeps the leaves that checking a file has brought. Without them the file is as good, so a failure is only told.
    fn keep_leaves(&self, hashed: &HashedWeights) {
        let path = self.leaves(&hashed.sha256);
        let new = path.with_extension("new");
        if let Err(error) = fs::write(&new, hashed.leaves.encode()).and_then(|()| fs::rename(&new, &path)) {
            tracing::warn!(path = %path.display(), %error, "the leaves of a weight file's tree were not kept");
        }
    }

    pub fn partial(&self, sha256: &Digest) -> PathBuf {
        self.root.join("partial").join(hex::encode(sha256.0))
    }

    /// A folder for one package's wheel.
    pub fn unpacking(&self, sha256: &Digest) -> PathBuf {
        self.root.join("partial").join(format!("{}.wheel", hex::encode(sha256.0)))
    }

    /// Whether the file is an object of the right length.
    pub fn has(&self, file: &WeightFile) -> bool {
        fs::metadata(self.object(&file.sha256)).is_ok_and(|found| found.len() == file.bytes)
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        let (kept, candidates) = self.files(&BTreeSet::new());
        kept + candidates.iter().map(|candidate| candidate.bytes).sum::<u64>()
    }

    /// Hashes an object again. One that is not what it was any more is removed, and answered with false.
    pub async fn recheck(&self, file: &WeightFile) -> Result<bool, FetchError> {
        let path = self.object(&file.sha256);
        let hashed = hash(&path).await?;
        if hashed.sha256 == file.sha256 {
            if !self.leaves(&file.sha256).exists() {
                self.keep_leaves(&hashed);
            }
            return Ok(true);
        }
        tracing::warn!(file = %file.name, path = %path.display(), "a stored file has changed on disk and is fetched again");
        fs::remove_file(&path).map_err(disk("remove", &path))?;
        Ok(false)
    }

    /// Makes the partial file an object if it is what was promised, and removes it otherwise.
    pub async fn admit(&self, file: &WeightFile) -> Result<Checked, FetchError> {
        let (partial, object) = (self.partial(&file.sha256), self.object(&file.sha256));
        let found = hash(&partial).await?;
        if found.sha256 != file.sha256 {
            fs::remove_file(&partial).map_err(disk("remove", &partial))?;
            return Ok(Checked::Other(found.sha256));
        }
        self.keep_leaves(&found);
        fs::rename(&partial, &object).map_err(disk("rename", &partial))?;
        let folder = self.root.join("objects");
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(disk("sync", &folder))?;
        Ok(Checked::Good)
    }

    /// Copies the file from an operator's folder if it is there, by its path or as its last part, with the right content.
    pub async fn adopt(&self, folder: &Path, file: &WeightFile) -> Result<bool, FetchError> {
        let last = file.name.rsplit('/').next().unwrap_or(&file.name);
        let right_length = |path: &PathBuf| fs::metadata(path).is_ok_and(|found| found.len() == file.bytes);
        let Some(path) = [below(folder, &file.name), folder.join(last)].into_iter().find(right_length) else {
            return Ok(false);
        };
        // Copied, not linked: who writes to the own file must not change an object.
        let partial = self.partial(&file.sha256);
        tokio::fs::copy(&path, &partial).await.map_err(disk("copy", &path))?;
        Ok(self.admit(file).await? == Checked::Good)
    }

    /// Removes what nobody uses until `wanted` more bytes fit.
    pub fn make_room(&self, wanted: u64, keep: &BTreeSet<Digest>) -> Result<(), FetchError> {
        let (kept, mut candidates) = self.files(keep);
        let left = self.disk_bytes_max.saturating_sub(kept);
        if wanted > left {
            return Err(FetchError::NoRoom { wanted, left });
        }
        candidates.sort_by_key(|candidate| candidate.order);
        let mut taken: u64 = candidates.iter().map(|candidate| candidate.bytes).sum();
        for Candidate { path, bytes, .. } in candidates {
            if taken.saturating_add(wanted) <= left {
                break;
            }
            tracing::info!(path = %path.display(), bytes, "removed from the disk to make room");
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(disk("remove", &path))?;
            // Its leaves have its name; a download has none.
            if let Some(name) = path.file_name().filter(|_| path.starts_with(self.root.join("objects"))) {
                let _ = fs::remove_file(self.root.join("leaves").join(name));
            }
            taken -= bytes;
        }
        Ok(())
    }

    /// The bytes of the files to keep that are whole, and all other files. What is to be kept and broken off counts as wanted.
    fn files(&self, keep: &BTreeSet<Digest>) -> (u64, Vec<Candidate>) {
        let names: BTreeSet<String> = keep.iter().map(|digest| hex::encode(digest.0)).collect();
        let (mut kept, mut candidates) = (0, Vec::new());
        for (folder, whole) in [("objects", true), ("partial", false)] {
            for entry in fs::read_dir(self.root.join(folder)).into_iter().flatten().flatten() {
                let Ok(metadata) = entry.metadata() else { continue };
                let bytes = if metadata.is_dir() { folder_bytes(&entry.path()) } else { metadata.len() };
                let name = entry.file_name();
                let in_use =
                    name.to_str().is_some_and(|name| names.contains(name.trim_end_matches(".wheel")));
                match in_use {
                    true if whole => kept += bytes,
                    true => {}
                    false => {
                        let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                        candidates.push(Candidate { path: entry.path(), bytes, order: (whole, used) });
                    }
                }
            }
        }
        (kept, candidates)
    }

    /// Shows a model's objects under their names, and says that they are in use as of now.
    pub fn link(&self, offer: &Offer) -> Result<PathBuf, FetchError> {
        let folder = self.root.join("models").join(hex::encode(name_of(offer).0));
        for file in &offer.files {
            let object = self.object(&file.sha256);
            let now = SystemTime::now();
            File::open(&object).and_then(|file| file.set_modified(now)).map_err(disk("touch", &object))?;
            let link = below(&folder, &file.name);
            let parent = link.parent().unwrap_or(&folder);
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)
                .map_err(disk("make the folder", parent))?;
            match symlink(&object, &link) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made.map_err(disk("link", &link))?,
            }
        }
        match offer.files.as_slice() {
            [file] if file.name.ends_with(".gguf") => Ok(below(&folder, &file.name)),
            _ => Ok(folder),
        }
    }
}

/// One name for one set of files.
fn name_of(offer: &Offer) -> Digest {
    let mut hasher = Hasher::new();
    for file in &offer.files {
        hasher.update(file.name.as_bytes());
        hasher.update(&[0]);
        hasher.update(&file.sha256.0);
    }
    hasher.finish()
}

fn folder_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

async fn hash(path: &Path) -> Result<HashedWeights, FetchError> {
    let of = path.to_owned();
    let hashed = tokio::task::spawn_blocking(move || hash_file(&of));
    hashed.await.map_err(io::Error::other).flatten().map_err(disk("read", path))
}

/// Reads a file once for its digest and its tree.
pub(crate) fn hash_file(path: &Path) -> io::Result<HashedWeights> {
    let mut file = File::open(path)?;
    let (mut hasher, mut piece) = (WeightHasher::new(), vec![0; PIECE_BYTES]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(piece.get(..read).unwrap_or_default()),
        }
    }
}

//! Copies of the ledger: made whole, checked before they are used.
//!
//! A ledger that nobody holds open is copied by RocksDB's checkpoint, which links files instead of reading them. One that a
//! running validator writes is read as it is on disk at one moment and written anew.
//!
//! A copy that is put back is older than what the validator has signed since. Its sequence numbers go on far behind those that
//! it knows, so that no number is given twice; calls and heads since the copy are lost, and heads committed meanwhile show to
//! auditors as a fork. So a copy is for a disk that is gone, not for going back.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::{OpenError, ReadError};
use super::reader::{Reader, Verified};
use super::schema::Owner;
use super::store::Store;

/// Sequence numbers skipped for each known miner when a copy is put back: more than it can have been given since.
const SEQUENCES_SKIPPED: u64 = 1 << 32;

/// No copy was made, or none put back.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The place is taken.
    #[error("{path} is not empty; give a new folder", path = .0.display())]
    NotEmpty(PathBuf),
    /// The ledger cannot be opened.
    #[error(transparent)]
    Open(OpenError),
    /// The copy cannot be opened.
    #[error("the copy cannot be used")]
    Copy(#[source] OpenError),
    /// The copy is not whole.
    #[error("the copy does not hold")]
    Check(#[source] ReadError),
    /// RocksDB could not write it.
    #[error("the database could not be copied")]
    Storage(#[source] rocksdb::Error),
    /// Files could not be copied.
    #[error("files could not be copied")]
    Files(#[source] io::Error),
}

/// Copies the ledger at `from` to the new folder `to`, and checks the copy: every signature and the root.
///
/// # Errors
/// When there is no ledger of this owner, the folder is not new, or the disk is full.
pub fn back_up(from: &Path, to: &Path, owner: Owner) -> Result<Verified, CopyError> {
    vacant(to)?;
    let made = match Store::open(from, owner) {
        Ok(store) => store.checkpoint(to).map_err(CopyError::Storage),
        Err(OpenError::InUse { .. }) => {
            let store = Store::open_read_only(from, owner).map_err(CopyError::Open)?;
            store.write_anew(to).map_err(CopyError::Check)
        }
        Err(error) => Err(CopyError::Open(error)),
    };
    made?;
    let reader = Reader::open(to, owner).map_err(CopyError::Copy)?;
    reader.verify(|_| ()).map_err(CopyError::Check)
}

/// Checks the copy and puts it where the ledger belongs.
///
/// # Errors
/// When the copy is not whole, or the place is taken.
pub fn restore(copy: &Path, to: &Path, owner: Owner) -> Result<Verified, CopyError> {
    vacant(to)?;
    let reader = Reader::open(copy, owner).map_err(CopyError::Copy)?;
    let verified = reader.verify(|_| ()).map_err(CopyError::Check)?;
    drop(reader);
    // Beside its place first, so that a half-written one is never taken for a ledger.
    let beside = to.with_extension("part");
    match fs::remove_dir_all(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(CopyError::Files(error)),
        _ => {}
    }
    copy_files(copy, &beside).map_err(CopyError::Files)?;
    let store = Store::open(&beside, owner).map_err(CopyError::Copy)?;
    store.skip_sequences(SEQUENCES_SKIPPED).map_err(CopyError::Check)?;
    drop(store);
    match fs::remove_dir(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(CopyError::Files(error)),
        _ => {}
    }
    fs::rename(&beside, to).map_err(CopyError::Files)?;
    Ok(verified)
}

/// Rewrites the database without what it no longer needs. Answers its size in bytes before and after.
///
/// # Errors
/// When it cannot be opened or written.
pub fn compact(path: &Path, owner: Owner) -> Result<(u64, u64), CopyError> {
    let store = Store::open(path, owner).map_err(CopyError::Open)?;
    let before = bytes_under(path).map_err(CopyError::Files)?;
    store.compact().map_err(CopyError::Check)?;
    drop(store);
    Ok((before, bytes_under(path).map_err(CopyError::Files)?))
}

fn vacant(folder: &Path) -> Result<(), CopyError> {
    match fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(CopyError::NotEmpty(folder.to_owned())),
        Ok(false) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(CopyError::Files(error)),
    }
}

fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        // RocksDB's own notes; a lock would be that of another process.
        let name = entry.file_name();
        if entry.file_type()?.is_file() && name != "LOCK" && !name.to_string_lossy().starts_with("LOG") {
            let copy = to.join(name);
            fs::copy(entry.path(), &copy)?;
            fs::File::open(copy)?.sync_all()?;
        }
    }
    fs::File::open(to)?.sync_all()
}

fn bytes_under(folder: &Path) -> io::Result<u64> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.metadata()?.len())).sum()
}

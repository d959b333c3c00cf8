//! Small files beside the ledger: written whole, synced, then renamed into place, readable by their owner only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes the folder (and its parents) with mode 0700 unless it exists.
pub fn create(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Replaces `path` by `contents`: afterwards the file holds the old or the new bytes, whatever fails and whenever, and a
/// return of `Ok` means the new bytes are on disk.
pub fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let dir = path.parent().ok_or_else(|| io::Error::other("a state file needs a folder"))?;
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(dir)?.sync_all()
}

/// Reads a 32-byte secret, or makes it from the system's randomness on first use.
pub fn secret(path: &Path) -> io::Result<[u8; 32]> {
    match fs::read(path) {
        Ok(bytes) => {
            bytes.try_into().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "expected 32 bytes"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut secret = [0u8; 32];
            getrandom::fill(&mut secret).map_err(io::Error::other)?;
            replace(path, &secret)?;
            Ok(secret)
        }
        Err(error) => Err(error),
    }
}

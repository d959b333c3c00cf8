//! Which parts a reviewer has checked, so that a review that was killed goes on, and that of the next tempo checks new parts only.
//!
//! A line for each part: its SHA-256. A part on the list is read and hashed again, its leaves are put into the tree and scored again;
//! only its signatures are not verified twice, which is most of the work. Whoever can write the list can pass off bad signatures, so
//! it does not belong beside the bundle. Parts that no bundle kept here lists are taken off it, or it would grow for ever.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::digest::Digest;

/// The list, held in memory and in a file. Reviews of several shards share it.
#[derive(Debug)]
pub struct Seen {
    list: Mutex<List>,
}

#[derive(Debug)]
struct List {
    parts: HashSet<Digest>,
    path: PathBuf,
    file: File,
}

impl Seen {
    /// Opens the list, or makes it.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            other => other?,
        };
        // A line that a crash cut off names no part.
        let parts = text.lines().filter_map(|line| line.parse().ok()).collect();
        let mut file = File::options().create(true).append(true).open(path)?;
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n")?;
        }
        Ok(Self { list: Mutex::new(List { parts, path: path.to_owned(), file }) })
    }

    /// How many parts are on it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().parts.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().parts.is_empty()
    }

    pub(super) fn has(&self, part: &Digest) -> bool {
        self.lock().parts.contains(part)
    }

    /// Adds parts whose every signature was verified.
    pub(super) fn add(&self, parts: &[Digest]) -> io::Result<()> {
        let mut list = self.lock();
        let new = parts.iter().filter(|part| !list.parts.contains(*part));
        let lines: String = new.map(|part| format!("{part}\n")).collect();
        if lines.is_empty() {
            return Ok(());
        }
        list.file.write_all(lines.as_bytes())?;
        list.file.sync_data()?;
        list.parts.extend(parts);
        Ok(())
    }

    /// Takes all other parts off the list. A crash leaves either list, whole.
    pub(super) fn keep(&self, listed: &HashSet<Digest>) -> io::Result<()> {
        let mut list = self.lock();
        if list.parts.is_subset(listed) {
            return Ok(());
        }
        let parts: HashSet<Digest> = list.parts.intersection(listed).copied().collect();
        let lines: String = parts.iter().map(|part| format!("{part}\n")).collect();
        let beside = list.path.with_added_extension("part");
        let mut file = File::create(&beside)?;
        file.write_all(lines.as_bytes())?;
        file.sync_data()?;
        fs::rename(&beside, &list.path)?;
        // What is added goes behind what was written.
        (list.parts, list.file) = (parts, file);
        Ok(())
    }

    /// Nothing here panics while holding the lock.
    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_no_bundle_lists_any_more_leave_the_file_and_others_can_still_be_added() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("5Alice.seen");
        let [one, two, three] = [1, 2, 3].map(|number| Digest([number; 32]));
        let seen = Seen::open(&path).unwrap();
        seen.add(&[one, two]).unwrap();
        seen.keep(&[two, three].into()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{two}\n"));
        seen.add(&[three]).unwrap();
        let again = Seen::open(&path).unwrap();
        assert_eq!(
            (again.len(), again.has(&one), again.has(&two), again.has(&three)),
            (2, false, true, true)
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn parts_are_known_again_after_a_crash_and_half_a_line_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen");
        let [one, two, three] = [1, 2, 3].map(|number| Digest([number; 32]));
        Seen::open(&path).unwrap().add(&[one, two]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 9]).unwrap();
        let again = Seen::open(&path).unwrap();
        assert_eq!((again.len(), again.has(&one), again.has(&two)), (1, true, false));
        again.add(&[one, three]).unwrap();
        let again = Seen::open(&path).unwrap();
        assert_eq!((again.len(), again.has(&three)), (2, true));
    }
}

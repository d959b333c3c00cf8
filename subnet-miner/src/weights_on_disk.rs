//! The files that a loaded model's weights came from, of which validators may ask to be shown pieces.
//!
//! A file's tree is made once: the store keeps what its own check of a download hashed; of an operator's file it is made at the first
//! challenge and kept in memory, one byte for 2,048. Making it takes as long as reading the file, so the first challenge after a start may
//! be missed for a very large one; single misses are held against nobody.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::challenge::{Pieces, WeightsTask};
use protocol::digest::Digest;
use protocol::weight_tree::HashedWeights;

use crate::store::hash_file;

/// One file.
#[derive(Debug)]
pub struct WeightsOnDisk {
    path: PathBuf,
    hashed: Mutex<Option<Arc<HashedWeights>>>,
}

impl WeightsOnDisk {
    /// The file at this path, and what it hashes to if that is known.
    pub fn new(path: PathBuf, hashed: Option<HashedWeights>) -> Self {
        Self { path, hashed: Mutex::new(hashed.map(Arc::new)) }
    }

    /// The pieces that are asked for; `None` if this is another file. Blocks for as long as the reading takes.
    pub fn show(&self, task: &WeightsTask, seed: &Digest) -> io::Result<Option<Pieces>> {
        if std::fs::metadata(&self.path)?.len() != task.bytes {
            return Ok(None);
        }
        let mut known = self.hashed.lock().unwrap_or_else(PoisonError::into_inner);
        let hashed = match known.as_ref().filter(|hashed| task.is_of(hashed)) {
            Some(hashed) => Arc::clone(hashed),
            // Not read yet; or read when it was another, or its leaves were damaged, or the challenge names a root that is not its.
            None => {
                let hashed = Arc::new(hash_file(&self.path)?);
                Arc::clone(known.insert(hashed))
            }
        };
        drop(known);
        if !task.is_of(&hashed) {
            return Ok(None);
        }
        let mut file = File::open(&self.path)?;
        let read = |start: u64, length: usize| {
            let mut piece = vec![0; length];
            file.seek(SeekFrom::Start(start))?;
            file.read_exact(&mut piece)?;
            Ok(piece)
        };
        Pieces::show(task, seed, &hashed, read).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use protocol::weight_tree::{PIECE_BYTES, WeightHasher};

    use super::*;

    #[test]
    fn pieces_are_shown_of_the_file_that_is_asked_for_and_of_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.gguf");
        let content: Vec<u8> = (0..PIECE_BYTES * 3 + 9).map(|at| (at / 7) as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let mut hasher = WeightHasher::new();
        hasher.update(&content);
        let hashed = hasher.finish();
        let (file, bytes, root) = (hashed.sha256, hashed.bytes, hashed.root());
        let task = WeightsTask { model: "m".parse().unwrap(), file, bytes, root, pieces: 5 };
        let seed = Digest([3; 32]);
        // Damaged leaves are made again.
        let damaged = HashedWeights { leaves: vec![Digest::ZERO; 4], ..hashed };
        for known in [None, Some(damaged)] {
            let on_disk = WeightsOnDisk::new(path.clone(), known);
            let Pieces(shown) = on_disk.show(&task, &seed).unwrap().unwrap();
            for (place, piece) in task.places(&seed).into_iter().zip(shown) {
                let start = usize::try_from(place).unwrap() * PIECE_BYTES;
                assert_eq!(piece.content, content[start..(start + PIECE_BYTES).min(content.len())]);
            }
            let invented = WeightsTask { root: Digest([1; 32]), ..task.clone() };
            assert_eq!(on_disk.show(&invented, &seed).unwrap(), None, "a root that is not the file's");
            let longer = WeightsTask { bytes: bytes + 1, ..task.clone() };
            assert_eq!(on_disk.show(&longer, &seed).unwrap(), None);
        }
    }
}

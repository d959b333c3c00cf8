//! What this validator has decided to tell the chain, on disk before it is told.
//!
//! One small file, replaced as a whole and synced at every step, holds the last vector and how far it got:
//! `Decided` (chosen, nothing sent), `Submitted` (perhaps sent: only the chain knows), `Confirmed` (in a finalised block).
//! Whatever moment the process dies at, the next start knows whether a second vector could reach the same tempo.

use std::io;
use std::path::{Path, PathBuf};

use protocol::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::state_dir;

/// How far a vector got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Progress {
    /// Chosen; certainly not on its way.
    Decided,
    /// Given to the chain at this height, or about to be; its fate is not known.
    Submitted {
        /// The best block when it was submitted.
        at_block: u32,
    },
    /// In a finalised block.
    Confirmed {
        /// That block.
        in_block: u64,
    },
}

/// One vector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The subnet.
    pub netuid: u16,
    /// The mechanism; 0 where there is only one.
    pub mechanism: u8,
    /// The tempo it was decided in, as the chain counts epochs.
    pub epoch_index: u64,
    /// The finalised block whose facts it was decided from.
    pub decided_at_block: u32,
    /// Digest of the score table it follows from.
    pub scores: Digest,
    /// Uid and weight, ascending by uid.
    pub vector: Vec<(u16, u16)>,
    /// How far it got.
    pub progress: Progress,
}

/// The journal file.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    entry: Option<Entry>,
}

/// The journal could not be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It could not be read.
    #[error("cannot read the weights journal {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not a journal. Starting without it could set a second vector in one tempo.
    #[error(
        "the weights journal {path} is damaged; move it away once the last vector is one tempo old",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        #[source]
        source: serde_json::Error,
    },
    /// It could not be written; nothing may be submitted.
    #[error("cannot write the weights journal {path}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Journal {
    /// Opens the journal; a missing file is an empty one.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let entry = match std::fs::read(path) {
            Ok(bytes) => Some(
                serde_json::from_slice(&bytes)
                    .map_err(|source| JournalError::Damaged { path: path.to_owned(), source })?,
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(JournalError::Read { path: path.to_owned(), source }),
        };
        Ok(Self { path: path.to_owned(), entry })
    }

    /// The last vector.
    #[must_use]
    pub fn entry(&self) -> Option<&Entry> {
        self.entry.as_ref()
    }

    /// Records a vector as decided. It replaces the last one.
    pub fn decide(&mut self, entry: Entry) -> Result<(), JournalError> {
        self.write(Entry { progress: Progress::Decided, ..entry })
    }

    /// Records that the vector goes out now. Must be on disk before it does.
    pub fn submit(&mut self, at_block: u32) -> Result<(), JournalError> {
        self.advance(Progress::Submitted { at_block })
    }

    /// Records that the chain has it.
    pub fn confirm(&mut self, in_block: u64) -> Result<(), JournalError> {
        self.advance(Progress::Confirmed { in_block })
    }

    /// Records that the chain has refused it and cannot include it any more.
    pub fn reject(&mut self) -> Result<(), JournalError> {
        self.advance(Progress::Decided)
    }

    fn advance(&mut self, progress: Progress) -> Result<(), JournalError> {
        match self.entry.clone() {
            Some(entry) => self.write(Entry { progress, ..entry }),
            None => Ok(()),
        }
    }

    fn write(&mut self, entry: Entry) -> Result<(), JournalError> {
        let failed = |source| JournalError::Write { path: self.path.clone(), source };
        let bytes = serde_json::to_vec_pretty(&entry).map_err(|error| failed(error.into()))?;
        state_dir::replace(&self.path, &bytes).map_err(failed)?;
        self.entry = Some(entry);
        Ok(())
    }
}

//! Calls that a miner says a validator dropped: a folder of countersigned calls, each in a file of its own, and the search for
//! them among the leaves of a bundle.
//!
//! A file holds the SCALE bytes of one countersigned call, or `0x` and their digits, as `subnet-miner receipts export` writes it. The
//! call carries the validator's own signature, so nothing has to be believed about who put the file there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use protocol::account::AccountId;
use protocol::dispute::{DisputeError, Found, Omission};
use protocol::head::ValidHead;
use protocol::receipt::{COUNTERSIGNED_BYTES_MAX, Countersigned, UncheckedCountersigned};

/// Files of a folder that are looked at.
const FILES_MAX: usize = 4_096;

/// A call with the file that it came from.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The file.
    pub path: PathBuf,
    /// The call, all three signatures checked.
    pub call: Countersigned,
}

/// A paper cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PaperError {
    /// The file cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is longer than any paper of its kind.
    #[error("{path} has {bytes} bytes, more than any paper of its kind", path = path.display())]
    TooLong {
        /// Which one.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// The file begins as digits do and goes on otherwise.
    #[error("{path} begins with 0x and holds something else than digits", path = path.display())]
    Digits {
        /// Which one.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write {path}", path = path.display())]
    Written {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What it holds proves nothing.
    #[error("{path} is no proof", path = path.display())]
    Nothing {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: DisputeError,
    },
}

/// A search for all claims against one validator among the leaves of one head.
#[derive(Debug, Default)]
pub struct Search {
    omissions: Vec<(Claim, Omission)>,
}

/// A claim that the leaves bear out.
#[derive(Debug, Clone)]
pub struct Proven {
    /// The claim.
    pub claim: Claim,
    /// Dropped, or replaced by something else.
    pub found: Found,
}

/// The bytes of a paper of at most so many, from a file that holds them or `0x` and their digits.
///
/// # Errors
/// When it cannot be read, or is longer.
pub fn read_paper(path: &Path, bytes_max: u64) -> Result<Vec<u8>, PaperError> {
    let failed = |source| PaperError::Read { path: path.to_owned(), source };
    let length = fs::metadata(path).map_err(failed)?.len();
    // Two digits for each byte, 0x and a line's end.
    if length > bytes_max.saturating_mul(2).saturating_add(4) {
        return Err(PaperError::TooLong { path: path.to_owned(), bytes: length });
    }
    let bytes = fs::read(path).map_err(failed)?;
    let text = std::str::from_utf8(&bytes).ok().and_then(|text| text.trim().strip_prefix("0x"));
    let bytes = match text {
        Some(digits) => hex::decode(digits).map_err(|_| PaperError::Digits { path: path.to_owned() })?,
        None => bytes,
    };
    if bytes.len() as u64 > bytes_max {
        return Err(PaperError::TooLong { path: path.to_owned(), bytes: bytes.len() as u64 });
    }
    Ok(bytes)
}

impl Claim {
    /// Reads one file.
    ///
    /// # Errors
    /// When it cannot be read, or holds no countersigned call.
    pub fn read(path: &Path) -> Result<Self, PaperError> {
        let bytes = read_paper(path, COUNTERSIGNED_BYTES_MAX as u64)?;
        let call = UncheckedCountersigned::from_bytes(&bytes).and_then(UncheckedCountersigned::verify);
        let nothing =
            |error| PaperError::Nothing { path: path.to_owned(), source: DisputeError::Call(error) };
        Ok(Self { path: path.to_owned(), call: call.map_err(nothing)? })
    }

    /// Reads the files of a folder that hold a call of this validator. Others, and a folder that is not there, are passed
    /// over.
    #[must_use]
    pub fn read_all(folder: &Path, validator: &AccountId) -> Vec<Self> {
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        let claims = paths.iter().take(FILES_MAX).filter_map(|path| Self::read(path).ok());
        claims.filter(|claim| claim.call.ticket().validator == *validator).collect()
    }
}

impl Search {
    /// For those of the claims that the head must answer for: its log must hold the call by now, and in its window.
    #[must_use]
    pub fn new(claims: Vec<Claim>, head: &ValidHead) -> Self {
        let omissions = claims.into_iter().filter_map(|claim| {
            let omission = Omission::new(claim.call.clone(), head).ok()?;
            Some((claim, omission))
        });
        Self { omissions: omissions.collect() }
    }

    /// Looks at receipts of the log.
    pub fn see(&mut self, receipts: &[Countersigned]) {
        for (_, omission) in &mut self.omissions {
            receipts.iter().for_each(|receipt| omission.see(receipt));
        }
    }

    /// The claims that hold, once all leaves were seen and found to be the head's.
    #[must_use]
    pub fn finish(self) -> Vec<Proven> {
        let proven = self.omissions.into_iter().filter_map(|(claim, omission)| match omission.finish() {
            Found::InLog => None,
            found => Some(Proven { claim, found }),
        });
        proven.collect()
    }
}

impl std::fmt::Display for Proven {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ticket = self.claim.call.ticket();
        let what = match self.found {
            Found::Altered(_) => "another record stands in the log for",
            Found::Omitted | Found::InLog => "the log lacks",
        };
        let (sequence, miner, path) = (ticket.sequence, &ticket.miner, self.claim.path.display());
        write!(out, "{what} call {sequence} of miner {miner}, which the validator countersigned: {path}")
    }
}

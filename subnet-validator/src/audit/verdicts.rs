//! What became of reviewing other validators: one line for each verdict, kept in a file that everybody may read.
//!
//! A running validator keeps here what it finds in others' papers ([`super::peers`]), and so does `audit review`; the staker JSON-RPC
//! shows it. A verdict is this validator's
//! word: who wants proof fetches the bundle and reviews it.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::verdict::Verdict;

/// The file of verdicts inside the state folder.
pub const VERDICTS_FILE: &str = "verdicts.jsonl";

/// Lines longer than this are no verdicts.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Verdicts that are shown; older ones stay in the file.
const VERDICTS_MAX: usize = 4_096;

/// What one review found, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptVerdict {
    /// What was found.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// When it was reviewed, by the reviewer's clock.
    pub reviewed_at_ms: u64,
}

/// The file of verdicts.
#[derive(Debug, Clone)]
pub struct Verdicts {
    path: PathBuf,
}

impl Verdicts {
    /// The verdicts in this state folder; there may be none yet.
    #[must_use]
    pub fn new(state_dir: &Path) -> Self {
        Self { path: state_dir.join(VERDICTS_FILE) }
    }

    /// Adds one. A line is written whole, so that readers in other processes see all of it or nothing.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append(&self, verdict: &KeptVerdict) -> io::Result<()> {
        let mut line = serde_json::to_vec(verdict)?;
        line.push(b'\n');
        let mut file = File::options().create(true).append(true).open(&self.path)?;
        file.write_all(&line)?;
        file.sync_data()
    }

    /// The newest, oldest first. A line that is cut off is left out: somebody is writing it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self) -> io::Result<Vec<KeptVerdict>> {
        let file = match File::open(&self.path) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut verdicts = std::collections::VecDeque::new();
        for line in file.split(b'\n') {
            let line = line?;
            if line.len() > LINE_BYTES_MAX {
                continue;
            }
            let Ok(verdict) = serde_json::from_slice(&line) else { continue };
            if verdicts.len() == VERDICTS_MAX {
                verdicts.pop_front();
            }
            verdicts.push_back(verdict);
        }
        Ok(verdicts.into())
    }

    /// The file's length: changes when a verdict is added. 0 while there is none.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }
}

#[cfg(test)]
mod tests {
    use super::{KeptVerdict, Verdicts};
    use crate::audit::review::ReviewError;
    use crate::audit::verdict::Verdict;

    fn verdict(reviewed_at_ms: u64) -> KeptVerdict {
        KeptVerdict {
            verdict: Verdict::of_error(&ReviewError::Decode("heads.scale".to_owned())),
            reviewed_at_ms,
        }
    }

    #[test]
    fn verdicts_are_read_back_in_order_and_a_half_written_line_waits() {
        let folder = tempfile::tempdir().unwrap();
        let verdicts = Verdicts::new(folder.path());
        assert_eq!((verdicts.read().unwrap(), verdicts.bytes()), (Vec::new(), 0));
        verdicts.append(&verdict(1)).unwrap();
        verdicts.append(&verdict(2)).unwrap();
        let path = folder.path().join(super::VERDICTS_FILE);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(b"{\"validator\":");
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(verdicts.read().unwrap(), [verdict(1), verdict(2)]);
    }
}

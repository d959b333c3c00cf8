//! What became of reviewing other validators: one line for each verdict, kept in a file that everybody may read.
//!
//! `audit review` writes here, and so may whatever else reviews; the staker JSON-RPC shows it. A verdict is this validator's
//! word: who wants proof fetches the bundle and reviews it.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use protocol::account::AccountId;
use protocol::digest::Digest;
use serde::{Deserialize, Serialize};

/// The file of verdicts inside the state folder.
pub const VERDICTS_FILE: &str = "verdicts.jsonl";

/// Lines longer than this are no verdicts.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Verdicts that are shown; older ones stay in the file.
const VERDICTS_MAX: usize = 4_096;

/// What one review found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Whose papers were reviewed.
    pub validator: AccountId,
    /// The tempo; absent if the bundle could not even be opened.
    pub epoch_index: Option<u64>,
    /// The digest of the head reviewed.
    pub head: Option<Digest>,
    /// Receipts that were checked.
    pub leaves: u64,
    /// Whether everything is as its head says and, where compared, as the chain says.
    pub agreed: bool,
    /// Whether commitment, miners and weights were compared with the chain.
    pub compared_with_chain: bool,
    /// What is wrong, in words.
    pub findings: Vec<String>,
    /// The first leaf at fault, if it is one leaf's.
    pub leaf: Option<u64>,
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
    pub fn append(&self, verdict: &Verdict) -> io::Result<()> {
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
    pub fn read(&self) -> io::Result<Vec<Verdict>> {
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
    use super::{Verdict, Verdicts};
    use protocol::account::AccountId;

    fn verdict(epoch_index: u64) -> Verdict {
        Verdict {
            validator: AccountId([1; 32]),
            epoch_index: Some(epoch_index),
            head: None,
            leaves: 7,
            agreed: false,
            compared_with_chain: false,
            findings: vec!["leaf 3 is not signed".into()],
            leaf: Some(3),
            reviewed_at_ms: 1,
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

//! What this validator has told the chain, or is about to, on disk before it does.
//!
//! One file for each chain, hotkey, subnet and mechanism: a line with a checksum, then JSON. It is replaced as a whole and
//! synced at every step. It holds the last vector with how far it got, the very bytes that were signed for it, and what
//! has to be shown for hashes that are not revealed yet. Whatever moment the process dies at, the next start knows whether
//! a second vector could reach the same tempo, and can send the same bytes again.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use protocol::AccountId;
use protocol::digest::Digest;
use serde::{Deserialize, Serialize};

use super::commit::Opening;

pub(crate) mod disk;

use disk::{Disk, Folder};

/// The first line begins with this; the checksum of what follows it comes next.
const HEADER: &str = "subnet64 weights journal 1 sha256:";

/// The chain keeps ten hashes of one hotkey; older ones cannot be revealed.
const UNREVEALED_MAX: usize = 10;

/// Whose vectors a journal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalKey {
    /// The chain's genesis hash.
    pub genesis: Digest,
    /// The validator.
    pub hotkey: AccountId,
    /// The subnet.
    pub netuid: u16,
    /// The mechanism; 0 where there is only one.
    pub mechanism: u8,
}

/// One vector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The tempo it was decided in, as the chain counts epochs.
    pub epoch_index: u64,
    /// The finalised block whose facts it was decided from.
    pub decided_at_block: u32,
    /// The caller's name for what the vector follows from.
    pub scores: Digest,
    /// Uid and weight, ascending by uid.
    pub vector: Vec<(u16, u16)>,
    /// How far it got.
    pub progress: Progress,
}

/// How far a vector got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Progress {
    /// Chosen; certainly not on its way.
    Decided,
    /// Given to the chain, or about to be; its fate is not known.
    Submitted(Submission),
    /// In a finalised block.
    Confirmed {
        /// That block.
        in_block: u64,
        /// How it got there; `None` if the chain has weights of this hotkey that this journal knows nothing of.
        manner: Option<Manner>,
    },
}

/// A signed extrinsic that carries a vector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// The bytes that are sent, the same each time.
    #[serde(with = "hex_text")]
    pub extrinsic: Vec<u8>,
    /// The hotkey's nonce in it.
    pub nonce: u64,
    /// The runtime version it is signed for.
    pub spec_version: u32,
    /// The finalised block its life counts from.
    pub born_at_block: u32,
    /// The last block that can include it.
    pub last_block: u32,
    /// How it carries the vector.
    pub manner: Manner,
}

/// How a vector gets to the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "manner", rename_all = "snake_case")]
pub enum Manner {
    /// In the open.
    Plain,
    /// As a hash, to be revealed by its sender.
    Hashed {
        /// What was committed to.
        hash: Digest,
        /// What has to be shown.
        opening: Opening,
    },
    /// Encrypted to a round of the beacon, revealed by the chain.
    Timelocked {
        /// The round.
        round: u64,
    },
}

/// A vector whose hash the chain has, and which is to be revealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unrevealed {
    /// What was committed to.
    pub hash: Digest,
    /// Uid and weight.
    pub vector: Vec<(u16, u16)>,
    /// The rest of what was hashed.
    pub opening: Opening,
}

/// The journal could not be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Its folder cannot be used.
    #[error("cannot use the folder of the weights journal {path}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process has it. Two at once could set two vectors.
    #[error("another process uses the weights journal in {path}; stop it first", path = path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// It could not be read.
    #[error("cannot read the weights journal {file}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not a journal. Starting without it could set a second vector in one tempo.
    #[error(
        "the weights journal {file} is damaged ({problem}); move it away once the last vector is one tempo old"
    )]
    Damaged {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It could not be written; nothing may be submitted.
    #[error("cannot write the weights journal {file}")]
    Write {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The journal file, open.
#[derive(Debug)]
pub(crate) struct Journal<D> {
    disk: D,
    key: JournalKey,
    contents: Contents,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    key: JournalKey,
    last: Option<Entry>,
    unrevealed: VecDeque<Unrevealed>,
}

impl JournalKey {
    /// The file's name; the first part tells people what it is, the second tells journals apart.
    fn file(&self) -> String {
        let bytes = [&self.genesis.0[..], &self.hotkey.0[..]].concat();
        let digest = hex::encode(&Digest::of(&bytes).0[..8]);
        format!("weights-{}-{}-{digest}.journal", self.netuid, self.mechanism)
    }
}

impl Journal<Folder> {
    /// Opens the journal in this folder, for this process alone.
    pub(crate) fn open(folder: &Path, key: JournalKey) -> Result<Self, JournalError> {
        let path = || folder.to_owned();
        let disk =
            Folder::open(folder, &format!("{}.lock", key.file())).map_err(|source| match source.kind() {
                io::ErrorKind::ResourceBusy => JournalError::InUse { path: path() },
                _ => JournalError::Folder { path: path(), source },
            })?;
        Self::on(disk, key)
    }
}

impl<D: Disk> Journal<D> {
    /// Opens the journal; a missing file is an empty one.
    pub(crate) fn on(mut disk: D, key: JournalKey) -> Result<Self, JournalError> {
        let file = key.file();
        let bytes = disk.read(&file).map_err(|source| JournalError::Read { file: file.clone(), source })?;
        let contents = match bytes {
            Some(bytes) => parse(&bytes, &key).map_err(|problem| JournalError::Damaged { file, problem })?,
            None => Contents { key, last: None, unrevealed: VecDeque::new() },
        };
        Ok(Self { disk, key, contents })
    }

    /// The last vector.
    pub(crate) fn entry(&self) -> Option<&Entry> {
        self.contents.last.as_ref()
    }

    /// Hashes to be revealed, the oldest first.
    pub(crate) fn unrevealed(&self) -> impl Iterator<Item = &Unrevealed> {
        self.contents.unrevealed.iter()
    }

    /// Records a vector as decided. It replaces the last one.
    pub(crate) fn decide(&mut self, entry: Entry) -> Result<(), JournalError> {
        self.write(Contents {
            last: Some(Entry { progress: Progress::Decided, ..entry }),
            ..self.contents.clone()
        })
    }

    /// Records what goes out now. Must be on disk before it does.
    pub(crate) fn submit(&mut self, submission: Submission) -> Result<(), JournalError> {
        self.advance(Progress::Submitted(submission), None)
    }

    /// Records that the chain has it.
    pub(crate) fn confirm(&mut self, in_block: u64) -> Result<(), JournalError> {
        let submitted = self.contents.last.as_ref().and_then(|entry| match &entry.progress {
            Progress::Submitted(submission) => Some((entry, submission.manner.clone())),
            _ => None,
        });
        let (manner, unrevealed) = match submitted {
            Some((entry, manner)) => {
                let unrevealed = match &manner {
                    Manner::Hashed { hash, opening } => Some(Unrevealed {
                        hash: *hash,
                        vector: entry.vector.clone(),
                        opening: opening.clone(),
                    }),
                    _ => None,
                };
                (Some(manner), unrevealed)
            }
            None => (None, None),
        };
        self.advance(Progress::Confirmed { in_block, manner }, unrevealed)
    }

    /// Records that the chain has refused it, or can no longer include it.
    pub(crate) fn withdraw(&mut self) -> Result<(), JournalError> {
        self.advance(Progress::Decided, None)
    }

    /// Forgets hashes that are revealed, or can no longer be.
    pub(crate) fn keep_unrevealed(&mut self, keep: impl Fn(&Unrevealed) -> bool) -> Result<(), JournalError> {
        if self.contents.unrevealed.iter().all(&keep) {
            return Ok(());
        }
        let mut contents = self.contents.clone();
        contents.unrevealed.retain(keep);
        self.write(contents)
    }

    fn advance(&mut self, progress: Progress, unrevealed: Option<Unrevealed>) -> Result<(), JournalError> {
        let mut contents = self.contents.clone();
        let Some(last) = &mut contents.last else { return Ok(()) };
        last.progress = progress;
        contents.unrevealed.extend(unrevealed);
        while contents.unrevealed.len() > UNREVEALED_MAX {
            contents.unrevealed.pop_front();
        }
        self.write(contents)
    }

    fn write(&mut self, contents: Contents) -> Result<(), JournalError> {
        let file = self.key.file();
        let replaced = serialize(&contents).and_then(|bytes| replace(&mut self.disk, &file, &bytes));
        replaced.map_err(|source| JournalError::Write { file, source })?;
        self.contents = contents;
        Ok(())
    }
}

/// Afterwards the file holds the old or the new bytes, whatever fails and whenever, and `Ok` means the new ones are on disk.
fn replace(disk: &mut impl Disk, file: &str, bytes: &[u8]) -> io::Result<()> {
    let beside = format!("{file}.new");
    disk.write(&beside, bytes)?;
    disk.sync(&beside)?;
    disk.rename(&beside, file)?;
    disk.sync_names()
}

fn serialize(contents: &Contents) -> io::Result<Vec<u8>> {
    let body = serde_json::to_string_pretty(contents)?;
    let checksum = hex::encode(Digest::of(body.as_bytes()).0);
    Ok(format!("{HEADER}{checksum}\n{body}").into_bytes())
}

fn parse(bytes: &[u8], key: &JournalKey) -> Result<Contents, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let (header, body) = text.split_once('\n').ok_or("it has no header")?;
    let checksum = header.strip_prefix(HEADER).ok_or("its header is not one this version knows")?;
    if checksum != hex::encode(Digest::of(body.as_bytes()).0) {
        return Err("its checksum does not fit".to_owned());
    }
    let contents: Contents = serde_json::from_str(body).map_err(|error| error.to_string())?;
    if contents.key == *key {
        Ok(contents)
    } else {
        Err("it belongs to another validator or chain".to_owned())
    }
}

mod hex_text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        hex::decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;

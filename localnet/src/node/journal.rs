//! The chain on disk: one append-only file of what happened to it, from which it is executed again.
//!
//! `blocks.log` begins with [`MAGIC`] and the genesis hash. After them come records: the length of the payload (u32, little
//! endian), the first eight bytes of the payload's BLAKE2b-256, the payload (SCALE, `Record`). A record is in the file before
//! anyone is told of its block, so a killed process loses nothing; a machine that loses power may lose the last second.
//! A tail that is no whole record is what a crash leaves: it is cut off, with a message. Anything else that is wrong is
//! refused.
//!
//! States are not stored. Opening executes every block of the final chain again and compares its header, so a build whose
//! rules differ says so instead of continuing another chain.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use parity_scale_codec::{Decode, DecodeAll as _, Encode};
use sp_core::H256;
use thiserror::Error;

use crate::{
    chain::{Block, Interference},
    runtime::Header,
};

/// The file's name in its folder.
pub const FILE_NAME: &str = "blocks.log";
/// What the file begins with: what it is, and the version of its format.
pub const MAGIC: &[u8; 10] = b"localnet\0\x01";
/// Bytes of a record's payload; more is no record.
const PAYLOAD_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Records after which the file is synced.
const SYNC_EVERY: u32 = 256;
const CHECKSUM_BYTES: usize = 8;
const HEAD_BYTES: usize = MAGIC.len() + 32;

/// Something that happened.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub(super) enum Record {
    /// A block followed the newest.
    Block(StoredBlock),
    /// Every block after the one with this number was undone.
    Undone(u32),
}

/// A block as it is stored.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub(super) struct StoredBlock {
    pub header: Header,
    pub extrinsics: Vec<Vec<u8>>,
    pub interference: Option<Interference>,
}

impl From<&Block> for StoredBlock {
    fn from(block: &Block) -> Self {
        Self {
            header: block.header.clone(),
            extrinsics: block.extrinsics.clone(),
            interference: block.interference.as_deref().cloned(),
        }
    }
}

/// Why a folder was not opened.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The file could not be read or written.
    #[error("could not {what} {path}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another process has it.
    #[error("{path} is in use; another localnet runs on this folder")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It is another file.
    #[error("{path} is not a localnet's, or one of another format; choose another folder")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It is of another chain.
    #[error(
        "{path} holds a chain that began with genesis {stored:?}, and this one begins with {own:?}: the genesis or the build changed. Choose another folder, or remove the file to begin anew"
    )]
    OtherGenesis {
        /// The file.
        path: PathBuf,
        /// Genesis of the stored chain.
        stored: H256,
        /// Genesis of this chain.
        own: H256,
    },
    /// A record in the middle is broken.
    #[error(
        "{path} is damaged at byte {at}: a record there is broken and others follow it. Restore a copy, or remove the file"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        at: u64,
    },
    /// It was broken by a write that failed.
    #[error("{path} could not be written before, and nothing is added to what may be broken; start again")]
    Broken {
        /// The file.
        path: PathBuf,
    },
}

/// The file, open for adding.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    /// Bytes that are whole records.
    whole: u64,
    unsynced: u32,
    broken: bool,
}

/// What a file held.
#[derive(Debug)]
pub(super) struct Opened {
    pub journal: Journal,
    /// The blocks of the chain, oldest first, the undone ones left out.
    pub blocks: Vec<StoredBlock>,
    /// Bytes cut off at the end, which a crash left.
    pub cut_bytes: u64,
}

impl Journal {
    /// Opens the file in this folder, which is made if there is none.
    pub fn open(folder: &Path, genesis: H256) -> Result<Opened, JournalError> {
        let path = folder.join(FILE_NAME);
        let io = |what| {
            let path = path.clone();
            move |source| JournalError::Io { what, path, source }
        };
        std::fs::create_dir_all(folder).map_err(io("make the folder of"))?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::InUse { path }),
            Err(TryLockError::Error(source)) => return Err(io("lock")(source)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io("read"))?;
        let mut journal = Self { file, path: path.clone(), whole: 0, unsynced: 0, broken: false };

        let head = [&MAGIC[..], &genesis[..]].concat();
        if bytes.len() < HEAD_BYTES && head.starts_with(&bytes) {
            // New, or so young that not even its head was written.
            journal.truncate(0)?;
            journal.write(&head)?;
            return Ok(Opened { journal, blocks: Vec::new(), cut_bytes: 0 });
        }
        if !bytes.starts_with(MAGIC) || bytes.len() < HEAD_BYTES {
            return Err(JournalError::Foreign { path });
        }
        let stored = H256::from_slice(&bytes[MAGIC.len()..HEAD_BYTES]);
        if stored != genesis {
            return Err(JournalError::OtherGenesis { path, stored, own: genesis });
        }
        let mut blocks = Vec::new();
        let mut at = HEAD_BYTES;
        while let Some((record, length)) = next_record(&bytes[at..]) {
            match record {
                Record::Block(block) => blocks.push(block),
                Record::Undone(number) => blocks.truncate(number as usize),
            }
            at += length;
        }
        if is_damage(&bytes[at..]) {
            return Err(JournalError::Damaged { path, at: at as u64 });
        }
        let cut_bytes = (bytes.len() - at) as u64;
        journal.truncate(at as u64)?;
        Ok(Opened { journal, blocks, cut_bytes })
    }

    /// Adds records; they are whole in the file, or not there at all.
    pub fn add(&mut self, records: &[Record]) -> Result<(), JournalError> {
        if self.broken {
            return Err(JournalError::Broken { path: self.path.clone() });
        }
        let mut bytes = Vec::new();
        for record in records {
            encode_record(record, &mut bytes);
        }
        if let Err(error) = self.write(&bytes) {
            // What a failed write left is taken off again.
            self.broken = self.truncate(self.whole).is_err();
            return Err(error);
        }
        self.unsynced = self.unsynced.saturating_add(1);
        if self.unsynced >= SYNC_EVERY {
            self.sync()?;
        }
        Ok(())
    }

    /// Makes sure that everything added survives a loss of power.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.unsynced = 0;
        self.file.sync_data().map_err(|source| self.failed("sync", source))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        self.file.write_all(bytes).map_err(|source| self.failed("write", source))?;
        self.whole += bytes.len() as u64;
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> Result<(), JournalError> {
        self.file.set_len(length).map_err(|source| self.failed("shorten", source))?;
        self.file.seek(SeekFrom::Start(length)).map_err(|source| self.failed("shorten", source))?;
        self.whole = length;
        Ok(())
    }

    fn failed(&self, what: &'static str, source: std::io::Error) -> JournalError {
        JournalError::Io { what, path: self.path.clone(), source }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Err(error) = self.sync() {
            tracing::error!(error = ?error, "the chain's file was not synced");
        }
    }
}

fn checksum(payload: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest = sp_crypto_hashing::blake2_256(payload);
    *digest.first_chunk().expect("a digest has 32 bytes")
}

fn encode_record(record: &Record, bytes: &mut Vec<u8>) {
    let payload = record.encode();
    (payload.len() as u32).encode_to(bytes);
    bytes.extend(checksum(&payload));
    bytes.extend(payload);
}

/// The record at the beginning of these bytes, and its length; `None` when there is no whole one.
fn next_record(bytes: &[u8]) -> Option<(Record, usize)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let (sum, rest) = rest.split_first_chunk::<CHECKSUM_BYTES>()?;
    let payload = rest.get(..length).filter(|_| length <= PAYLOAD_BYTES_MAX)?;
    if checksum(payload) != *sum {
        return None;
    }
    Some((Record::decode_all(&mut &payload[..]).ok()?, 4 + CHECKSUM_BYTES + length))
}

/// Whether a tail that is no record is more than a crash leaves: somewhere in it a whole record begins.
fn is_damage(tail: &[u8]) -> bool {
    (1..tail.len()).any(|at| next_record(&tail[at..]).is_some())
}

#[cfg(test)]
mod tests;

//! RocksDB itself: opening, typed reads, atomic writes and their sync.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use parity_scale_codec::{DecodeAll, Encode};
use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::evidence::ValidEvidence;
use protocol::merkle::{self, Frontier};
use protocol::policy_document::SignedPolicyDocument;
use protocol::receipt::Countersigned;
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{
    ColumnFamily, DB, DBRecoveryMode, Direction, ErrorKind, IteratorMode, Options, WriteBatch, WriteOptions,
};

use super::HeadRecord;
use super::error::{AppendError, OpenError, ReadError};
use super::schema::{self, FAMILIES, Owner};
use super::shards::{ShardRecord, ShardSums};

/// The open database.
pub(super) struct Store {
    db: DB,
    /// A sync of the log has failed.
    lost_a_sync: AtomicBool,
}

/// A key with its value, as stored.
pub(super) type KeyValue = (Box<[u8]>, Box<[u8]>);

/// One atomic write in the making.
pub(super) struct Group<'store> {
    store: &'store Store,
    batch: WriteBatch,
}

impl Store {
    fn of(db: DB) -> Self {
        Self { db, lost_a_sync: AtomicBool::new(false) }
    }

    pub(super) fn open(path: &Path, owner: Owner) -> Result<Self, OpenError> {
        let exists = path.join("CURRENT").exists();
        if exists {
            refuse_foreign_database(path)?;
        }
        let db = DB::open_cf(&options(), path, FAMILIES).map_err(|error| open_error(path, error))?;
        let store = Self::of(db);
        match store.check_owner(owner) {
            Ok(Ok(())) => {}
            Ok(Err(refusal)) => return Err(refusal.at(path)),
            Err(error) => return Err(open_damage(path, error)),
        }
        store.check_ends().map_err(|error| open_damage(path, error))?;
        Ok(store)
    }

    /// Opens what another process may be writing, as it is on disk now. Nothing is raised or written.
    pub(super) fn open_read_only(path: &Path, owner: Owner) -> Result<Self, OpenError> {
        let db = DB::open_cf_for_read_only(&options(), path, FAMILIES, false)
            .map_err(|error| open_error(path, error))?;
        let store = Self::of(db);
        let read = |key| {
            let value = store.family(schema::META).and_then(|meta| Ok(store.db.get_cf(meta, key)?));
            value.map_err(|error| open_damage(path, error))
        };
        let format = read(schema::FORMAT)?.and_then(|bytes| bytes.as_slice().try_into().ok());
        let found = u32::from_be_bytes(format.unwrap_or_default());
        if found != schema::FORMAT_VERSION {
            return Err(Refusal::Format(found).at(path));
        }
        match read(schema::OWNER)?.as_deref().and_then(Owner::from_bytes) {
            Some(held) if held == owner => Ok(store),
            Some(held) => Err(Refusal::Owner(held).at(path)),
            None => Err(OpenError::Damaged { what: "the owner is unreadable".to_owned() }),
        }
    }

    /// A copy of the database as it is, in a new folder.
    pub(super) fn checkpoint(&self, to: &Path) -> Result<(), rocksdb::Error> {
        // RocksDB makes the folder itself and refuses one that is there, also an empty one.
        let _ = std::fs::remove_dir(to);
        Checkpoint::new(&self.db)?.create_checkpoint(to)
    }

    /// Writes everything into a new database, and syncs it.
    pub(super) fn write_anew(&self, to: &Path) -> Result<(), ReadError> {
        const BATCH_ENTRIES: usize = 4_096;
        let copy = DB::open_cf(&options(), to, FAMILIES)?;
        for name in FAMILIES {
            let family = copy.cf_handle(name).ok_or_else(|| ReadError::damaged("a family was not made"))?;
            let mut batch = WriteBatch::default();
            for entry in self.db.iterator_cf(self.family(name)?, IteratorMode::Start) {
                let (key, value) = entry?;
                batch.put_cf(family, key, value);
                if batch.len() >= BATCH_ENTRIES {
                    copy.write(std::mem::take(&mut batch))?;
                }
            }
            copy.write_opt(batch, &synced())?;
        }
        Ok(())
    }

    /// Leaves out this many sequence numbers of every miner that has any.
    pub(super) fn skip_sequences(&self, count: u64) -> Result<(), ReadError> {
        let family = self.family(schema::SEQUENCES)?;
        let mut batch = WriteBatch::default();
        for entry in self.db.iterator_cf(family, IteratorMode::Start) {
            let (miner, next) = entry?;
            let next =
                schema::read_u64(&next).ok_or_else(|| ReadError::damaged("bad value in `sequences`"))?;
            batch.put_cf(family, miner, schema::index(next.saturating_add(count)));
        }
        Ok(self.db.write_opt(batch, &synced())?)
    }

    /// Rewrites every family.
    pub(super) fn compact(&self) -> Result<(), ReadError> {
        for name in FAMILIES {
            self.db.compact_range_cf(self.family(name)?, None::<&[u8]>, None::<&[u8]>);
        }
        Ok(())
    }

    /// Writes the format and the owner into an empty database, or compares them.
    fn check_owner(&self, owner: Owner) -> Result<Result<(), Refusal>, ReadError> {
        let meta = self.family(schema::META)?;
        let Some(format) = self.db.get_cf(meta, schema::FORMAT)? else {
            if !self.is_empty()? {
                return Ok(Err(Refusal::NotALedger));
            }
            let mut batch = WriteBatch::default();
            batch.put_cf(meta, schema::FORMAT, schema::FORMAT_VERSION.to_be_bytes());
            batch.put_cf(meta, schema::OWNER, owner.to_bytes());
            self.db.write_opt(batch, &synced())?;
            return Ok(Ok(()));
        };
        let format = format
            .as_slice()
            .try_into()
            .map_err(|_| ReadError::damaged("the format version is unreadable"))?;
        let found = u32::from_be_bytes(format);
        if schema::RAISED_FORMATS.contains(&found) {
            // Opening has made the new families; only the version is left to write.
            let mut batch = WriteBatch::default();
            batch.put_cf(meta, schema::FORMAT, schema::FORMAT_VERSION.to_be_bytes());
            self.db.write_opt(batch, &synced())?;
        } else if found != schema::FORMAT_VERSION {
            return Ok(Err(Refusal::Format(found)));
        }
        let held = self.db.get_cf(meta, schema::OWNER)?;
        let held = held.as_deref().and_then(Owner::from_bytes);
        let held = held.ok_or_else(|| ReadError::damaged("the owner is unreadable"))?;
        Ok(if held == owner { Ok(()) } else { Err(Refusal::Owner(held)) })
    }

    /// Compares the frontier with the ends of the two families it stands for: cheap, and enough to see a lost tail.
    fn check_ends(&self) -> Result<(), ReadError> {
        let size = self.frontier()?.size();
        for family in [schema::RECEIPTS, schema::LEAVES] {
            let end = match self.db.iterator_cf(self.family(family)?, IteratorMode::End).next().transpose()? {
                Some((key, _)) => schema::read_u64(&key).map(|last| last.saturating_add(1)),
                None => Some(0),
            };
            if end != Some(size) {
                return Err(ReadError::damaged(format!(
                    "`{family}` ends at {end:?}, the Merkle frontier at {size}"
                )));
            }
        }
        if let Some(last) = size.checked_sub(1) {
            let bytes = self.receipt_bytes(last)?.unwrap_or_default();
            if merkle::leaf_hash(&bytes) != self.leaf(last)? {
                return Err(ReadError::damaged(format!("receipt {last} does not match its leaf")));
            }
        }
        Ok(())
    }

    fn is_empty(&self) -> Result<bool, ReadError> {
        for family in FAMILIES.iter().copied().chain([rocksdb::DEFAULT_COLUMN_FAMILY_NAME]) {
            if self.db.iterator_cf(self.family(family)?, IteratorMode::Start).next().transpose()?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The Merkle frontier as last written.
    pub(super) fn frontier(&self) -> Result<Frontier, ReadError> {
        self.frontier_under(schema::FRONTIER)
    }

    /// The frontier over the receipts that were removed.
    pub(super) fn pruned(&self) -> Result<Frontier, ReadError> {
        self.frontier_under(schema::PRUNED)
    }

    fn frontier_under(&self, key: &[u8]) -> Result<Frontier, ReadError> {
        match self.db.get_cf(self.family(schema::META)?, key)? {
            Some(bytes) => Frontier::decode_all(&mut bytes.as_slice())
                .map_err(|_| ReadError::damaged("the Merkle frontier is unreadable")),
            None => Ok(Frontier::default()),
        }
    }

    pub(super) fn receipt_bytes(&self, index: u64) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.db.get_cf(self.family(schema::RECEIPTS)?, schema::index(index))?)
    }

    pub(super) fn leaf(&self, index: u64) -> Result<Digest, ReadError> {
        let bytes = self.db.get_cf(self.family(schema::LEAVES)?, schema::index(index))?;
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map(Digest)
            .ok_or_else(|| ReadError::damaged(format!("leaf {index} is missing")))
    }

    /// Index and leaf of the receipt under this key of `by_sequence`.
    pub(super) fn by_sequence(&self, key: &[u8; 40]) -> Result<Option<(u64, Digest)>, ReadError> {
        let Some(index) = self.index_under(schema::BY_SEQUENCE, key)? else { return Ok(None) };
        Ok(Some((index, self.leaf(index)?)))
    }

    /// Index of the receipt with this hash.
    pub(super) fn by_receipt(&self, receipt_hash: &Digest) -> Result<Option<u64>, ReadError> {
        self.index_under(schema::BY_RECEIPT, &schema::by_receipt(receipt_hash))
    }

    /// First sequence number of this miner that nobody has reserved; `first` if none was.
    pub(super) fn next_sequence(&self, miner: &AccountId, first: u64) -> Result<u64, ReadError> {
        Ok(self.index_under(schema::SEQUENCES, &schema::sequences(miner))?.unwrap_or(first))
    }

    /// The head of a tempo.
    pub(super) fn head(&self, epoch_index: u64) -> Result<Option<HeadRecord>, ReadError> {
        let bytes = self.db.get_cf(self.family(schema::HEADS)?, schema::heads(epoch_index))?;
        bytes.as_deref().map(decode_head).transpose()
    }

    /// The newest head.
    pub(super) fn latest_head(&self) -> Result<Option<HeadRecord>, ReadError> {
        let newest =
            self.db.iterator_cf(self.family(schema::HEADS)?, IteratorMode::End).next().transpose()?;
        newest.map(|(_, bytes)| decode_head(&bytes)).transpose()
    }

    /// The policy document of this hash.
    pub(super) fn document(&self, hash: &Digest) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.db.get_cf(self.family(schema::DOCUMENTS)?, schema::documents(hash))?)
    }

    /// The latest time at which a receipt of the log was issued.
    pub(super) fn newest_ms(&self) -> Result<u64, ReadError> {
        let newest =
            self.db.iterator_cf(self.family(schema::BY_TIME)?, IteratorMode::End).next().transpose()?;
        let Some((key, _)) = newest else { return Ok(0) };
        schema::leading_time(&key).ok_or_else(|| ReadError::damaged("bad key in `by_time`"))
    }

    fn index_under(&self, family: &str, key: &[u8]) -> Result<Option<u64>, ReadError> {
        let Some(bytes) = self.db.get_cf(self.family(family)?, key)? else { return Ok(None) };
        let index =
            schema::read_u64(&bytes).ok_or_else(|| ReadError::damaged(format!("bad value in `{family}`")))?;
        Ok(Some(index))
    }

    /// Entries of a family from `start` on, in the direction.
    pub(super) fn scan<'store>(
        &'store self,
        family: &str,
        start: &[u8],
        direction: Direction,
    ) -> Result<impl Iterator<Item = Result<KeyValue, ReadError>> + use<'store>, ReadError> {
        let entries = self.db.iterator_cf(self.family(family)?, IteratorMode::From(start, direction));
        Ok(entries.map(|entry| entry.map_err(ReadError::from)))
    }

    pub(super) fn group(&self) -> Group<'_> {
        Group { store: self, batch: WriteBatch::default() }
    }

    /// A value as it is stored.
    pub(super) fn value(&self, family: &str, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.db.get_cf(self.family(family)?, key)?)
    }

    /// Writes the batch and syncs the write-ahead log.
    pub(super) fn write_batch_synced(&self, batch: WriteBatch) -> Result<(), rocksdb::Error> {
        self.db.write_opt(batch, &synced())
    }

    /// Syncs the write-ahead log: whatever was written before this is on disk after it. Others may write meanwhile.
    ///
    /// A sync that failed is not tried again on this database: the system may have dropped what it could not write, and reports that
    /// once. Opening the database again reads what is there and writes it anew.
    pub(super) fn sync(&self) -> Result<(), AppendError> {
        if self.has_lost_a_sync() {
            return Err(AppendError::DiskRefuses { why: "the log could not be synced".to_owned() });
        }
        self.db.flush_wal(true).map_err(|error| {
            self.lost_a_sync.store(true, Ordering::Release);
            AppendError::of_write(error)
        })
    }

    /// Whether a sync of the log has failed, so that the database is to be opened again.
    pub(super) fn has_lost_a_sync(&self) -> bool {
        self.lost_a_sync.load(Ordering::Acquire)
    }

    pub(super) fn family(&self, name: &str) -> Result<&ColumnFamily, ReadError> {
        self.db
            .cf_handle(name)
            .ok_or_else(|| ReadError::damaged(format!("column family `{name}` is missing")))
    }
}

impl Group<'_> {
    /// Writes the group: readers see it, and it outlives this process. It outlives the machine once the log is synced.
    pub(super) fn write(self) -> Result<(), rocksdb::Error> {
        self.store.db.write(self.batch)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// The database that it will be written to.
    pub(super) fn store(&self) -> &Store {
        self.store
    }

    pub(super) fn put_receipt(&mut self, index: u64, receipt: &Countersigned, leaf: Digest) {
        let ticket = receipt.ticket();
        let at = schema::index(index);
        self.put(schema::RECEIPTS, at, receipt.encode());
        self.put(schema::LEAVES, at, leaf.0);
        self.put(schema::BY_TIME, schema::by_time(ticket.issued_at_ms, index), []);
        self.put(schema::BY_MINER, schema::by_miner(&ticket.miner, index), []);
        self.put(schema::BY_SEQUENCE, schema::by_sequence(&ticket.miner, ticket.sequence), at);
        self.put(schema::BY_RECEIPT, schema::by_receipt(&receipt.receipt().hash()), at);
    }

    pub(super) fn put_next_sequence(&mut self, miner: &AccountId, next: u64) {
        self.put(schema::SEQUENCES, schema::sequences(miner), schema::index(next));
    }

    pub(super) fn put_head(&mut self, record: &HeadRecord, document: &SignedPolicyDocument) {
        let hash = document.document.hash();
        self.put(schema::HEADS, schema::heads(record.head.head.epoch_index), record.encode());
        self.put(schema::DOCUMENTS, schema::documents(&hash), document.encode());
    }

    pub(super) fn put_shard_head(&mut self, record: &ShardRecord) {
        self.put(schema::SHARD_HEADS, schema::heads(record.head.head.epoch_index), record.encode());
    }

    pub(super) fn put_sums(&mut self, sums: &ShardSums) {
        self.put(schema::SUMS, schema::sums(sums.head.head.shard), sums.encode());
    }

    pub(super) fn put_evidence(&mut self, evidence: &ValidEvidence) {
        let key = schema::evidence(evidence.at_ms(), &evidence.digest());
        self.put(schema::EVIDENCE, key, evidence.signed().encode());
    }

    pub(super) fn put_frontier(&mut self, frontier: &Frontier) {
        self.put(schema::META, schema::FRONTIER, frontier.encode());
    }

    fn put(&mut self, family: &str, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let family = self.store.db.cf_handle(family).expect("every family was opened with the database");
        self.batch.put_cf(family, key, value);
    }
}

enum Refusal {
    NotALedger,
    Format(u32),
    Owner(Owner),
}

impl Refusal {
    fn at(self, path: &Path) -> OpenError {
        match self {
            Self::NotALedger => OpenError::NotALedger { path: path.to_owned() },
            Self::Format(found) => OpenError::WrongFormat { found, expected: schema::FORMAT_VERSION },
            Self::Owner(Owner { validator, netuid, shard }) => {
                OpenError::OtherOwner { validator, netuid, shard }
            }
        }
    }
}

pub(super) fn decode_head(bytes: &[u8]) -> Result<HeadRecord, ReadError> {
    HeadRecord::decode_all(&mut &*bytes).map_err(|_| ReadError::damaged("a tree head is unreadable"))
}

/// A read that failed while opening.
pub(super) fn open_damage(path: &Path, error: ReadError) -> OpenError {
    match error {
        ReadError::Storage(source) => open_error(path, source),
        ReadError::Damaged { what } => OpenError::Damaged { what },
        other => OpenError::Damaged { what: other.to_string() },
    }
}

fn open_error(path: &Path, source: rocksdb::Error) -> OpenError {
    let text = source.to_string();
    match source.kind() {
        ErrorKind::IOError if text.contains("lock ") || text.contains("LOCK") => {
            OpenError::InUse { path: path.to_owned() }
        }
        ErrorKind::Corruption => OpenError::Damaged { what: text },
        _ => OpenError::Storage { path: path.to_owned(), source },
    }
}

/// A database with families we do not know is somebody else's; opening it would add ours to it.
fn refuse_foreign_database(path: &Path) -> Result<(), OpenError> {
    let families = DB::list_cf(&options(), path).map_err(|error| open_error(path, error))?;
    let foreign =
        |name: &String| name != rocksdb::DEFAULT_COLUMN_FAMILY_NAME && !FAMILIES.contains(&name.as_str());
    if families.iter().any(foreign) {
        return Err(OpenError::NotALedger { path: path.to_owned() });
    }
    Ok(())
}

fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_paranoid_checks(true);
    // A record cut off by a crash at the very end was never acknowledged. Damage anywhere else must stop us: the default
    // (point in time) would silently drop acknowledged receipts behind it.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    // Tables are written out in the background bit by bit, so that a sync of the log does not wait behind 64 MiB of them.
    options.set_bytes_per_sync(1 << 20);
    options.set_max_total_wal_size(256 << 20);
    options.set_keep_log_file_num(4);
    options.set_max_open_files(512);
    options
}

fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

#[cfg(test)]
mod tests {
    use super::FAMILIES;

    #[test]
    fn no_family_is_named_twice() {
        let names: std::collections::BTreeSet<_> = FAMILIES.iter().collect();
        assert_eq!(names.len(), FAMILIES.len());
    }
}

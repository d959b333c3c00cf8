//! RocksDB: opening, synced writes, reads. Knows families and bytes, not what receipts are for.

use std::path::Path;

use parity_scale_codec::{Decode, Encode};
use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::fingerprint::Fingerprint;
use protocol::receipt::{Countersigned, UncheckedCountersigned};
use rocksdb::{
    ColumnFamily, DB, DBCompactionStyle, Direction, FifoCompactOptions, IteratorMode, Options, WriteBatch,
    WriteOptions,
};

use super::keys::{
    COUNTERSIGNED, FAMILIES, FINGERPRINTS, FORMAT, FORMAT_KEY, NONCE_MARKS, RAISED_FORMATS, RECEIPTS, Record,
    Shard, VALIDATORS, ValidatorHead, head_key, receipt_key, split_head_key, split_receipt_key,
};

/// What went wrong with the files of the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// RocksDB's own failure: the folder is locked by another process, the disk is full, a file is damaged.
    #[error("RocksDB failed")]
    RocksDb(#[from] rocksdb::Error),
    /// The disk takes no bytes yet after a write that failed.
    #[error("the disk takes no bytes")]
    Disk(#[source] std::io::Error),
    /// A write failed a moment ago; the disk is looked at again soon.
    #[error("the store's disk failed a moment ago")]
    Failing,
    /// The folder was written by another version of this program.
    #[error("the store has format {found}, this program reads format {FORMAT}")]
    Format {
        /// The format number found.
        found: u32,
    },
    /// A value does not decode; the file was changed by something else.
    #[error("an entry of `{family}` cannot be decoded")]
    Damaged {
        /// The column family.
        family: &'static str,
    },
}

#[derive(Debug)]
pub(super) struct Database {
    db: DB,
}

/// Writes that reach the disk together or not at all.
pub(super) struct Batch<'a> {
    database: &'a Database,
    batch: WriteBatch,
}

impl Database {
    pub fn open(path: &Path, fingerprints_bytes_max: u64) -> Result<Self, DatabaseError> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_keep_log_file_num(4);
        options.set_max_total_wal_size(64 << 20);
        let families = FAMILIES.map(|name| match name {
            FINGERPRINTS => (name, oldest_dropped_past(fingerprints_bytes_max)),
            name => (name, Options::default()),
        });
        let database = Self { db: DB::open_cf_with_opts(&options, path, families)? };
        match database.format()? {
            Some(FORMAT) => {}
            // Opening has made the new families; only the number is left to write.
            Some(older) if RAISED_FORMATS.contains(&older) => database.write_format()?,
            Some(found) => return Err(DatabaseError::Format { found }),
            None => database.write_format()?,
        }
        Ok(database)
    }

    /// Opens the files as they are now, beside a running writer.
    pub fn open_read_only(path: &Path) -> Result<Self, DatabaseError> {
        let database = Self { db: DB::open_cf_for_read_only(&Options::default(), path, FAMILIES, false)? };
        match database.format()? {
            Some(FORMAT) => Ok(database),
            found => Err(DatabaseError::Format { found: found.unwrap_or(0) }),
        }
    }

    pub fn batch(&self) -> Batch<'_> {
        Batch { database: self, batch: WriteBatch::default() }
    }

    pub fn head(&self, shard: &Shard) -> Result<Option<ValidatorHead>, DatabaseError> {
        self.db
            .get_cf(self.family(VALIDATORS), head_key(shard))?
            .map(|bytes| decode(VALIDATORS, &bytes))
            .transpose()
    }

    pub fn heads(&self) -> Result<Vec<(Shard, ValidatorHead)>, DatabaseError> {
        self.all(VALIDATORS, split_head_key)
    }

    pub fn nonce_marks_ns(&self) -> Result<Vec<(AccountId, u64)>, DatabaseError> {
        self.all(NONCE_MARKS, |key| key.try_into().ok().map(AccountId))
    }

    /// Receipts in order of validator and position, beginning with the given position.
    pub fn receipts(
        &self,
        validator: &AccountId,
        position: u64,
    ) -> impl Iterator<Item = Result<(AccountId, u64, Record), DatabaseError>> + '_ {
        let start = receipt_key(validator, position);
        self.db.iterator_cf(self.family(RECEIPTS), IteratorMode::From(&start, Direction::Forward)).map(
            |entry| {
                let (key, value) = entry?;
                let (validator, position) =
                    split_receipt_key(&key).ok_or(DatabaseError::Damaged { family: RECEIPTS })?;
                Ok((validator, position, decode(RECEIPTS, &value)?))
            },
        )
    }

    /// The bytes of a fingerprint that is still kept.
    pub fn fingerprint(&self, digest: &Digest) -> Result<Option<Vec<u8>>, DatabaseError> {
        Ok(self.db.get_cf(self.family(FINGERPRINTS), digest.0)?)
    }

    /// The countersigned record of a call, if its validator sent it back. It was checked before it was stored.
    pub fn countersigned(
        &self,
        validator: &AccountId,
        sequence: u64,
    ) -> Result<Option<UncheckedCountersigned>, DatabaseError> {
        let bytes = self.db.get_cf(self.family(COUNTERSIGNED), receipt_key(validator, sequence))?;
        let damaged = |_| DatabaseError::Damaged { family: COUNTERSIGNED };
        bytes.map(|bytes| UncheckedCountersigned::from_bytes(&bytes).map_err(damaged)).transpose()
    }

    fn write_format(&self) -> Result<(), DatabaseError> {
        let mut batch = WriteBatch::default();
        batch.put(FORMAT_KEY, FORMAT.to_le_bytes());
        self.write(batch)
    }

    fn all<K, T: Decode>(
        &self,
        family: &'static str,
        split: impl Fn(&[u8]) -> Option<K>,
    ) -> Result<Vec<(K, T)>, DatabaseError> {
        let entries = self.db.iterator_cf(self.family(family), IteratorMode::Start);
        entries
            .map(|entry| {
                let (key, value) = entry?;
                let key = split(&key).ok_or(DatabaseError::Damaged { family })?;
                Ok((key, decode(family, &value)?))
            })
            .collect()
    }

    fn format(&self) -> Result<Option<u32>, DatabaseError> {
        self.db.get(FORMAT_KEY)?.map(|bytes| decode("default", &bytes)).transpose()
    }

    fn family(&self, name: &'static str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("every family was opened with the database")
    }

    fn write(&self, batch: WriteBatch) -> Result<(), DatabaseError> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        Ok(self.db.write_opt(batch, &options)?)
    }
}

impl Batch<'_> {
    pub fn receipt(&mut self, validator: &AccountId, position: u64, record: &Record) {
        self.batch.put_cf(self.database.family(RECEIPTS), receipt_key(validator, position), record.encode());
    }

    pub fn head(&mut self, shard: &Shard, head: &ValidatorHead) {
        self.batch.put_cf(self.database.family(VALIDATORS), head_key(shard), head.encode());
    }

    pub fn fingerprint(&mut self, fingerprint: &Fingerprint) {
        let family = self.database.family(FINGERPRINTS);
        self.batch.put_cf(family, fingerprint.digest().0, fingerprint.encode());
    }

    pub fn countersigned(&mut self, call: &Countersigned) {
        let key = receipt_key(&call.ticket().validator, call.ticket().sequence);
        self.batch.put_cf(self.database.family(COUNTERSIGNED), key, call.encode());
    }

    pub fn nonce_mark_ns(&mut self, caller: &AccountId, mark_ns: u64) {
        self.batch.put_cf(self.database.family(NONCE_MARKS), caller.0, mark_ns.encode());
    }

    /// Returns when the batch is on disk.
    pub fn commit(self) -> Result<(), DatabaseError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.database.write(self.batch)
    }
}

/// A family that forgets: whole files, oldest first, once all together are larger than this.
fn oldest_dropped_past(bytes_max: u64) -> Options {
    let (mut options, mut fifo) = (Options::default(), FifoCompactOptions::default());
    fifo.set_max_table_files_size(bytes_max);
    options.set_compaction_style(DBCompactionStyle::Fifo);
    options.set_fifo_compaction_options(&fifo);
    options
}

fn decode<T: Decode>(family: &'static str, mut bytes: &[u8]) -> Result<T, DatabaseError> {
    match T::decode(&mut bytes) {
        Ok(value) if bytes.is_empty() => Ok(value),
        _ => Err(DatabaseError::Damaged { family }),
    }
}

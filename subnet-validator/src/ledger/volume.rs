//! The open database, and how it is opened again after its disk failed.
//!
//! A failed write leaves RocksDB refusing all later ones for as long as it is open, because only the disk knows how far the write
//! got. So the writer closes it and opens it again, which reads the log back, as soon as the disk takes bytes: first a probe is
//! written and synced beside the database, since a database that is closed on a full disk may not open again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::error::{AppendError, ReadError};
use super::schema::Owner;
use super::store::Store;

/// What the disk must take before the database is closed: more than opening writes.
const PROBE_BYTES: usize = 1 << 20;
/// Longest wait for reads under way, in milliseconds; past it the database stays as it is until the next try.
const READS_MS_MAX: u64 = 2_000;
/// Pause between two looks at them, in milliseconds.
const READS_PAUSE_MS: u64 = 2;

/// The database of one folder.
pub(super) struct Volume {
    path: PathBuf,
    owner: Owner,
    /// `None` while it is opened again, and for as long as that fails.
    store: Mutex<Option<Arc<Store>>>,
}

impl Volume {
    pub(super) fn new(path: PathBuf, owner: Owner, store: Store) -> Self {
        Self { path, owner, store: Mutex::new(Some(Arc::new(store))) }
    }

    /// The database. Whoever holds it keeps it from being opened again.
    pub(super) fn store(&self) -> Result<Arc<Store>, ReadError> {
        self.lock().clone().ok_or(ReadError::Unavailable)
    }

    /// Opens the database again if its disk takes bytes. Reads that begin meanwhile fail.
    pub(super) fn reopen(&self) -> Result<Arc<Store>, AppendError> {
        self.probe().map_err(|error| AppendError::DiskRefuses { why: error.to_string() })?;
        let held = self.lock().take();
        if let Some(store) = held {
            match alone(store) {
                Ok(store) => drop(store),
                Err(busy) => {
                    *self.lock() = Some(busy);
                    return Err(AppendError::DiskRefuses { why: "a long read is under way".to_owned() });
                }
            }
        }
        let store = Store::open(&self.path, self.owner);
        let store = Arc::new(store.map_err(|error| AppendError::Reopening(Arc::new(error)))?);
        *self.lock() = Some(Arc::clone(&store));
        Ok(store)
    }

    fn probe(&self) -> io::Result<()> {
        // Beside the database: RocksDB removes files from its folder that it does not know.
        let place = self.path.with_extension("probe");
        let written = File::create(&place).and_then(|mut file| {
            file.write_all(&vec![0; PROBE_BYTES])?;
            file.sync_all()
        });
        let removed = fs::remove_file(&place);
        written.and(removed)
    }

    /// Nothing here panics while holding the lock, and every value in it is whole.
    fn lock(&self) -> MutexGuard<'_, Option<Arc<Store>>> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The database when nobody else holds it any more; it is given back if somebody does for long.
fn alone(mut store: Arc<Store>) -> Result<Store, Arc<Store>> {
    let deadline = Instant::now() + Duration::from_millis(READS_MS_MAX);
    loop {
        match Arc::try_unwrap(store) {
            Ok(store) => return Ok(store),
            Err(held) if Instant::now() >= deadline => return Err(held),
            Err(held) => store = held,
        }
        thread::sleep(Duration::from_millis(READS_PAUSE_MS));
    }
}

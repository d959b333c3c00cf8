//! The store's database, and how it is opened again after its disk failed.
//!
//! A failed write leaves RocksDB refusing all later ones for as long as it is open, because only the disk knows how far the write
//! got. So it is closed and opened again, which reads the log back, as soon as the disk takes bytes: first a probe is written and
//! synced beside it, since a database that is closed on a full disk may not open again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::database::{Database, DatabaseError};

/// What the disk must take before the database is closed: more than opening writes.
const PROBE_BYTES: usize = 1 << 20;
/// Pause between two probes; what is asked meanwhile is refused.
const PROBE_PAUSE: Duration = Duration::from_millis(200);

pub(super) struct Volume {
    path: PathBuf,
    fingerprints_bytes_max: u64,
    /// `None` while it could be closed and not be opened again.
    database: Option<Database>,
    /// When to look at the disk again, after a write that failed.
    failing: Option<Instant>,
}

impl Volume {
    pub fn open(path: &Path, fingerprints_bytes_max: u64) -> Result<Self, DatabaseError> {
        let database = Some(Database::open(path, fingerprints_bytes_max)?);
        Ok(Self { path: path.to_owned(), fingerprints_bytes_max, database, failing: None })
    }

    /// The database; opened again first if its last write failed and the disk takes bytes now.
    pub fn database(&mut self) -> Result<&Database, DatabaseError> {
        if let Some(again_at) = self.failing {
            let now = Instant::now();
            if now < again_at {
                return Err(DatabaseError::Failing);
            }
            self.failing = Some(now + PROBE_PAUSE);
            self.probe().map_err(DatabaseError::Disk)?;
            self.database = None;
            self.database = Some(Database::open(&self.path, self.fingerprints_bytes_max)?);
            self.failing = None;
            tracing::info!("the receipt store's disk takes bytes again: opened anew");
        }
        self.database.as_ref().ok_or(DatabaseError::Failing)
    }

    /// Tells of a write that failed: the next call of [`Volume::database`] begins with opening it again.
    pub fn fail(&mut self) {
        self.failing = Some(Instant::now());
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
}

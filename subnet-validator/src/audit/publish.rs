//! Writing each tempo's bundle where the gateway serves it. The folder is also what a static host needs: see
//! [`super::fetch`].

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::signing::Keypair;
use tokio::sync::Mutex;

use super::INDEX;
use super::export::{ExportError, Exported, export};
use super::fetch::Epochs;
use crate::config::AuditConfig;
use crate::ledger::{Ledger, Reader};

/// Writes bundles, one at a time.
#[derive(Clone)]
pub struct Publisher {
    ledger: Ledger,
    hotkey: Keypair,
    folder: PathBuf,
    config: AuditConfig,
    writing: Arc<Mutex<()>>,
}

impl Publisher {
    /// A publisher into this folder, which is made when the first bundle is written.
    #[must_use]
    pub fn new(ledger: Ledger, hotkey: Keypair, folder: PathBuf, config: AuditConfig) -> Self {
        Self { ledger, hotkey, folder, config, writing: Arc::default() }
    }

    /// Writes the bundle of a tempo that has its head, in the background. What goes wrong is logged: the log itself is not
    /// harmed, and `audit export` can write the bundle later.
    pub fn publish(&self, epoch_index: u64) {
        if self.config.bundles_max == 0 {
            return;
        }
        let publisher = self.clone();
        tokio::spawn(async move {
            let Ok(_one_at_a_time) = Arc::clone(&publisher.writing).try_lock_owned() else {
                tracing::warn!(epoch_index, "the last bundle is still being written: this one is left out");
                return;
            };
            let Publisher { ledger, hotkey, folder, config, .. } = publisher;
            let written =
                ledger.read(move |reader| Ok(write(reader, &hotkey, epoch_index, &folder, &config))).await;
            match written {
                Ok(Ok(Some(exported))) => {
                    let Exported { leaves, bytes, .. } = exported;
                    tracing::info!(epoch_index, leaves, bytes, "the tempo's bundle can be fetched");
                }
                Ok(Ok(None)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(
                        epoch_index,
                        error = &error as &dyn std::error::Error,
                        "no bundle was written"
                    );
                }
                Err(error) => {
                    tracing::warn!(
                        epoch_index,
                        error = &error as &dyn std::error::Error,
                        "no bundle was written"
                    );
                }
            }
        });
    }
}

/// The folder of a tempo's bundle.
#[must_use]
pub fn bundle(folder: &Path, epoch_index: u64) -> PathBuf {
    folder.join(epoch_index.to_string())
}

/// The tempos whose bundles are there, oldest first. None if the folder is not there yet.
///
/// # Errors
/// When the folder cannot be read.
pub fn epochs(folder: &Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut epochs = Vec::new();
    for entry in entries {
        epochs.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    epochs.sort_unstable();
    Ok(epochs)
}

/// Writes a bundle beside its place and moves it there whole; then removes the oldest. `None` if it is there already, or too
/// large.
fn write(
    reader: &Reader,
    hotkey: &Keypair,
    epoch_index: u64,
    folder: &Path,
    config: &AuditConfig,
) -> Result<Option<Exported>, ExportError> {
    let place = bundle(folder, epoch_index);
    let record = reader.head(epoch_index)?.ok_or(ExportError::NoHead { epoch_index })?;
    let leaves = record.head.head.tree_size.saturating_sub(record.head.head.first_index);
    if leaves > config.bundle_leaves_max {
        tracing::warn!(
            epoch_index,
            leaves,
            "the bundle is too large to be written by itself: use `audit export`"
        );
        return Ok(None);
    }
    if place.exists() {
        return Ok(None);
    }
    let beside = folder.join(format!("{epoch_index}.part"));
    match fs::remove_dir_all(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(ExportError::Write(error)),
        _ => {}
    }
    let exported = export(reader, hotkey, Some(epoch_index), &beside, |_, _| ())?;
    fs::rename(&beside, &place)?;
    let mut epochs = epochs(folder)?;
    let surplus: Vec<u64> = epochs.drain(..epochs.len().saturating_sub(config.bundles_max)).collect();
    // The list first: it never names what is gone.
    let index = serde_json::to_vec(&Epochs { epochs }).map_err(io::Error::other)?;
    let beside = folder.join(format!("{INDEX}.part"));
    fs::write(&beside, index)?;
    fs::rename(&beside, folder.join(INDEX))?;
    for epoch_index in surplus {
        fs::remove_dir_all(bundle(folder, epoch_index))?;
    }
    Ok(Some(exported))
}

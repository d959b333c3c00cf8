//! Writing each tempo's bundle where the gateway serves it. The folder is also what a static host needs: see
//! [`super::fetch`].

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::digest::Digest;
use protocol::manifest::{SignedManifest, parts_of};
use protocol::signing::Keypair;
use tokio::sync::Mutex;

use super::export::{ExportError, ExportOptions, Exported, export_with};
use super::fetch::Epochs;
use super::shelf::part_path;
use super::store::{Store, Uploaded};
use super::verdict::with_causes;
use super::{INDEX, MANIFEST};
use crate::config::AuditConfig;
use crate::ledger::{Ledger, Reader};
use crate::shards::ShardsConfig;
use crate::shards::papers::{PapersError, bring};

/// Writes bundles, one at a time.
#[derive(Clone)]
pub struct Publisher {
    ledger: Ledger,
    hotkey: Keypair,
    folder: PathBuf,
    config: AuditConfig,
    writing: Arc<Mutex<()>>,
    /// Where the other gateways' parts are fetched from, at a head gateway.
    shards: Option<Arc<ShardsConfig>>,
}

impl Publisher {
    /// A publisher into this folder, which is made when the first bundle is written.
    #[must_use]
    pub fn new(ledger: Ledger, hotkey: Keypair, folder: PathBuf, config: AuditConfig) -> Self {
        Self { ledger, hotkey, folder, config, writing: Arc::default(), shards: None }
    }

    /// The same for a head gateway, which fetches the others' parts first.
    #[must_use]
    pub fn with_shards(self, shards: ShardsConfig) -> Self {
        Self { shards: Some(Arc::new(shards)), ..self }
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
            let Publisher { ledger, hotkey, folder, config, shards, .. } = publisher;
            if let Some(shards) = shards
                && let Err(error) = bring_papers(&ledger, &shards, epoch_index, &folder).await
            {
                let error = with_causes(&error);
                tracing::warn!(epoch_index, error, "what the bundle needs of another gateway is not there");
            }
            let (place, limits) = (folder.clone(), config.clone());
            let written =
                ledger.read(move |reader| Ok(write(reader, &hotkey, epoch_index, &place, &limits))).await;
            match written {
                Ok(Ok(Some(exported))) => {
                    let Exported { leaves, leaves_new, bytes_new, .. } = exported;
                    tracing::info!(
                        epoch_index,
                        leaves,
                        leaves_new,
                        bytes_new,
                        "the tempo's bundle can be fetched"
                    );
                    if !config.store.url.is_empty() {
                        upload(&config, &folder, epoch_index).await;
                    }
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

/// Fetches what a tempo's bundle needs of the other gateways.
async fn bring_papers(
    ledger: &Ledger,
    shards: &ShardsConfig,
    epoch_index: u64,
    folder: &Path,
) -> Result<(), PapersError> {
    match ledger.read(move |reader| reader.head(epoch_index)).await {
        Ok(Some(record)) => bring(shards, &record.head.head, folder).await,
        // Writing the bundle tells why there is none.
        Ok(None) | Err(_) => Ok(()),
    }
}

/// Sends a bundle to object storage. What goes wrong is logged: the next tempo's bundle brings what is missing.
async fn upload(config: &AuditConfig, folder: &Path, epoch_index: u64) {
    let uploaded = match Store::open(&config.store) {
        Ok(store) => store.put_bundle(folder, epoch_index).await,
        Err(error) => Err(error),
    };
    match uploaded {
        Ok(Uploaded { objects, bytes }) => {
            tracing::info!(epoch_index, objects, bytes, "the tempo's bundle is in object storage");
        }
        Err(error) => {
            let error = with_causes(&error);
            tracing::warn!(epoch_index, error, "the tempo's bundle is not in object storage");
        }
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

/// Writes a tempo's bundle, and removes the oldest with the parts that no other needs. `None` if it is there already, or too
/// large.
fn write(
    reader: &Reader,
    hotkey: &Keypair,
    epoch_index: u64,
    folder: &Path,
    config: &AuditConfig,
) -> Result<Option<Exported>, ExportError> {
    let options =
        ExportOptions { epoch_index: Some(epoch_index), folder, leaves_max: config.bundle_leaves_max };
    let exported = match export_with(reader, hotkey, options, |_, _| ()) {
        Ok(exported) => exported,
        Err(ExportError::Exists(_)) => return Ok(None),
        Err(ExportError::TooMany { leaves, .. }) => {
            tracing::warn!(
                epoch_index,
                leaves,
                "the bundle is too large to be written by itself: use `audit export`"
            );
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    keep_newest(folder, config.bundles_max)?;
    Ok(Some(exported))
}

/// Removes the oldest bundles of a folder of tempos, and parts that none of the others lists; writes the list of those that stay. Answers
/// which parts they list.
pub(super) fn keep_newest(folder: &Path, bundles_max: usize) -> io::Result<HashSet<Digest>> {
    let mut epochs = epochs(folder)?;
    // The manifest is written last: without one a fetch broke off, or is under way.
    let whole = |epoch_index: &u64| bundle(folder, *epoch_index).join(MANIFEST).is_file();
    let (mut epochs, unfinished): (Vec<u64>, Vec<u64>) = epochs.drain(..).partition(whole);
    let mut surplus: Vec<u64> = epochs.drain(..epochs.len().saturating_sub(bundles_max)).collect();
    surplus.extend(unfinished.into_iter().filter(|old| epochs.first().is_some_and(|first| old < first)));
    let (mut listed, mut digests) = (HashSet::new(), HashSet::new());
    for epoch_index in &epochs {
        let bytes = fs::read(bundle(folder, *epoch_index).join(MANIFEST))?;
        // A bundle of the first version lists no parts.
        let Ok(manifest) = serde_json::from_slice::<SignedManifest>(&bytes) else { continue };
        for (shard, part) in manifest.manifest.parts() {
            listed.insert(part_path(shard, part));
            digests.insert(part.sha256);
        }
    }
    // The list first: it never names what is gone.
    let index = serde_json::to_vec(&Epochs { epochs }).map_err(io::Error::other)?;
    let beside = folder.join(format!("{INDEX}.part"));
    fs::write(&beside, index)?;
    fs::rename(&beside, folder.join(INDEX))?;
    for epoch_index in &surplus {
        fs::remove_dir_all(bundle(folder, *epoch_index))?;
    }
    if !surplus.is_empty() {
        keep_parts(folder, &listed)?;
    }
    Ok(digests)
}

/// Removes parts of all shards that are not on the list.
pub(super) fn keep_parts(folder: &Path, listed: &HashSet<String>) -> io::Result<()> {
    let kept = |path: &str| listed.contains(path);
    for shard in 0..=u8::MAX {
        let parts = parts_of(shard);
        if folder.join(&parts).is_dir() {
            remove_parts(folder, &parts, &kept)?;
        }
    }
    Ok(())
}

/// Removes all files below a folder of parts but those that are kept, and folders that are empty then.
fn remove_parts(root: &Path, below: &str, kept: &dyn Fn(&str) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{below}/{name}");
        if entry.file_type()?.is_dir() {
            remove_parts(root, &path, kept)?;
            if fs::read_dir(entry.path())?.next().is_none() {
                fs::remove_dir(entry.path())?;
            }
        } else if !kept(&path) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

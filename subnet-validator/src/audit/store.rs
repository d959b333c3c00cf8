//! Bundles in object storage: the same names below a prefix as in a folder of tempos ([`super::shelf`]).
//!
//! Parts go first and several at a time, then the tempo's small files, its manifest, and the list of tempos: whoever finds a tempo on
//! the list finds all of it. Parts that the manifest before lists are there already and are not sent again. Nothing is removed: how
//! long objects stay is the bucket's own rule to say.
//!
//! Keys are read from a file of their own or from the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and what else
//! Amazon's programs read), never from the configuration.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt, RetryConfig};
use protocol::manifest::SignedManifest;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::fetch::Epochs;
use super::publish::bundle;
use super::review::MANIFEST_BYTES_MAX;
use super::shelf::part_path;
use super::{INDEX, MANIFEST};

/// Tries of one request.
const RETRIES_MAX: usize = 5;

/// Where bundles are put besides the state folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// `s3://bucket/prefix` or `file:///folder`; none if empty.
    pub url: String,
    /// For `s3`: the server, such as `https://s3.example.org`; Amazon's if empty.
    pub endpoint: String,
    /// For `s3`: the region.
    pub region: String,
    /// File with `access_key_id` and `secret_access_key` (TOML) that its owner alone can read; the environment if empty.
    pub credentials_file: String,
    /// Objects sent or fetched at a time.
    pub transfers_max: usize,
    /// Longest wait for one request, in milliseconds, its repetitions included.
    pub request_timeout_ms: u64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            endpoint: String::new(),
            region: "us-east-1".into(),
            credentials_file: String::new(),
            transfers_max: 8,
            request_timeout_ms: 60_000,
        }
    }
}

/// Keys as the file has them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    #[serde(default)]
    session_token: Option<String>,
}

/// Object storage could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address is none.
    #[error("{0:?} is no object storage: write s3://bucket/prefix or file:///folder")]
    Url(String),
    /// The keys cannot be read.
    #[error("cannot read the keys in {path}", path = path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others can read the keys.
    #[error("{path} can be read by others; run: chmod 600 {path}", path = .0.display())]
    Exposed(PathBuf),
    /// The storage refused, or cannot be reached.
    #[error("object storage")]
    Storage(#[from] object_store::Error),
    /// A file of the bundle cannot be read.
    #[error("cannot read the bundle")]
    Read(#[from] io::Error),
    /// What lies there is not what was put there.
    #[error("{0} in object storage is not of the form expected")]
    Form(String),
}

/// Object storage below one prefix. Clones share its connections.
#[derive(Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    prefix: Key,
    transfers_max: usize,
    runtime: Handle,
    url: String,
}

/// What was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uploaded {
    /// Objects sent.
    pub objects: usize,
    /// Their bytes.
    pub bytes: u64,
}

// Connections hold keys.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Store {
    /// Object storage by its configuration; nothing is asked of it yet. Within a tokio runtime.
    ///
    /// # Errors
    /// When the address is none, or the keys cannot be read.
    pub fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let StoreConfig { url, transfers_max, .. } = config;
        let unknown = || StoreError::Url(url.clone());
        let (objects, prefix): (Arc<dyn ObjectStore>, _) = if let Some(folder) = url.strip_prefix("file://") {
            if !folder.starts_with('/') {
                return Err(unknown());
            }
            fs::create_dir_all(folder)?;
            (Arc::new(LocalFileSystem::new_with_prefix(folder)?), Key::default())
        } else {
            let (bucket, prefix) = url
                .strip_prefix("s3://")
                .map(|rest| rest.split_once('/').unwrap_or((rest, "")))
                .filter(|(bucket, _)| !bucket.is_empty())
                .ok_or_else(unknown)?;
            (Arc::new(s3(config, bucket)?), Key::from(prefix))
        };
        let transfers_max = (*transfers_max).max(1);
        Ok(Self { objects, prefix, transfers_max, runtime: Handle::current(), url: url.clone() })
    }

    /// Whether this is an address of object storage.
    #[must_use]
    pub fn is_url(text: &str) -> bool {
        text.starts_with("s3://") || text.starts_with("file://")
    }

    /// Sends a tempo's bundle from a folder of tempos.
    ///
    /// # Errors
    /// When it cannot be read, or the storage does not take it after several tries.
    pub async fn put_bundle(&self, folder: &Path, epoch_index: u64) -> Result<Uploaded, StoreError> {
        let place = bundle(folder, epoch_index);
        let manifest_bytes = tokio::fs::read(place.join(MANIFEST)).await?;
        let manifest = parse_manifest(MANIFEST, &manifest_bytes)?;
        let mut epochs = self.epochs_there().await?;
        let mut there = HashSet::new();
        if let Some(before) = epochs.iter().rev().find(|before| **before != epoch_index) {
            let path = format!("{before}/{MANIFEST}");
            let before = parse_manifest(&path, &self.get(&path, MANIFEST_BYTES_MAX).await?)?;
            there.extend(before.manifest.parts().map(|(shard, part)| part_path(shard, part)));
        }
        let listed = manifest.manifest.parts().map(|(shard, part)| part_path(shard, part));
        let missing = listed.filter(|path| !there.contains(path));
        let parts = missing.map(|path| (folder.join(&path), path)).collect::<Vec<_>>();
        let small = manifest.manifest.files.iter().map(|file| &file.name);
        let small = small.map(|name| (place.join(name), format!("{epoch_index}/{name}"))).collect::<Vec<_>>();
        let mut uploaded = Uploaded { objects: 0, bytes: 0 };
        for group in [parts, small] {
            let sent = futures::stream::iter(group).map(|(file, path)| async move {
                let bytes = tokio::fs::read(file).await?;
                self.put(&path, bytes).await
            });
            let mut sent = sent.buffer_unordered(self.transfers_max);
            while let Some(bytes) = sent.try_next().await? {
                uploaded.objects = uploaded.objects.saturating_add(1);
                uploaded.bytes = uploaded.bytes.saturating_add(bytes);
            }
        }
        uploaded.bytes = uploaded
            .bytes
            .saturating_add(self.put(&format!("{epoch_index}/{MANIFEST}"), manifest_bytes).await?);
        if !epochs.contains(&epoch_index) {
            epochs.push(epoch_index);
            epochs.sort_unstable();
        }
        let index = serde_json::to_vec(&Epochs { epochs }).map_err(io::Error::other)?;
        uploaded.bytes = uploaded.bytes.saturating_add(self.put(INDEX, index).await?);
        uploaded.objects = uploaded.objects.saturating_add(2);
        Ok(uploaded)
    }

    /// The tempos that are there, oldest first.
    pub(super) async fn epochs_there(&self) -> Result<Vec<u64>, StoreError> {
        const INDEX_BYTES_MAX: u64 = 1 << 20;
        let bytes = match self.get(INDEX, INDEX_BYTES_MAX).await {
            Err(StoreError::Storage(object_store::Error::NotFound { .. })) => return Ok(Vec::new()),
            other => other?,
        };
        let Epochs { mut epochs } =
            serde_json::from_slice(&bytes).map_err(|_| StoreError::Form(INDEX.to_owned()))?;
        epochs.sort_unstable();
        Ok(epochs)
    }

    /// An object of at most so many bytes.
    pub(super) async fn get(&self, path: &str, bytes_max: u64) -> Result<Bytes, StoreError> {
        let found = self.objects.get(&self.key(path)).await?;
        if found.meta.size > bytes_max {
            return Err(StoreError::Form(path.to_owned()));
        }
        Ok(found.bytes().await?)
    }

    /// An object from this byte on, in pieces.
    pub(super) async fn open_at(
        &self,
        path: &str,
        from: u64,
    ) -> Result<BoxStream<'static, object_store::Result<Bytes>>, StoreError> {
        let range = (from > 0).then_some(GetRange::Offset(from));
        let options = GetOptions { range, ..GetOptions::default() };
        Ok(self.objects.get_opts(&self.key(path), options).await?.into_stream())
    }

    /// The same as [`Store::get`] for a thread that may block.
    pub(super) fn read(&self, path: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
        let bytes = self.runtime.block_on(self.get(path, bytes_max)).map_err(into_io)?;
        Ok(bytes.into())
    }

    /// The same as [`Store::epochs_there`] for a thread that may block.
    pub(super) fn epochs(&self) -> io::Result<Vec<u64>> {
        self.runtime.block_on(self.epochs_there()).map_err(into_io)
    }

    pub(super) fn transfers_max(&self) -> usize {
        self.transfers_max
    }

    async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<u64, StoreError> {
        let length = bytes.len() as u64;
        self.objects.put(&self.key(path), bytes.into()).await?;
        Ok(length)
    }

    fn key(&self, path: &str) -> Key {
        self.prefix.parts().chain(Key::from(path).parts()).collect()
    }
}

fn s3(config: &StoreConfig, bucket: &str) -> Result<object_store::aws::AmazonS3, StoreError> {
    // Only one of several providers that the build holds can be the process's; whoever comes first has chosen the same.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let StoreConfig { endpoint, region, credentials_file, request_timeout_ms, .. } = config;
    let timeout = Duration::from_millis(*request_timeout_ms);
    let retries = RetryConfig { max_retries: RETRIES_MAX, retry_timeout: timeout, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_region(region)
        .with_retry(retries)
        .with_client_options(ClientOptions::new().with_timeout(timeout).with_allow_http(true));
    if !endpoint.is_empty() {
        builder = builder.with_endpoint(endpoint);
    }
    if !credentials_file.is_empty() {
        let path = PathBuf::from(credentials_file);
        let failed = |source| StoreError::Credentials { path: path.clone(), source };
        if fs::metadata(&path).map_err(failed)?.mode() & 0o077 != 0 {
            return Err(StoreError::Exposed(path));
        }
        let text = fs::read_to_string(&path).map_err(failed)?;
        // toml's own error would show the line with the key.
        let wrong = |_| failed(io::Error::other("it has no access_key_id and secret_access_key in TOML"));
        let keys: Credentials = toml::from_str(&text).map_err(wrong)?;
        builder =
            builder.with_access_key_id(keys.access_key_id).with_secret_access_key(keys.secret_access_key);
        if let Some(token) = keys.session_token {
            builder = builder.with_token(token);
        }
    }
    Ok(builder.build()?)
}

fn parse_manifest(path: &str, bytes: &[u8]) -> Result<SignedManifest, StoreError> {
    serde_json::from_slice(bytes).map_err(|_| StoreError::Form(path.to_owned()))
}

fn into_io(error: StoreError) -> io::Error {
    match error {
        StoreError::Storage(object_store::Error::NotFound { .. }) => {
            io::Error::new(io::ErrorKind::NotFound, "object storage has no such object")
        }
        other => io::Error::other(other),
    }
}

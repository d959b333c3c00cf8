//! Getting a bundle from a validator's gateway, or from any host that serves a copy of the folder it publishes into: resumed
//! where it broke off, never more bytes than the signed manifest lists.
//!
//! | at a gateway | at a static host | what |
//! |---|---|---|
//! | `/audit/v1/epochs` | `/index.json` | the tempos that have a bundle |
//! | `/audit/v1/epochs/<tempo>/<file>` | `/<tempo>/<file>` | a bundle's files |
//!
//! The static layout is that of the validator's `audit` folder as it lies on disk, so that `rclone copy` of the folder to an
//! object store is all there is to do. Deliberately absent: TLS. Nothing fetched is believed before the signed manifest and
//! the chain agree with it, and a host that speaks TLS alone can be copied from with its own client.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::RANGE;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::manifest::{FileEntry, Manifest, ManifestError, SignedManifest};
use serde::{Deserialize, Serialize};

use super::export::digest_of;
use super::{INDEX, MANIFEST};

/// Longest wait for a connection, for an answer's head and between two pieces of a body.
const WAIT_MS_MAX: u64 = 30_000;
/// How long the list of tempos and the manifest may be.
const LIST_BYTES_MAX: usize = 1 << 20;
const MANIFEST_BYTES_MAX: usize = 16 << 20;
/// How many of a host's newest tempos are looked through for a certain head.
const EPOCHS_LOOKED_AT: usize = 3;

/// The answer of `/audit/v1/epochs`, and the content of `index.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epochs {
    /// Tempos with a bundle, oldest first.
    pub epochs: Vec<u64>,
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The tempo.
    pub epoch_index: u64,
    /// Bytes of all files that the manifest lists.
    pub bytes: u64,
}

/// A bundle was not fetched whole.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address is none.
    #[error("{0:?} is not the address of a gateway; it is like http://203.0.113.7:8064")]
    Address(String),
    /// The gateway cannot be reached.
    #[error("cannot reach the gateway")]
    Connection(#[source] hyper_util::client::legacy::Error),
    /// The gateway was silent.
    #[error("the gateway was silent for {WAIT_MS_MAX} ms")]
    Silent,
    /// The answer broke off.
    #[error("the gateway broke off its answer")]
    Broken(#[source] hyper::Error),
    /// The gateway refused.
    #[error("the gateway answered {status} for {path}")]
    Status {
        /// Its status.
        status: StatusCode,
        /// What was asked for.
        path: String,
    },
    /// The answer is longer than it may be.
    #[error("{path} is longer than {max} bytes")]
    TooLong {
        /// What was asked for.
        path: String,
        /// The limit.
        max: u64,
    },
    /// The answer is not what it should be.
    #[error("{path} is not JSON of the form expected")]
    Form {
        /// What was asked for.
        path: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// There is nothing to fetch.
    #[error("the validator has published no bundle yet: it does so when it sets weights")]
    Nothing,
    /// The bundle is larger than it may be.
    #[error("the bundle has {bytes} bytes, at most {max} are fetched")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// The manifest is not good.
    #[error("checking the manifest")]
    Manifest(#[source] ManifestError),
    /// A file is not the one listed.
    #[error("{name} is not the file that the manifest lists; it was removed, fetch again")]
    File {
        /// Which one.
        name: String,
    },
    /// The folder cannot be written.
    #[error("cannot write the bundle")]
    Write(#[from] io::Error),
}

/// A host that has bundles.
struct Host {
    http: Client<HttpConnector, Empty<Bytes>>,
    base: String,
}

/// A manifest whose signature was checked, with its bytes.
struct Listed {
    manifest: Manifest,
    bytes: Vec<u8>,
}

/// Fetches the bundle of a tempo, or the newest, into a folder. `progress` is told bytes done and in all.
///
/// # Errors
/// When the host has none, sends something else than its manifest lists, or breaks off; what has arrived is kept.
pub async fn fetch(
    url: &str,
    epoch_index: Option<u64>,
    folder: &Path,
    progress: impl FnMut(u64, u64),
) -> Result<Fetched, FetchError> {
    let (host, epochs) = Host::find(url).await?;
    let epoch_index = match epoch_index {
        Some(epoch_index) => epoch_index,
        None => epochs.last().copied().ok_or(FetchError::Nothing)?,
    };
    let listed = host.manifest(epoch_index).await?;
    host.files(epoch_index, &listed, folder, progress).await
}

/// Fetches the bundle of this head into the folder that `folder` names for its tempo. `None` if the host's newest bundles are of
/// another validator or another head.
///
/// # Errors
/// As [`fetch`], and when the bundle is larger than `bytes_max`.
pub async fn fetch_head(
    url: &str,
    (validator, head): (&AccountId, &Digest),
    folder: impl Fn(u64) -> PathBuf,
    bytes_max: u64,
) -> Result<Option<Fetched>, FetchError> {
    let (host, epochs) = Host::find(url).await?;
    for epoch_index in epochs.into_iter().rev().take(EPOCHS_LOOKED_AT) {
        let listed = host.manifest(epoch_index).await?;
        if listed.manifest.validator != *validator {
            return Ok(None);
        }
        if listed.manifest.head == *head {
            let bytes = listed.bytes_in_all();
            if bytes > bytes_max {
                return Err(FetchError::TooLarge { bytes, max: bytes_max });
            }
            return host.files(epoch_index, &listed, &folder(epoch_index), |_, _| ()).await.map(Some);
        }
    }
    Ok(None)
}

impl Listed {
    fn bytes_in_all(&self) -> u64 {
        self.manifest.files.iter().map(|file| file.bytes).fold(0, u64::saturating_add)
    }
}

impl Host {
    /// Finds out whether the host is a gateway or has the folders only, and which tempos it has, oldest first.
    async fn find(url: &str) -> Result<(Self, Vec<u64>), FetchError> {
        if !url.starts_with("http://") {
            return Err(FetchError::Address(url.to_owned()));
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_millis(WAIT_MS_MAX)));
        let http = Client::builder(TokioExecutor::new()).build(connector);
        let url = url.trim_end_matches('/');
        let mut host = Self { http, base: format!("{url}/audit/v1/epochs") };
        let (path, list) = match host.whole("", LIST_BYTES_MAX).await {
            Err(FetchError::Status { status, .. }) if status.is_client_error() => {
                host.base = url.to_owned();
                let path = format!("/{INDEX}");
                let list = host.whole(&path, LIST_BYTES_MAX).await?;
                (path, list)
            }
            other => (String::new(), other?),
        };
        let Epochs { mut epochs } = parse(&path, &list)?;
        epochs.sort_unstable();
        Ok((host, epochs))
    }

    async fn manifest(&self, epoch_index: u64) -> Result<Listed, FetchError> {
        let path = format!("/{epoch_index}/{MANIFEST}");
        let bytes = self.whole(&path, MANIFEST_BYTES_MAX).await?;
        let manifest: SignedManifest = parse(&path, &bytes)?;
        Ok(Listed { manifest: manifest.verify().map_err(FetchError::Manifest)?, bytes })
    }

    async fn files(
        &self,
        epoch_index: u64,
        listed: &Listed,
        folder: &Path,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Fetched, FetchError> {
        fs::create_dir_all(folder)?;
        let (total, mut done) = (listed.bytes_in_all(), 0_u64);
        for file in &listed.manifest.files {
            self.file(epoch_index, file, folder, |bytes| progress(done.saturating_add(bytes), total)).await?;
            done = done.saturating_add(file.bytes);
        }
        // Last, so that a folder with a manifest is whole.
        fs::write(folder.join(MANIFEST), &listed.bytes)?;
        Ok(Fetched { epoch_index, bytes: total })
    }

    async fn open(&self, path: &str, from: u64) -> Result<Response<Incoming>, FetchError> {
        let uri = format!("{}{path}", self.base);
        let mut request = Request::get(&uri);
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let request = request.body(Empty::new()).map_err(|_| FetchError::Address(uri))?;
        let response = within(self.http.request(request)).await?.map_err(FetchError::Connection)?;
        let expected = if from > 0 { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        if response.status() != expected {
            return Err(FetchError::Status { status: response.status(), path: path.to_owned() });
        }
        Ok(response)
    }

    async fn whole(&self, path: &str, bytes_max: usize) -> Result<Vec<u8>, FetchError> {
        let mut body = self.open(path, 0).await?.into_body();
        let mut bytes = Vec::new();
        while let Some(frame) = within(body.frame()).await? {
            let Ok(data) = frame.map_err(FetchError::Broken)?.into_data() else { continue };
            if bytes.len() + data.len() > bytes_max {
                return Err(FetchError::TooLong { path: path.to_owned(), max: bytes_max as u64 });
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes)
    }

    async fn file(
        &self,
        epoch_index: u64,
        file: &FileEntry,
        folder: &Path,
        mut progress: impl FnMut(u64),
    ) -> Result<(), FetchError> {
        let FileEntry { name, bytes, sha256 } = file;
        let place = folder.join(name);
        let mut have = fs::metadata(&place).map_or(0, |known| known.len());
        if have < *bytes {
            let path = format!("/{epoch_index}/{name}");
            let mut out = OpenOptions::new().create(true).append(true).open(&place)?;
            let mut body = self.open(&path, have).await?.into_body();
            while let Some(frame) = within(body.frame()).await? {
                let Ok(data) = frame.map_err(FetchError::Broken)?.into_data() else { continue };
                have = have.saturating_add(data.len() as u64);
                if have > *bytes {
                    break;
                }
                out.write_all(&data)?;
                progress(have);
            }
        }
        if digest_of(&place)? != (*bytes, *sha256) {
            fs::remove_file(&place)?;
            return Err(FetchError::File { name: name.clone() });
        }
        Ok(())
    }
}

async fn within<T>(work: impl Future<Output = T>) -> Result<T, FetchError> {
    tokio::time::timeout(Duration::from_millis(WAIT_MS_MAX), work).await.map_err(|_| FetchError::Silent)
}

fn parse<T: for<'a> Deserialize<'a>>(path: &str, bytes: &[u8]) -> Result<T, FetchError> {
    serde_json::from_slice(bytes).map_err(|source| FetchError::Form { path: path.to_owned(), source })
}

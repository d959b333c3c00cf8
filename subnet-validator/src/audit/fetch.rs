//! Getting a bundle from a validator's gateway: resumed where it broke off, never more bytes than the signed manifest lists.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::RANGE;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use protocol::manifest::{FileEntry, ManifestError, SignedManifest};
use serde::{Deserialize, Serialize};

use super::MANIFEST;
use super::export::digest_of;

/// Longest wait for a connection, for an answer's head and between two pieces of a body.
const WAIT_MS_MAX: u64 = 30_000;
/// How long the list of tempos and the manifest may be.
const LIST_BYTES_MAX: usize = 1 << 20;
const MANIFEST_BYTES_MAX: usize = 16 << 20;

/// The answer of `/audit/v1/epochs`.
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

struct Gateway {
    http: Client<HttpConnector, Empty<Bytes>>,
    base: String,
}

/// Fetches the bundle of a tempo, or the newest, into a folder. `progress` is told bytes done and in all.
///
/// # Errors
/// When the gateway has none, sends something else than its manifest lists, or breaks off; what has arrived is kept.
pub async fn fetch(
    url: &str,
    epoch_index: Option<u64>,
    folder: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<Fetched, FetchError> {
    if !url.starts_with("http://") {
        return Err(FetchError::Address(url.to_owned()));
    }
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(Duration::from_millis(WAIT_MS_MAX)));
    let http = Client::builder(TokioExecutor::new()).build(connector);
    let gateway = Gateway { http, base: format!("{}/audit/v1/epochs", url.trim_end_matches('/')) };
    let epoch_index = match epoch_index {
        Some(epoch_index) => epoch_index,
        None => {
            let Epochs { epochs } = parse("", &gateway.whole("", LIST_BYTES_MAX).await?)?;
            epochs.last().copied().ok_or(FetchError::Nothing)?
        }
    };
    let path = format!("/{epoch_index}/{MANIFEST}");
    let manifest_bytes = gateway.whole(&path, MANIFEST_BYTES_MAX).await?;
    let manifest: SignedManifest = parse(&path, &manifest_bytes)?;
    let manifest = manifest.verify().map_err(FetchError::Manifest)?;
    fs::create_dir_all(folder)?;
    let total = manifest.files.iter().map(|file| file.bytes).fold(0, u64::saturating_add);
    let mut done = 0;
    for file in &manifest.files {
        gateway.file(epoch_index, file, folder, |bytes| progress(done + bytes, total)).await?;
        done = done.saturating_add(file.bytes);
    }
    // Last, so that a folder with a manifest is whole.
    fs::write(folder.join(MANIFEST), manifest_bytes)?;
    Ok(Fetched { epoch_index, bytes: total })
}

impl Gateway {
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

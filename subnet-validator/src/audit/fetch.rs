//! Getting a bundle from a validator's gateway, or from any host that serves a copy of the folder it publishes into: resumed
//! where it broke off, never more bytes than the signed manifest lists.
//!
//! | at a gateway | at a static host, in object storage | what |
//! |---|---|---|
//! | `/audit/v1/epochs` | `/index.json` | the tempos that have a bundle |
//! | `/audit/v1/epochs/<tempo>/<file>` | `/<tempo>/<file>` | a bundle's files |
//! | `/audit/v1/parts/<part>` | `/parts/<part>` | leaves, which tempos share |
//! | `/audit/v1/shards/<number>/parts/<part>` | `/shards/<number>/parts/<part>` | those of another shard than 0 |
//!
//! The static layout is that of the validator's `audit` folder as it lies on disk, so that `rclone copy` of the folder to a static
//! host is all there is to do; a validator puts it into object storage by itself ([`super::store`]). What a fetch into the same
//! folder has brought before is not fetched again. Deliberately absent: TLS to gateways. Nothing fetched is believed before the
//! signed manifest and the chain agree with it, and a host that speaks TLS alone can be copied from with its own client.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use http::header::RANGE;
use http::{Request, StatusCode};
use http_body_util::{BodyStream, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::manifest::{FileEntry, Manifest, ManifestError, SHARDS, SignedManifest};
use serde::{Deserialize, Serialize};

use super::export::digest_of;
use super::review::MANIFEST_BYTES_MAX;
use super::shard::{papers_folder, put};
use super::shelf::part_path;
use super::store::{Store, StoreError};
use super::{FRONTIER, INDEX, MANIFEST};

/// Longest wait for a connection, for an answer's head and between two pieces of a body.
const WAIT_MS_MAX: u64 = 30_000;
/// How long the list of tempos and the manifest may be.
const LIST_BYTES_MAX: u64 = 1 << 20;
/// Parts fetched at a time from a gateway.
const FETCHES_MAX: usize = 8;
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
    /// Bytes that were not there before.
    pub bytes_new: u64,
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
    /// Object storage failed.
    #[error("fetching from object storage")]
    Store(#[from] StoreError),
    /// The folder cannot be written.
    #[error("cannot write the bundle")]
    Write(#[from] io::Error),
}

/// A host that has bundles.
enum Host {
    Http {
        http: Box<Client<HttpConnector, Empty<Bytes>>>,
        /// What the folders of tempos lie below.
        tempos: String,
        /// What the folder of parts lies below.
        root: String,
    },
    Store(Store),
}

/// A manifest whose signature was checked, with its bytes.
struct Listed {
    manifest: Manifest,
    bytes: Vec<u8>,
}

/// A file to be fetched.
struct Wanted {
    /// Where it belongs, below the folder.
    place: String,
    /// Where the host has it.
    from: Address,
    bytes: u64,
    sha256: Digest,
}

/// Where a host has a file.
#[derive(Debug, Clone)]
enum Address {
    Index,
    Tempo(String),
    Part(String),
}

/// Fetches the bundle of a tempo, or the newest, into a folder of tempos. `progress` is told bytes done and in all.
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
    host.fetch(epochs, epoch_index, folder, progress).await
}

/// The same from object storage.
///
/// # Errors
/// As [`fetch`].
pub async fn fetch_from_store(
    store: Store,
    epoch_index: Option<u64>,
    folder: &Path,
    progress: impl FnMut(u64, u64),
) -> Result<Fetched, FetchError> {
    let epochs = store.epochs_there().await?;
    Host::Store(store).fetch(epochs, epoch_index, folder, progress).await
}

/// Fetches the bundle of this head into a folder of tempos. `None` if the host's newest bundles are of another validator or another
/// head.
///
/// # Errors
/// As [`fetch`], and when the bundle is larger than `bytes_max`.
pub async fn fetch_head(
    url: &str,
    (validator, head): (&AccountId, &Digest),
    folder: &Path,
    bytes_max: u64,
) -> Result<Option<Fetched>, FetchError> {
    let (host, epochs) = Host::find(url).await?;
    for epoch_index in epochs.into_iter().rev().take(EPOCHS_LOOKED_AT) {
        let listed = host.manifest(epoch_index).await?;
        if listed.manifest.validator != *validator {
            return Ok(None);
        }
        if listed.manifest.head == *head {
            let bytes = listed.manifest.bytes();
            if bytes > bytes_max {
                return Err(FetchError::TooLarge { bytes, max: bytes_max });
            }
            return host.files(epoch_index, &listed, folder, |_, _| ()).await.map(Some);
        }
    }
    Ok(None)
}

/// Fetches the papers of a shard from its gateway into a folder of bundles, for the head gateway ([`super::shard`]). `None` if the
/// gateway has not written those of this head of the shard yet.
///
/// # Errors
/// As [`fetch`], and when the shard's leaves are larger than `bytes_max`.
pub async fn fetch_shard(
    url: &str,
    shard: u8,
    (validator, head): (&AccountId, &Digest),
    folder: &Path,
    bytes_max: u64,
) -> Result<Option<Fetched>, FetchError> {
    const FRONTIER_BYTES_MAX: u64 = 4_096;
    let host = Host::gateway(url)?;
    let below = |name: &str| Address::Part(format!("{SHARDS}/{shard}/{name}"));
    let manifest = match host.whole(&below(MANIFEST), MANIFEST_BYTES_MAX).await {
        Err(FetchError::Status { status: StatusCode::NOT_FOUND, .. }) => return Ok(None),
        other => other?,
    };
    let signed: SignedManifest = parse(MANIFEST, &manifest)?;
    let manifest = signed.clone().verify().map_err(FetchError::Manifest)?;
    if manifest.validator != *validator || manifest.head != *head {
        return Ok(None);
    }
    let (epoch_index, bytes) = (manifest.epoch_index, manifest.bytes());
    if bytes > bytes_max {
        return Err(FetchError::TooLarge { bytes, max: bytes_max });
    }
    let frontier = host.whole(&below(FRONTIER), FRONTIER_BYTES_MAX).await?;
    let listed = |file: &FileEntry| file.name == FRONTIER && file.sha256 == Digest::of(&frontier);
    if !manifest.files.iter().any(listed) {
        return Err(FetchError::File { name: FRONTIER.to_owned() });
    }
    let wanted = parts_of(&manifest);
    let host = &host;
    let fetched = stream::iter(wanted).map(|wanted| async move { host.file(&wanted, folder).await });
    let bytes_new =
        fetched.buffer_unordered(FETCHES_MAX).try_fold(0_u64, async |sum, new| Ok(sum + new)).await?;
    put(&papers_folder(folder, shard), &frontier, &signed)?;
    Ok(Some(Fetched { epoch_index, bytes, bytes_new }))
}

fn parts_of(manifest: &Manifest) -> impl Iterator<Item = Wanted> {
    manifest.parts().map(|(shard, part)| {
        let place = part_path(shard, part);
        Wanted { from: Address::Part(place.clone()), place, bytes: part.bytes, sha256: part.sha256 }
    })
}

impl Listed {
    fn small(&self, epoch_index: u64) -> impl Iterator<Item = Wanted> {
        self.manifest.files.iter().map(move |file| {
            let place = format!("{epoch_index}/{}", file.name);
            Wanted { from: Address::Tempo(place.clone()), place, bytes: file.bytes, sha256: file.sha256 }
        })
    }
}

/// A client for this address, which must be one.
fn client(url: &str) -> Result<Box<Client<HttpConnector, Empty<Bytes>>>, FetchError> {
    if !url.starts_with("http://") {
        return Err(FetchError::Address(url.to_owned()));
    }
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(Duration::from_millis(WAIT_MS_MAX)));
    Ok(Box::new(Client::builder(TokioExecutor::new()).build(connector)))
}

impl Host {
    fn gateway(url: &str) -> Result<Self, FetchError> {
        let root = format!("{}/audit/v1", url.trim_end_matches('/'));
        Ok(Self::Http { http: client(url)?, tempos: format!("{root}/epochs"), root })
    }

    /// Finds out whether the host is a gateway or has the folders only, and which tempos it has, oldest first.
    async fn find(url: &str) -> Result<(Self, Vec<u64>), FetchError> {
        let http = client(url)?;
        let gateway = Self::gateway(url)?;
        let url = url.trim_end_matches('/');
        let (host, list) = match gateway.whole(&Address::Tempo(String::new()), LIST_BYTES_MAX).await {
            Err(FetchError::Status { status, .. }) if status.is_client_error() => {
                let plain = Self::Http { http, tempos: url.to_owned(), root: url.to_owned() };
                let list = plain.whole(&Address::Index, LIST_BYTES_MAX).await?;
                (plain, list)
            }
            other => (gateway, other?),
        };
        let Epochs { mut epochs } = parse(INDEX, &list)?;
        epochs.sort_unstable();
        Ok((host, epochs))
    }

    async fn fetch(
        &self,
        epochs: Vec<u64>,
        epoch_index: Option<u64>,
        folder: &Path,
        progress: impl FnMut(u64, u64),
    ) -> Result<Fetched, FetchError> {
        let epoch_index = match epoch_index {
            Some(epoch_index) => epoch_index,
            None => epochs.last().copied().ok_or(FetchError::Nothing)?,
        };
        let listed = self.manifest(epoch_index).await?;
        self.files(epoch_index, &listed, folder, progress).await
    }

    async fn manifest(&self, epoch_index: u64) -> Result<Listed, FetchError> {
        let path = format!("{epoch_index}/{MANIFEST}");
        let bytes = self.whole(&Address::Tempo(path.clone()), MANIFEST_BYTES_MAX).await?;
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
        let tempo = folder.join(epoch_index.to_string());
        fs::create_dir_all(&tempo)?;
        let (total, mut done, mut bytes_new) = (listed.manifest.bytes(), 0_u64, 0_u64);
        let at_a_time = match self {
            Self::Http { .. } => FETCHES_MAX,
            Self::Store(store) => store.transfers_max(),
        };
        let wanted = listed.small(epoch_index).chain(parts_of(&listed.manifest));
        let fetched = stream::iter(wanted).map(|wanted| async move {
            let new = self.file(&wanted, folder).await?;
            Ok::<_, FetchError>((wanted.bytes, new))
        });
        let mut fetched = fetched.buffer_unordered(at_a_time);
        while let Some((bytes, new)) = fetched.try_next().await? {
            done = done.saturating_add(bytes);
            bytes_new = bytes_new.saturating_add(new);
            progress(done, total);
        }
        // Last, so that a folder with a manifest is whole.
        fs::write(tempo.join(MANIFEST), &listed.bytes)?;
        Ok(Fetched { epoch_index, bytes: total, bytes_new })
    }

    /// The bytes of a file from a place on, in pieces.
    async fn open(
        &self,
        address: &Address,
        from: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, FetchError>>, FetchError> {
        let (http, uri) = match self {
            Self::Store(store) => {
                let path = match address {
                    Address::Index => INDEX,
                    Address::Tempo(path) | Address::Part(path) => path,
                };
                let pieces = store.open_at(path, from).await?;
                return Ok(pieces.map_err(|error| FetchError::Store(error.into())).boxed());
            }
            Self::Http { http, tempos, root } => match address {
                Address::Index => (http, format!("{root}/{INDEX}")),
                Address::Tempo(path) if path.is_empty() => (http, tempos.clone()),
                Address::Tempo(path) => (http, format!("{tempos}/{path}")),
                Address::Part(path) => (http, format!("{root}/{path}")),
            },
        };
        let mut request = Request::get(&uri);
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let request = request.body(Empty::new()).map_err(|_| FetchError::Address(uri.clone()))?;
        let response = within(http.request(request)).await?.map_err(FetchError::Connection)?;
        let expected = if from > 0 { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        if response.status() != expected {
            return Err(FetchError::Status { status: response.status(), path: uri });
        }
        let frames = BodyStream::new(response.into_body()).map_err(FetchError::Broken);
        Ok(frames.try_filter_map(async |frame| Ok(frame.into_data().ok())).boxed())
    }

    async fn whole(&self, address: &Address, bytes_max: u64) -> Result<Vec<u8>, FetchError> {
        let mut pieces = within(self.open(address, 0)).await??;
        let mut bytes = Vec::new();
        while let Some(piece) = within(pieces.try_next()).await?? {
            if (bytes.len() + piece.len()) as u64 > bytes_max {
                return Err(FetchError::TooLong { path: format!("{address:?}"), max: bytes_max });
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// Fetches what is missing of a file; answers how many bytes that were.
    async fn file(&self, wanted: &Wanted, folder: &Path) -> Result<u64, FetchError> {
        let Wanted { place, from, bytes, sha256 } = wanted;
        let whole = folder.join(place);
        // Only what was found whole has its name.
        if fs::metadata(&whole).is_ok_and(|known| known.len() == *bytes) {
            return Ok(0);
        }
        if let Some(folder) = whole.parent() {
            fs::create_dir_all(folder)?;
        }
        let part = folder.join(format!("{place}.part"));
        let had = fs::metadata(&part).map_or(0, |known| known.len());
        let mut have = had;
        if have < *bytes {
            let mut out = OpenOptions::new().create(true).append(true).open(&part)?;
            let mut pieces = within(self.open(from, have)).await??;
            while let Some(piece) = within(pieces.try_next()).await?? {
                have = have.saturating_add(piece.len() as u64);
                if have > *bytes {
                    break;
                }
                out.write_all(&piece)?;
            }
        } else {
            OpenOptions::new().create(true).append(true).open(&part)?;
        }
        if digest_of(&part)? != (*bytes, *sha256) {
            fs::remove_file(&part)?;
            return Err(FetchError::File { name: place.clone() });
        }
        fs::rename(part, whole)?;
        Ok(have.saturating_sub(had))
    }
}

async fn within<T>(work: impl Future<Output = T>) -> Result<T, FetchError> {
    tokio::time::timeout(Duration::from_millis(WAIT_MS_MAX), work).await.map_err(|_| FetchError::Silent)
}

fn parse<T: for<'a> Deserialize<'a>>(path: &str, bytes: &[u8]) -> Result<T, FetchError> {
    serde_json::from_slice(bytes).map_err(|source| FetchError::Form { path: path.to_owned(), source })
}

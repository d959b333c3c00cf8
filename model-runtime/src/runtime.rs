//! The handles: a runtime, its models, and the stream of one answer.

mod encoder;
mod generation;
mod handle;
mod load;
mod memory;
mod request;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};
use thiserror::Error;

pub use self::generation::Generation;
pub use self::handle::{Load, ModelHandle};
pub use self::load::LoadError;
use self::memory::Memory;
pub use self::request::{
    DRAFT_TOKENS_MAX, GenerateError, GenerateRequest, HiddenSink, Prompt, STOP_TOKENS_MAX,
};
use crate::device::{ComputeDevice, DeviceChoice, DeviceError};
use crate::facts::ModelFacts;
use crate::kernels::Team;

/// Limits of a runtime.
#[derive(Clone, Debug)]
pub struct RuntimeConfig {
    /// Threads that compute, shared by all models. Default: one per processor.
    pub threads: Option<NonZeroUsize>,
    /// Where decoders are computed; models of embeddings stay on the processor. Default: a card where the program can use one.
    pub device: DeviceChoice,
    /// Requests that may wait for a slot, per model. Default 64.
    pub queue_requests_max: NonZeroUsize,
    /// Positions a request may use, prompt and answer together, where the model's own limit is not lower. Default 8,192.
    pub context_tokens_max: u32,
    /// Requests computed together, per model. Default 4.
    pub slots: NonZeroUsize,
    /// Tokens computed in one pass: what running answers leave of them goes to prompts. Default 256.
    pub prefill_tokens_max: NonZeroUsize,
    /// Bytes of keys and values, per model; a model whose context does not fit gets a shorter one. Default 1 GiB.
    pub cache_bytes_max: u64,
    /// Bytes of weights and caches of all models together. Default: no limit.
    pub memory_bytes_max: Option<u64>,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        let size = |size| NonZeroUsize::new(size).expect("the constants below are not zero");
        Self {
            threads: None,
            device: DeviceChoice::Auto,
            queue_requests_max: size(64),
            context_tokens_max: 8192,
            slots: size(4),
            prefill_tokens_max: size(256),
            cache_bytes_max: 1 << 30,
            memory_bytes_max: None,
        }
    }
}

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelSource {
    /// A GGUF file, or a folder as Hugging Face has it: of a decoder, or of an encoder for embeddings.
    Gguf(PathBuf),
    /// No weights: answers with the words of the last user message. See [`crate::echo`].
    Echo,
}

/// A runtime that could not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The device that was chosen.
    #[error("cannot compute on the device that was chosen")]
    Device(#[source] DeviceError),
    /// The operating system gave no threads.
    #[error("cannot start the threads that compute")]
    Threads(#[source] rayon::ThreadPoolBuildError),
    /// The same, of those that compute a pass together.
    #[error("cannot start the threads that compute a pass")]
    Team(#[source] std::io::Error),
}

/// Holds the loaded models. Clones share them; a model's thread ends when the runtime and all its handles are gone.
#[derive(Clone, Debug)]
pub struct Runtime {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: RuntimeConfig,
    device: ComputeDevice,
    /// For encoding.
    threads: Arc<ThreadPool>,
    /// For loading, which takes all of its threads for seconds: requests to other models are encoded meanwhile.
    loading: ThreadPool,
    /// For passes.
    team: Arc<Team>,
    memory: Arc<Memory>,
    models: Mutex<BTreeMap<String, Place>>,
}

/// A model's place among the models.
#[derive(Debug)]
enum Place {
    Loading,
    Loaded(ModelHandle),
}

impl Runtime {
    /// Starts the threads that compute.
    ///
    /// # Errors
    /// When they cannot be started.
    pub fn start(config: RuntimeConfig) -> Result<Self, StartError> {
        let device = config.device.find().map_err(StartError::Device)?;
        let pool = |name: &'static str| {
            let mut builder = ThreadPoolBuilder::new().thread_name(move |index| format!("{name}-{index}"));
            if let Some(threads) = config.threads {
                builder = builder.num_threads(threads.get());
            }
            // A panic in a job ends that job; whoever waits for it learns that it gave no answer.
            builder.panic_handler(|_| {}).build().map_err(StartError::Threads)
        };
        let (threads, loading) = (pool("compute")?, pool("load")?);
        let size = NonZeroUsize::new(threads.current_num_threads()).unwrap_or(NonZeroUsize::MIN);
        let team = Arc::new(Team::new(size).map_err(StartError::Team)?);
        let memory = Memory::new(config.memory_bytes_max);
        let inner = Inner {
            config,
            device,
            threads: Arc::new(threads),
            loading,
            team,
            memory,
            models: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Loads a model under a name of its own. Others keep running meanwhile, and when it fails.
    ///
    /// # Errors
    /// When the name is taken or the source cannot be loaded.
    pub async fn load(&self, id: &str, source: ModelSource) -> Result<ModelHandle, LoadError> {
        let reservation = Reservation::make(&self.inner, id)?;
        let handle = load::start(&self.inner, id, source).await?;
        reservation.fill(handle.clone());
        Ok(handle)
    }

    /// Where decoders are computed.
    #[must_use]
    pub fn device(&self) -> &ComputeDevice {
        &self.inner.device
    }

    /// Bytes of weights and caches that are promised to models, those included that are being loaded or still answer.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.inner.memory.reserved()
    }

    /// Forgets a model. It is gone once its handles are dropped and its requests answered. Answers whether it was there.
    pub fn unload(&self, id: &str) -> bool {
        let mut models = self.inner.models();
        match models.get(id) {
            Some(Place::Loaded(_)) => models.remove(id).is_some(),
            Some(Place::Loading) | None => false,
        }
    }

    /// The handle of a loaded model.
    #[must_use]
    pub fn model(&self, id: &str) -> Option<ModelHandle> {
        match self.inner.models().get(id) {
            Some(Place::Loaded(handle)) => Some(handle.clone()),
            Some(Place::Loading) | None => None,
        }
    }

    /// Facts of the loaded models, by name.
    #[must_use]
    pub fn models(&self) -> Vec<ModelFacts> {
        let loaded = |place: &Place| match place {
            Place::Loaded(handle) => Some(handle.facts().clone()),
            Place::Loading => None,
        };
        self.inner.models().values().filter_map(loaded).collect()
    }
}

impl Inner {
    fn models(&self) -> MutexGuard<'_, BTreeMap<String, Place>> {
        self.models.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a name while its model loads, and frees it when the load fails or is given up.
struct Reservation<'a> {
    inner: &'a Inner,
    id: &'a str,
    filled: bool,
}

impl<'a> Reservation<'a> {
    fn make(inner: &'a Inner, id: &'a str) -> Result<Self, LoadError> {
        let mut models = inner.models();
        if models.contains_key(id) {
            return Err(LoadError::NameTaken(id.to_owned()));
        }
        models.insert(id.to_owned(), Place::Loading);
        Ok(Self { inner, id, filled: false })
    }

    fn fill(mut self, handle: ModelHandle) {
        self.inner.models().insert(self.id.to_owned(), Place::Loaded(handle));
        self.filled = true;
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if !self.filled {
            self.inner.models().remove(self.id);
        }
    }
}

//! Loading a model on its own thread, which then answers its requests.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use std::{io, thread};

use thiserror::Error;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::encoder::{Encoder, TextSide};
use super::handle::{ModelHandle, Shared};
use super::memory::Reserved;
use super::{Inner, ModelSource, RuntimeConfig};
use crate::burn_decoder::{self, BurnDecoder};
use crate::chat_template::{ChatTemplate, ChatTemplateError, TemplateTokens};
use crate::checkpoint::{Checkpoint, Decoder, OpenError};
use crate::cpu::{self, CpuConfig, CpuError, CpuModel};
#[cfg(feature = "cuda")]
use crate::cube::{self, decoder::CubeDecoder};
use crate::decoder::{BlockKind, Model, PAGE_TOKENS};
use crate::device::{ComputeDevice, Executor};
use crate::echo::{self, Echo};
use crate::embedder::{Embedder, EmbedderError};
use crate::engine::Engine;
use crate::engine::ingress::Request;
use crate::engine::listening::Listening;
use crate::engine::metrics::MetricsBoard;
use crate::facts::ModelFacts;
use crate::families::FamilyError;
use crate::kernels::Isa;
use crate::scheduler::SchedulerConfig;
use crate::tokenizer::{Tokenizer, TokenizerError};
use crate::weights::bounded::FileError;
use crate::weights::safetensors::Safetensors;

/// A model that could not be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Loaded or being loaded already.
    #[error("a model named {0:?} is loaded already")]
    NameTaken(String),
    /// The file is missing or broken.
    #[error("cannot read the model's files at {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<OpenError>,
    },
    /// The model itself.
    #[error("cannot build the model of {}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<FamilyError>,
    },
    /// Its weights, in memory.
    #[error("cannot hold the model of {}", path.display())]
    Executor {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<CpuError>,
    },
    /// The card, in its own words.
    #[error("cannot compute the model {} on the card: {reason}", path.display())]
    Card {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A model of embeddings.
    #[error("cannot build the model of embeddings of {}", path.display())]
    Embedder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<EmbedderError>,
    },
    /// The other models leave too little memory.
    #[error(
        "the model needs {bytes} bytes of memory and {bytes_left} are left: unload another model, or raise memory_bytes_max"
    )]
    Memory {
        /// Of weights and cache.
        bytes: u64,
        /// Of the budget.
        bytes_left: u64,
    },
    /// Its tokenizer.
    #[error("cannot build the tokenizer of {}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<TokenizerError>,
    },
    /// Its chat template.
    #[error("cannot use the chat template of {}", path.display())]
    Template {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ChatTemplateError,
    },
    /// The file of its chat template.
    #[error("cannot read the chat template of {}", path.display())]
    TemplateFile {
        /// The model's folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<FileError>,
    },
    /// The operating system gave no thread.
    #[error("cannot start the model's thread")]
    Thread(#[source] io::Error),
    /// The thread ended before the model was there, by a failure it has reported itself.
    #[error("the model's thread failed while loading")]
    Failed,
}

/// A model that is ready, before its engine runs.
struct Loaded<M> {
    facts: ModelFacts,
    encoder: Encoder,
    model: M,
    pages: usize,
    /// Its share of the memory, for as long as it lives.
    reserved: Option<Reserved>,
}

/// What the handle needs to know once loading is through.
type Ready = oneshot::Sender<Result<(ModelFacts, Encoder, Option<Reserved>), LoadError>>;

/// Starts the model's thread and waits until it is ready.
pub(super) async fn start(
    inner: &Arc<Inner>,
    id: &str,
    source: ModelSource,
) -> Result<ModelHandle, LoadError> {
    let (ready, loaded) = oneshot::channel();
    let (queue, requests) = mpsc::unbounded_channel();
    let metrics = Arc::new(MetricsBoard::default());
    let thread = Thread { inner: inner.clone(), id: id.to_owned(), requests, metrics: metrics.clone() };
    let work = move || match source {
        ModelSource::Echo => {
            let loaded = Ok(load_echo(&thread));
            thread.run(loaded, ready);
        }
        ModelSource::Gguf(path) if Embedder::is_at(&path) => {
            // It has no engine: its texts are computed on the threads that encode.
            let loaded = load_embedder(&thread, &path);
            drop(thread);
            drop(ready.send(loaded));
        }
        ModelSource::Gguf(path) => {
            let loaded = load_files(&thread, &path);
            thread.run(loaded, ready);
        }
    };
    thread::Builder::new().name(format!("model {id}")).spawn(work).map_err(LoadError::Thread)?;
    let (facts, encoder, reserved) = loaded.await.map_err(|_| LoadError::Failed)??;
    let slots = inner.config.slots.get();
    let requests_max =
        slots.saturating_add(inner.config.queue_requests_max.get()).min(Semaphore::MAX_PERMITS);
    Ok(ModelHandle::new(Shared {
        facts,
        encoder: Arc::new(encoder),
        queue,
        places: Arc::new(Semaphore::new(requests_max)),
        slots,
        requests_max,
        threads: inner.threads.clone(),
        metrics,
        _reserved: reserved,
    }))
}

/// What a model's thread starts with.
struct Thread {
    inner: Arc<Inner>,
    id: String,
    requests: mpsc::UnboundedReceiver<Request>,
    metrics: Arc<MetricsBoard>,
}

impl Thread {
    fn run<M: Model>(self, loaded: Result<Loaded<M>, LoadError>, ready: Ready) {
        let Loaded { facts, encoder, model, pages, reserved } = match loaded {
            Ok(loaded) => loaded,
            Err(error) => return drop(ready.send(Err(error))),
        };
        let listening = match Listening::start() {
            Ok(listening) => listening,
            Err(error) => return drop(ready.send(Err(LoadError::Thread(error)))),
        };
        let RuntimeConfig { slots, prefill_tokens_max, .. } = self.inner.config;
        let config = SchedulerConfig { slots, step_tokens_max: prefill_tokens_max, pages };
        // The runtime must not be kept alive by the thread it keeps alive.
        drop(self.inner);
        if ready.send(Ok((facts, encoder, None))).is_ok() {
            Engine::new(model, self.requests, self.metrics, listening, config).run();
        }
        drop(reserved);
    }
}

fn load_echo(thread: &Thread) -> Loaded<Echo> {
    let RuntimeConfig { slots, context_tokens_max, .. } = thread.inner.config;
    let facts = echo::facts(&thread.id, context_tokens_max);
    let pages = slots.get() * (context_tokens_max as usize).div_ceil(PAGE_TOKENS);
    Loaded { facts, encoder: Encoder::Echo, model: Echo::default(), pages, reserved: None }
}

fn load_embedder(thread: &Thread, path: &Path) -> Result<(ModelFacts, Encoder, Option<Reserved>), LoadError> {
    let started = Instant::now();
    let failed = |source: EmbedderError| LoadError::Embedder { path: path.to_owned(), source: source.into() };
    let tensors = Safetensors::open(path).map_err(|source| failed(source.into()))?;
    let bytes = tensors.weights() * size_of::<f32>() as u64;
    let memory = |bytes_left| LoadError::Memory { bytes, bytes_left };
    let reserved = thread.inner.memory.reserve(bytes).map_err(memory)?;
    let build = || rayon::join(|| tensors.sha256(), || Embedder::load(path, &ComputeDevice::cpu()));
    let (weights_sha256, embedder) = thread.inner.loading.install(build);
    let embedder = embedder.map_err(failed)?;
    let facts = ModelFacts {
        id: thread.id.clone(),
        architecture: "bert".to_owned(),
        parameters: embedder.parameters(),
        memory_bytes: bytes,
        context_tokens: embedder.settings().tokens_max as u32,
        vocabulary_tokens: embedder.vocabulary_tokens() as u32,
        end_tokens: Vec::new(),
        weights_sha256,
        device: format!("cpu ({})", std::env::consts::ARCH),
        load_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    Ok((facts, Encoder::Embedder(Box::new(embedder)), Some(reserved)))
}

fn load_files(thread: &Thread, path: &Path) -> Result<Loaded<Box<dyn Model>>, LoadError> {
    let started = Instant::now();
    let at = || path.to_owned();
    let config = &thread.inner.config;
    let files =
        Checkpoint::open(path).map_err(|source| LoadError::File { path: at(), source: source.into() })?;
    let Decoder { family, mut spec, weights } = files
        .decoder(config.context_tokens_max as usize)
        .map_err(|source| LoadError::Model { path: at(), source: source.into() })?;
    // A model of f32 weights is asked for exact numbers; all others have rounded ones already.
    let exact_cache = weights.layers.iter().all(|layer| layer.k.kind == BlockKind::F32);
    let device = &thread.inner.device;
    let (page_bytes, weights_bytes) = match device.executor() {
        Executor::Kernels => (cpu::page_bytes(&spec, exact_cache), cpu::packed_bytes(&weights)),
        Executor::Tensors => (burn_decoder::page_bytes(&spec), burn_decoder::weights_bytes(&weights)),
        #[cfg(feature = "cuda")]
        Executor::Card(_) => (
            cube::page_bytes(&spec, exact_cache),
            cube::weights_bytes(&weights) + cube::work_bytes(&spec, exact_cache),
        ),
    };
    let wanted = config.slots.get() * spec.context_max.div_ceil(PAGE_TOKENS);
    let pages = wanted.min(usize::try_from(config.cache_bytes_max / page_bytes).unwrap_or(wanted)).max(1);
    spec.context_max = spec.context_max.min(pages * PAGE_TOKENS);
    let bytes = weights_bytes + page_bytes * pages as u64;
    let memory = |bytes_left| LoadError::Memory { bytes, bytes_left };
    let reserved = thread.inner.memory.reserve(bytes).map_err(memory)?;
    let executor = |source: CpuError| LoadError::Executor { path: at(), source: source.into() };
    let (context_tokens, vocabulary_tokens) = (spec.context_max as u32, spec.vocabulary as u32);
    // What takes one thread each goes first, and packing fills up whatever threads are left.
    let digest_and_text = || {
        let text = || text_side(&files, path, vocabulary_tokens);
        thread.inner.loading.install(|| rayon::join(|| files.weights_sha256(), text))
    };
    let ((weights_sha256, text_side), model, device_name): (_, Box<dyn Model>, _) = match device.executor() {
        Executor::Kernels => {
            let isa = Isa::detect();
            let cpu_config = CpuConfig { pages, exact_cache, isa };
            let team = thread.inner.team.clone();
            let build = || rayon::join(digest_and_text, || CpuModel::new(spec, &weights, cpu_config, team));
            let (digest_and_text, model) = thread.inner.loading.install(build);
            let name = format!("cpu ({}, {})", std::env::consts::ARCH, isa.name());
            (digest_and_text, Box::new(model.map_err(executor)?), name)
        }
        // On this thread, which is the one that will compute: a card's streams belong to threads.
        Executor::Tensors => {
            cpu::check(&spec, &weights).map_err(executor)?;
            let model = BurnDecoder::new(spec, &weights, device, pages);
            (digest_and_text(), Box::new(model), device.name().to_owned())
        }
        #[cfg(feature = "cuda")]
        Executor::Card(index) => {
            cpu::check(&spec, &weights).map_err(executor)?;
            let card = |reason| LoadError::Card { path: at(), reason };
            cube::check(&spec).map_err(card)?;
            let kernels = cube::card::usual_folder(|name| std::env::var_os(name));
            let board = cube::card::Card::new(index, kernels).map_err(card)?;
            let mut model = CubeDecoder::new(spec, &weights, board, pages, exact_cache).map_err(card)?;
            model.warm_up().map_err(|error| card(error.to_string()))?;
            (digest_and_text(), Box::new(model), device.name().to_owned())
        }
    };
    let text_side = text_side?;
    let facts = ModelFacts {
        id: thread.id.clone(),
        architecture: family.name().to_owned(),
        parameters: files.parameters(),
        memory_bytes: weights_bytes,
        context_tokens,
        vocabulary_tokens,
        end_tokens: text_side.tokenizer.vocabulary().end_tokens().iter().copied().collect(),
        weights_sha256,
        device: device_name,
        load_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    let encoder = Encoder::Model(Box::new(text_side));
    Ok(Loaded { facts, encoder, model, pages, reserved: Some(reserved) })
}

fn text_side(files: &Checkpoint, path: &Path, vocabulary_tokens: u32) -> Result<TextSide, LoadError> {
    let failed =
        |source: TokenizerError| LoadError::Tokenizer { path: path.to_owned(), source: source.into() };
    let tokenizer = files.tokenizer().map_err(failed)?;
    if tokenizer.vocabulary().len() > vocabulary_tokens as usize {
        let text = "there are more tokens than rows of the embedding";
        return Err(failed(TokenizerError::Inconsistent(text)));
    }
    let template = template(files, &tokenizer, path)?;
    Ok(TextSide { tokenizer, template, vocabulary_tokens, grammars: OnceLock::new() })
}

fn template(
    files: &Checkpoint,
    tokenizer: &Tokenizer,
    path: &Path,
) -> Result<Option<ChatTemplate>, LoadError> {
    let at = || path.to_owned();
    let source = files
        .chat_template()
        .map_err(|source| LoadError::TemplateFile { path: at(), source: source.into() })?;
    let Some(source) = source else { return Ok(None) };
    let tokens = TemplateTokens {
        bos: tokenizer.bos().map(|token| tokenizer.text(token)).unwrap_or_default(),
        eos: tokenizer.eos().map(|token| tokenizer.text(token)).unwrap_or_default(),
    };
    let template = ChatTemplate::new(&source, tokens);
    template.map(Some).map_err(|source| LoadError::Template { path: at(), source })
}

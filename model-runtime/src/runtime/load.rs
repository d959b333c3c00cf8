//! Loading a model on its own thread, which then answers its requests.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use std::{io, thread};

use thiserror::Error;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::encoder::{Encoder, TextSide};
use super::handle::{ModelHandle, Shared};
use super::{Inner, ModelSource};
use crate::arch::llama::Llama;
use crate::arch::{self, ArchError, Model};
use crate::chat_template::{ChatTemplate, ChatTemplateError, TemplateTokens};
use crate::echo::{self, Echo};
use crate::engine::ingress::Request;
use crate::engine::{Engine, EngineConfig};
use crate::facts::ModelFacts;
use crate::tokenizer::{Tokenizer, TokenizerError};
use crate::weights::gguf::{Gguf, GgufError};

/// A model that could not be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Loaded or being loaded already.
    #[error("a model named {0:?} is loaded already")]
    NameTaken(String),
    /// The file is missing or broken.
    #[error("cannot read the model file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: GgufError,
    },
    /// The model itself.
    #[error("cannot build the model of {}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ArchError,
    },
    /// Its tokenizer.
    #[error("cannot build the tokenizer of {}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: TokenizerError,
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
}

/// What the handle needs to know once loading is through.
type Ready = oneshot::Sender<Result<(ModelFacts, Encoder), LoadError>>;

/// Starts the model's thread and waits until it is ready.
pub(super) async fn start(
    inner: &Arc<Inner>,
    id: &str,
    source: ModelSource,
) -> Result<ModelHandle, LoadError> {
    let (ready, loaded) = oneshot::channel();
    let (queue, requests) = mpsc::unbounded_channel();
    let thread = Thread { inner: inner.clone(), id: id.to_owned(), requests };
    let work = move || match source {
        ModelSource::Echo => {
            let loaded = Ok(load_echo(&thread));
            thread.run(loaded, ready);
        }
        ModelSource::Gguf(path) => {
            let loaded = load_gguf(&thread, &path);
            thread.run(loaded, ready);
        }
    };
    thread::Builder::new().name(format!("model {id}")).spawn(work).map_err(LoadError::Thread)?;
    let (facts, encoder) = loaded.await.map_err(|_| LoadError::Failed)??;
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
    }))
}

/// What a model's thread starts with.
struct Thread {
    inner: Arc<Inner>,
    id: String,
    requests: mpsc::UnboundedReceiver<Request>,
}

impl Thread {
    fn run<M: Model>(self, loaded: Result<Loaded<M>, LoadError>, ready: Ready) {
        let Loaded { facts, encoder, model } = match loaded {
            Ok(loaded) => loaded,
            Err(error) => return drop(ready.send(Err(error))),
        };
        let config = EngineConfig {
            slots: self.inner.config.slots,
            prefill_tokens_max: self.inner.config.prefill_tokens_max,
        };
        let threads = self.inner.threads.clone();
        // The runtime must not be kept alive by the thread it keeps alive.
        drop(self.inner);
        if ready.send(Ok((facts, encoder))).is_ok() {
            Engine::new(model, self.requests, threads, config).run();
        }
    }
}

fn load_echo(thread: &Thread) -> Loaded<Echo> {
    let facts = echo::facts(&thread.id, thread.inner.config.context_tokens_max);
    Loaded { facts, encoder: Encoder::Echo, model: Echo }
}

fn load_gguf(thread: &Thread, path: &Path) -> Result<Loaded<Llama>, LoadError> {
    let started = Instant::now();
    let at = || path.to_owned();
    let gguf = Gguf::open(path).map_err(|source| LoadError::File { path: at(), source })?;
    let device = &thread.inner.device;
    let build = || {
        let (sha256, model) = rayon::join(
            || gguf.sha256(),
            || arch::load(&gguf, device, thread.inner.config.context_tokens_max),
        );
        model.map(|model| (sha256, model))
    };
    let (weights_sha256, model) =
        thread.inner.threads.install(build).map_err(|source| LoadError::Model { path: at(), source })?;
    let tokenizer =
        Tokenizer::from_gguf(&gguf).map_err(|source| LoadError::Tokenizer { path: at(), source })?;
    if tokenizer.vocabulary().len() > model.config().vocabulary_tokens {
        let source = TokenizerError::Inconsistent("there are more tokens than rows of the embedding");
        return Err(LoadError::Tokenizer { path: at(), source });
    }
    let template =
        template(&gguf, &tokenizer).map_err(|source| LoadError::Template { path: at(), source })?;
    let config = model.config();
    let facts = ModelFacts {
        id: thread.id.clone(),
        architecture: "llama".to_owned(),
        parameters: gguf.tensors().map(|(_, tensor)| tensor.weights as u64).sum(),
        memory_bytes: model.memory_bytes(),
        context_tokens: config.context_tokens as u32,
        vocabulary_tokens: config.vocabulary_tokens as u32,
        end_tokens: tokenizer.vocabulary().end_tokens().iter().copied().collect(),
        weights_sha256,
        device: device.name().to_owned(),
        load_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    let vocabulary_tokens = facts.vocabulary_tokens;
    let text_side = TextSide { tokenizer, template, vocabulary_tokens };
    Ok(Loaded { facts, encoder: Encoder::Model(Box::new(text_side)), model })
}

fn template(gguf: &Gguf, tokenizer: &Tokenizer) -> Result<Option<ChatTemplate>, ChatTemplateError> {
    let Ok(source) = gguf.text("tokenizer.chat_template") else { return Ok(None) };
    let tokens = TemplateTokens {
        bos: tokenizer.bos().map(|token| tokenizer.text(token)).unwrap_or_default(),
        eos: tokenizer.eos().map(|token| tokenizer.text(token)).unwrap_or_default(),
    };
    ChatTemplate::new(source, tokens).map(Some)
}

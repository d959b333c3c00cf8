use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use rayon::ThreadPool;
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::encoder::{Encoded, Encoder};
use super::generation::Generation;
use super::memory::Reserved;
use super::request::{DRAFT_TOKENS_MAX, GenerateError, GenerateRequest, Prompt, STOP_TOKENS_MAX};
use crate::embedder::Embedding;
use crate::engine::answer::{Answer, AnswerLimits};
use crate::engine::ingress::Request;
use crate::engine::metrics::{Metrics, MetricsBoard};
use crate::facts::ModelFacts;
use crate::sampling::Sampler;
use crate::stop::StopScanner;

/// A loaded model.
#[derive(Clone, Debug)]
pub struct ModelHandle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) facts: ModelFacts,
    pub(super) encoder: Arc<Encoder>,
    pub(super) queue: mpsc::UnboundedSender<Request>,
    /// One permit per request that may be queued or active.
    pub(super) places: Arc<Semaphore>,
    pub(super) slots: usize,
    pub(super) requests_max: usize,
    pub(super) threads: Arc<ThreadPool>,
    pub(super) metrics: Arc<MetricsBoard>,
    /// An embedder's share of the memory; a decoder's lives with its thread.
    pub(super) _reserved: Option<Reserved>,
}

/// How busy a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Requests computed together at most.
    pub slots: usize,
    /// Requests that are running or waiting.
    pub in_flight: usize,
    /// Requests that may be running or waiting.
    pub requests_max: usize,
}

impl ModelHandle {
    pub(super) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// What is known of the model.
    #[must_use]
    pub fn facts(&self) -> &ModelFacts {
        &self.shared.facts
    }

    /// How busy the model is now.
    #[must_use]
    pub fn load(&self) -> Load {
        let Shared { slots, requests_max, .. } = *self.shared;
        Load { slots, in_flight: requests_max - self.shared.places.available_permits(), requests_max }
    }

    /// How the model is doing.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics.read()
    }

    /// Tokens of a text.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn count_tokens(&self, text: &str) -> Result<u32, GenerateError> {
        self.shared.encoder.count(text)
    }

    /// Whether the model makes embeddings, and no text.
    #[must_use]
    pub fn is_embedder(&self) -> bool {
        matches!(*self.shared.encoder, Encoder::Embedder(_))
    }

    /// The tokens of a prompt. A text gets the tokens that the model wants around it if `special` says so.
    ///
    /// # Errors
    /// When it cannot be encoded, or the model has no vocabulary.
    pub async fn tokenize(&self, prompt: Prompt, special: bool) -> Result<Vec<u32>, GenerateError> {
        let encoder = self.shared.encoder.clone();
        self.compute(move || encoder.tokens(&prompt, special)).await?
    }

    /// The bytes that each token shows; one that shows nothing is written as the vocabulary has it.
    ///
    /// # Errors
    /// When a token does not exist, or the model has no vocabulary.
    pub fn detokenize(&self, tokens: &[u32]) -> Result<Vec<Vec<u8>>, GenerateError> {
        self.shared.encoder.bytes(tokens)
    }

    /// The vectors of texts, in their order. All of them together are one of the requests that may be running or waiting.
    ///
    /// # Errors
    /// When the model makes text, a text cannot be encoded, or too many requests are waiting.
    pub async fn embed(&self, texts: Vec<String>) -> Result<Vec<Embedding>, GenerateError> {
        let _place = self.take_place()?;
        let mut embeddings = Vec::with_capacity(texts.len());
        for text in texts {
            // One text after the other, so that requests take turns and one that is given up ends soon.
            let encoder = self.shared.encoder.clone();
            let work = move || match &*encoder {
                Encoder::Embedder(embedder) => embedder.embed(&text).map_err(GenerateError::Embed),
                Encoder::Model(_) | Encoder::Echo => Err(GenerateError::NoEmbeddings),
            };
            embeddings.push(self.compute(work).await??);
        }
        Ok(embeddings)
    }

    /// Queues a request. The answer begins to arrive when it gets a slot.
    ///
    /// # Errors
    /// When the request cannot be answered, or too many are waiting.
    pub async fn generate(&self, request: GenerateRequest) -> Result<Generation, GenerateError> {
        let submitted = Instant::now();
        let GenerateRequest { prompt, tokens_max, sampling, priority, account, draft_tokens_max, .. } =
            request;
        sampling.validate()?;
        let stop = StopScanner::new(request.stop)?;
        if request.stop_tokens.len() > STOP_TOKENS_MAX {
            return Err(GenerateError::StopTokens(request.stop_tokens.len()));
        }
        if draft_tokens_max > DRAFT_TOKENS_MAX {
            return Err(GenerateError::Drafts(draft_tokens_max));
        }
        let dictated = request.dictated;
        let vocabulary_tokens = self.shared.facts.vocabulary_tokens;
        if let Some(token) = dictated.iter().copied().find(|token| *token >= vocabulary_tokens) {
            return Err(GenerateError::UnknownToken { token, vocabulary_tokens });
        }
        let tokens_max = if dictated.is_empty() { tokens_max } else { tokens_max.min(dictated.len() as u32) };
        if tokens_max == 0 {
            return Err(GenerateError::NoTokens);
        }
        // Before the work of encoding: a full queue must be cheap to refuse.
        let place = self.take_place()?;
        let context_tokens = self.shared.facts.context_tokens;
        let encoder = self.shared.encoder.clone();
        let grammar = request.grammar;
        let encode = move || {
            let constraint = grammar.map(|grammar| encoder.constraint(&grammar)).transpose()?;
            encoder.encode(&prompt, context_tokens).map(|prompt| (prompt, constraint))
        };
        let (Encoded { prompt, form }, constraint) = self.compute(encode).await??;
        let prompt_tokens = prompt.tokens.len() as u32;
        let tokens_max = tokens_max.min(context_tokens - prompt_tokens);
        let seed = getrandom::u64().map_err(GenerateError::Seed)?;
        // Room for every event of the answer: one per token, and the last.
        let (events, receiver) = mpsc::channel(tokens_max as usize + 1);
        let enough = Arc::<AtomicBool>::default();
        let limits = AnswerLimits {
            tokens_max,
            tokens_min: request.tokens_min,
            ignore_end: request.ignore_end,
            stop_tokens: request.stop_tokens,
            shows_special: request.shows_special,
            enough: Arc::clone(&enough),
        };
        let prompt_token_ids: Arc<[u32]> = prompt.tokens.as_slice().into();
        let queued = Request {
            sampler: Sampler::new(sampling, seed, &prompt.tokens),
            answer: Answer::new(prompt.vocabulary.clone(), stop, limits),
            prompt,
            events,
            submitted,
            priority,
            account,
            draft_tokens_max,
            dictated,
            hidden: request.hidden,
            salt: request.cache_salt.map(|salt| Sha256::digest(salt).into()),
            constraint,
            _place: place,
        };
        self.shared.queue.send(queued).map_err(|_| GenerateError::Stopped)?;
        Ok(Generation::new(receiver, prompt_token_ids, form, enough))
    }

    /// Queues a request `count` times: each answer draws by a seed of its own, the request's plus its index. The prompt is read once.
    ///
    /// # Errors
    /// When the request cannot be answered, or too many are waiting; none of the answers goes on then.
    pub async fn generate_many(
        &self,
        request: GenerateRequest,
        count: NonZeroU32,
    ) -> Result<Vec<Generation>, GenerateError> {
        let mut generations = Vec::new();
        for index in 0..count.get() {
            let mut request = request.clone();
            request.sampling.seed = request.sampling.seed.map(|seed| seed.wrapping_add(index.into()));
            generations.push(self.generate(request).await?);
        }
        Ok(generations)
    }

    fn take_place(&self) -> Result<OwnedSemaphorePermit, GenerateError> {
        let full = |_| GenerateError::QueueFull { requests_max: self.shared.requests_max };
        self.shared.places.clone().try_acquire_owned().map_err(full)
    }

    /// Runs work on the threads that compute: an async thread should not stand still for a long prompt.
    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, GenerateError> {
        let (answer, receiver) = oneshot::channel();
        self.shared.threads.spawn(move || drop(answer.send(work())));
        receiver.await.map_err(|_| GenerateError::Stopped)
    }
}

#[cfg(test)]
mod tests;

//! Runs language models: weights from a file, tokens in, a stream of tokens out.
//!
//! The crate knows nothing of the subnet. [`Runtime::start`] gives a handle, [`Runtime::load`] a model, and
//! [`ModelHandle::generate`] a [`Generation`]: a stream of [`Event`]s that stops the work when it is dropped.
//!
//! ```no_run
//! use futures::StreamExt as _;
//! use model_runtime::{Event, GenerateRequest, ModelSource, Prompt, Runtime, RuntimeConfig};
//!
//! # async fn run() -> anyhow::Result<()> {
//! let runtime = Runtime::start(RuntimeConfig::default())?;
//! let model = runtime.load("SmolLM2-135M-Instruct", ModelSource::Gguf("model.gguf".into())).await?;
//! let mut generation = model.generate(GenerateRequest::greedy(Prompt::user("Hello"), 32)).await?;
//! while let Some(event) = generation.next().await {
//!     if let Event::Token { text, .. } = event {
//!         eprint!("{text}");
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! From the outside in: [`runtime`] (handles, admission, memory), [`engine`] (one thread per model, one pass for all requests),
//! [`scheduler`] (which tokens go into a pass), [`decoder`] (what a model is), [`cpu`] (who computes it) on [`kernels`], [`checkpoint`]
//! and [`families`] (from files to decoders), and the text side: [`tokenizer`], [`chat_template`], [`sampling`], [`stop`], [`grammar`].
//! With the feature `cuda`, `cube` computes the same decoders on a card ([`device`]), on kernels written in burn's cubecl;
//! [`burn_decoder`] does on burn's tensors, as the reference of both.

pub mod burn_decoder;
pub mod chat_template;
pub mod checkpoint;
pub mod cpu;
#[cfg(feature = "cuda")]
pub mod cube;
pub mod decoder;
pub mod device;
pub mod dialect;
pub mod durations;
pub mod echo;
pub mod embedder;
pub mod engine;
pub mod facts;
pub mod families;
pub mod grammar;
pub mod kernels;
pub mod runtime;
pub mod sampling;
pub mod scheduler;
pub mod stop;
pub mod tokenizer;
pub mod weights;

pub use chat_template::{Conversation, Message};
pub use device::{ComputeDevice, DeviceChoice, DeviceError};
pub use dialect::{AnswerParser, Dialect, Piece, ToolCall};
pub use durations::Durations;
pub use embedder::Embedding;
pub use engine::ingress::{Event, FinishReason, Finished};
pub use engine::metrics::Metrics;
pub use facts::ModelFacts;
pub use grammar::{Grammar, GrammarError};
pub use runtime::{
    GenerateError, GenerateRequest, Generation, HiddenSink, Load, LoadError, ModelHandle, ModelSource,
    Prompt, Runtime, RuntimeConfig, StartError,
};
pub use sampling::{Logprobs, Sampling};

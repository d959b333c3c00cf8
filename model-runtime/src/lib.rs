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
//! From the outside in: [`runtime`] (handles, admission), [`engine`] (one thread per model, takes turns between requests),
//! [`arch`] (the families of models, on burn tensors), [`weights`] (files), and the text side: [`tokenizer`], [`chat_template`],
//! [`sampling`], [`stop`]. The device is a value chosen at start ([`device`]), never a type parameter or a build option of callers.

pub mod arch;
pub mod burn_decoder;
pub mod chat_template;
pub mod checkpoint;
pub mod decoder;
pub mod device;
pub mod dialect;
pub mod echo;
pub mod embedder;
pub mod engine;
pub mod facts;
pub mod families;
pub mod kv_cache;
pub mod runtime;
pub mod sampling;
pub mod stop;
pub mod tokenizer;
pub mod weights;

pub use chat_template::Message;
pub use engine::ingress::{Event, FinishReason, Finished};
pub use facts::ModelFacts;
pub use runtime::{
    GenerateError, GenerateRequest, Generation, Load, LoadError, ModelHandle, ModelSource, Prompt, Runtime,
    RuntimeConfig, StartError,
};
pub use sampling::Sampling;

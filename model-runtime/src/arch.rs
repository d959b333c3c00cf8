//! Families of models. [`Model`] is all the engine knows of them.
//!
//! To add a family: write its typed configuration from metadata, its weights, and `forward`; name it in [`load`]; compare its tokens and
//! logits with a reference as `tests/` does for Llama.

pub mod llama;

use std::sync::Arc;

use thiserror::Error;

use self::llama::Llama;
use crate::device::ComputeDevice;
use crate::tokenizer::Vocabulary;
use crate::weights::gguf::{Gguf, GgufError};

/// A prompt in tokens, with the vocabulary its answer is written in.
#[derive(Clone, Debug)]
pub struct EncodedPrompt {
    /// At least one token.
    pub tokens: Vec<u32>,
    /// What the tokens show.
    pub vocabulary: Arc<Vocabulary>,
}

/// What the engine drives. A request's state is its `Cache`, so that requests never meet inside of a model.
pub trait Model: Send + Sync + 'static {
    /// What a request remembers of the tokens before.
    type Cache: Send;
    /// What the model made of the tokens of one call.
    type Hidden;

    /// The state of a new request.
    fn begin(&self, prompt: &EncodedPrompt) -> Self::Cache;

    /// Takes the next tokens of a request.
    fn forward(&self, tokens: &[u32], cache: &mut Self::Cache) -> Self::Hidden;

    /// Logits of the token after the last one of a call.
    fn logits(&self, hidden: &Self::Hidden) -> Vec<f32>;
}

/// A model that cannot be built from a file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArchError {
    /// The file lacks something.
    #[error("the model's weights cannot be read")]
    Weights(#[from] GgufError),
    /// A family we do not have.
    #[error("models of the family {0:?} are not supported (\"llama\" is)")]
    Family(String),
    /// A number of the configuration makes no sense.
    #[error("the model's {what} is {value}, which cannot be")]
    Configuration {
        /// Which one.
        what: &'static str,
        /// Its value.
        value: String,
    },
    /// Something this family may have and we do not compute.
    #[error("the model uses {0}, which is not supported")]
    Feature(String),
    /// A tensor's sizes do not fit the configuration.
    #[error("tensor {name:?} has the sizes {found:?} instead of {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// By the configuration, rows last.
        expected: Vec<usize>,
        /// In the file.
        found: Vec<usize>,
    },
}

/// Builds the model that a file describes.
///
/// # Errors
/// When the family is unknown or the file does not hold what the family needs.
pub fn load(gguf: &Gguf, device: &ComputeDevice, context_tokens_max: u32) -> Result<Llama, ArchError> {
    match gguf.text("general.architecture")? {
        "llama" => Llama::load(gguf, device, context_tokens_max),
        other => Err(ArchError::Family(other.to_owned())),
    }
}

//! Families of decoders: from what a checkpoint says of itself to a [`DecoderSpec`] and views of its weights.
//!
//! A family knows neither how its model is computed nor how a file is laid out. It reads its own configuration, from GGUF's metadata or
//! from Hugging Face's `config.json`, and says what a [`DecoderSpec`] has to be and which optional tensors there are. Names of tensors
//! are the same in all families of a format, and lie in [`tensors`].
//!
//! # Adding a family
//!
//! 1. Write `families/NAME.rs`: a struct with the family's numbers, `from_gguf` (through [`keys::Keys`], which checks ranges),
//!    `from_json` (through [`json::SizesJson`], [`json::RopeJson`] and a serde struct of its own; `flatten` cannot be
//!    used, since it fails on floats when some crate turns on serde_json's `arbitrary_precision`), and `spec`. Refuse by
//!    [`FamilyError::Feature`] what the family may have and we do not compute.
//! 2. Name it in [`Family`], [`Family::from_gguf`] and [`Family::from_json`], and say in `Family::parts` which optional tensors it
//!    has. A tensor that nobody reads is an error, so a forgotten bias cannot go unnoticed.
//! 3. If it needs something that [`DecoderSpec`] cannot say, extend that, `tests/suite/reference.rs` and both executors.
//! 4. Add a tiny random checkpoint to `tests/vectors/make-families.py`, which has transformers compute its logits, and a row to
//!    `tests/suite/families.rs`. Its tokenizer, if of a new kind, belongs in [`crate::tokenizer`]; its way of calling tools in
//!    [`crate::dialect`].
//!
//! # Deliberately absent
//!
//! Mixtures of experts, YaRN and the other long-context ropes, pictures (Gemma 3 of 4B and more is read from GGUF, where its text part is
//! a file of its own, not from the combined safetensors), and quantised safetensors; each is refused by name. Mistral's window has no key
//! in GGUF, so such a file sees everything, as in llama.cpp.

pub mod gemma3;
pub mod json;
pub mod keys;
pub mod llama;
pub mod mistral;
pub mod qwen2;
pub mod qwen3;
pub mod sizes;
pub mod tensors;

use thiserror::Error;

pub use self::gemma3::Gemma3;
pub use self::llama::Llama;
pub use self::mistral::Mistral;
pub use self::qwen2::Qwen2;
pub use self::qwen3::Qwen3;
pub use self::sizes::Sizes;
use self::tensors::Parts;
use crate::decoder::DecoderSpec;
use crate::weights::gguf::{Gguf, GgufError};
use crate::weights::safetensors::SafetensorsError;

/// A model's family with its configuration.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the types say it")]
pub enum Family {
    Llama(Llama),
    Mistral(Mistral),
    Qwen2(Qwen2),
    Qwen3(Qwen3),
    Gemma3(Gemma3),
}

/// A checkpoint that is not a model we can compute.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FamilyError {
    /// Metadata or a tensor of a GGUF file is missing or of another kind.
    #[error("the model's GGUF file cannot be read")]
    Gguf(#[from] GgufError),
    /// A tensor of a safetensors file is missing or of another kind.
    #[error("the model's safetensors files cannot be read")]
    Safetensors(#[from] SafetensorsError),
    /// `config.json` lacks something or holds something else.
    #[error("the model's config.json cannot be used")]
    Json(#[from] serde_json::Error),
    /// A family we do not have.
    #[error("models of the family {0:?} are not supported (Llama, Mistral, Qwen2, Qwen3 and Gemma 3 are)")]
    Unknown(String),
    /// A number of the configuration makes no sense.
    #[error("the model's {what} is {value}, which cannot be")]
    Configuration {
        /// Which one.
        what: String,
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
        /// By the configuration, outputs first.
        expected: Vec<usize>,
        /// In the file, outputs first.
        found: Vec<usize>,
    },
    /// A tensor that the model would have to be computed with, and would not be.
    #[error("the file has a tensor {0:?} that models of this family do not have")]
    Unread(String),
}

impl Family {
    /// Reads the configuration of a GGUF file.
    ///
    /// # Errors
    /// When the family is unknown, a key is missing, or a number makes no sense.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self, FamilyError> {
        let architecture = gguf.text("general.architecture")?;
        let keys = keys::Keys::new(gguf, architecture);
        Ok(match architecture {
            // Mistral's files call themselves llama, too.
            "llama" => Self::Llama(Llama::from_gguf(&keys)?),
            "qwen2" => Self::Qwen2(Qwen2::from_gguf(&keys)?),
            "qwen3" => Self::Qwen3(Qwen3::from_gguf(&keys)?),
            "gemma3" => Self::Gemma3(Gemma3::from_gguf(&keys)?),
            other => return Err(FamilyError::Unknown(other.to_owned())),
        })
    }

    /// Reads Hugging Face's `config.json`.
    ///
    /// # Errors
    /// When the family is unknown, a field is missing, or a number makes no sense.
    pub fn from_json(config: &serde_json::Value) -> Result<Self, FamilyError> {
        Ok(match json::architecture(config)? {
            "LlamaForCausalLM" => Self::Llama(Llama::from_json(config)?),
            "MistralForCausalLM" => Self::Mistral(Mistral::from_json(config)?),
            "Qwen2ForCausalLM" => Self::Qwen2(Qwen2::from_json(config)?),
            "Qwen3ForCausalLM" => Self::Qwen3(Qwen3::from_json(config)?),
            "Gemma3ForCausalLM" => Self::Gemma3(Gemma3::from_json(config)?),
            other => return Err(FamilyError::Unknown(other.to_owned())),
        })
    }

    /// For people, and for choosing a dialect.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Llama(_) => "llama",
            Self::Mistral(_) => "mistral",
            Self::Qwen2(_) => "qwen2",
            Self::Qwen3(_) => "qwen3",
            Self::Gemma3(_) => "gemma3",
        }
    }

    /// What an executor has to compute, for sequences of up to `context_tokens_max` or the model's own limit.
    #[must_use]
    pub fn spec(&self, context_tokens_max: usize) -> DecoderSpec {
        let mut spec = match self {
            Self::Llama(llama) => llama.spec(),
            Self::Mistral(mistral) => mistral.spec(),
            Self::Qwen2(qwen2) => qwen2.spec(),
            Self::Qwen3(qwen3) => qwen3.spec(),
            Self::Gemma3(gemma3) => gemma3.spec(),
        };
        spec.context_max = spec.context_max.min(context_tokens_max);
        spec
    }

    /// Optional tensors the family has.
    #[must_use]
    pub(crate) fn parts(&self) -> Parts {
        let none = Parts::default();
        match self {
            Self::Llama(_) | Self::Mistral(_) => none,
            Self::Qwen2(_) => Parts { qkv_bias: true, ..none },
            Self::Qwen3(_) => Parts { qk_norm: true, ..none },
            Self::Gemma3(_) => Parts { qk_norm: true, post_norms: true, norms_less_one: true, ..none },
        }
    }
}

//! A model's files, opened: a GGUF file, or a folder as Hugging Face's libraries write it.

use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;

use crate::decoder::{DecoderSpec, DecoderWeights, MatrixView};
use crate::families::tensors::{self, Files, Parts};
use crate::families::{Family, FamilyError};
use crate::tokenizer::{Tokenizer, TokenizerError};
use crate::weights::bounded::{self, FileError};
use crate::weights::gguf::{Gguf, GgufError};
use crate::weights::safetensors::{Safetensors, SafetensorsError};

/// Bytes of a JSON file other than the tokenizer's.
pub(crate) const JSON_BYTES_MAX: u64 = 4 << 20;

/// Files that could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A GGUF file.
    #[error("cannot read the model file {}", path.display())]
    Gguf {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: GgufError,
    },
    /// A folder's weights.
    #[error("cannot read the weights in {}", path.display())]
    Safetensors {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: SafetensorsError,
    },
    /// Another file of a folder.
    #[error("the folder lacks a part of the model, or it is broken")]
    File(#[from] FileError),
}

/// A model's files.
#[derive(Debug)]
pub enum Checkpoint {
    /// All in one file.
    Gguf(Box<Gguf>),
    /// A folder of `config.json`, safetensors, and a tokenizer.
    HuggingFace(Box<HuggingFace>),
}

/// A folder as Hugging Face's libraries write it.
#[derive(Debug)]
pub struct HuggingFace {
    /// Where it is.
    pub folder: PathBuf,
    /// `config.json`.
    pub config: Value,
    /// The weights.
    pub tensors: Safetensors,
}

/// A decoder in a checkpoint: what to compute, and views of the weights.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    /// Its family and the family's configuration.
    pub family: Family,
    /// What to compute.
    pub spec: DecoderSpec,
    /// The weights where they lie in the files.
    pub weights: DecoderWeights<MatrixView<'a>>,
}

impl Checkpoint {
    /// Opens a GGUF file or a folder.
    ///
    /// # Errors
    /// When it is neither, or not whole.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        if !path.is_dir() {
            let gguf =
                Gguf::open(path).map_err(|source| OpenError::Gguf { path: path.to_owned(), source })?;
            return Ok(Self::Gguf(Box::new(gguf)));
        }
        let config = bounded::json(&path.join("config.json"), JSON_BYTES_MAX)?;
        let tensors = Safetensors::open(path)
            .map_err(|source| OpenError::Safetensors { path: path.to_owned(), source })?;
        Ok(Self::HuggingFace(Box::new(HuggingFace { folder: path.to_owned(), config, tensors })))
    }

    /// The decoder, with positions up to `context_tokens_max` or its own limit.
    ///
    /// # Errors
    /// When the family is unknown or the files do not hold what it needs.
    pub fn decoder(&self, context_tokens_max: usize) -> Result<Decoder<'_>, FamilyError> {
        let (family, files, tied) = match self {
            Self::Gguf(gguf) => (Family::from_gguf(gguf)?, Files::Gguf(gguf), false),
            Self::HuggingFace(files) => {
                let HuggingFace { config, tensors, .. } = &**files;
                let family = Family::from_json(config)?;
                // Gemma's configurations leave it out.
                let by_default = matches!(family, Family::Gemma3(_));
                let tied = config.get("tie_word_embeddings").and_then(Value::as_bool).unwrap_or(by_default);
                (family, Files::HuggingFace(tensors), tied)
            }
        };
        let spec = family.spec(context_tokens_max);
        let weights = tensors::weights(files, &spec, Parts { tied, ..family.parts() })?;
        Ok(Decoder { family, spec, weights })
    }

    /// The tokenizer.
    ///
    /// # Errors
    /// When it is of a kind we do not have, or broken.
    pub fn tokenizer(&self) -> Result<Tokenizer, TokenizerError> {
        match self {
            Self::Gguf(gguf) => Tokenizer::from_gguf(gguf),
            Self::HuggingFace(files) => Tokenizer::from_folder(&files.folder, &files.config),
        }
    }

    /// The source of the chat template, if there is one.
    ///
    /// # Errors
    /// When a folder's file is too large or broken.
    pub fn chat_template(&self) -> Result<Option<String>, FileError> {
        match self {
            Self::Gguf(gguf) => Ok(gguf.text("tokenizer.chat_template").ok().map(str::to_owned)),
            Self::HuggingFace(files) => files.chat_template(),
        }
    }

    /// Number of weights in the files.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        match self {
            Self::Gguf(gguf) => gguf.tensors().map(|(_, tensor)| tensor.weights as u64).sum(),
            Self::HuggingFace(files) => files.tensors.weights(),
        }
    }

    /// SHA-256 of the weights file; of several, of their bytes one after the other in the order of their names.
    #[must_use]
    pub fn weights_sha256(&self) -> [u8; 32] {
        match self {
            Self::Gguf(gguf) => gguf.sha256(),
            Self::HuggingFace(files) => files.tensors.sha256(),
        }
    }
}

impl HuggingFace {
    /// In a file of its own, or among the tokenizer's settings: as one text, or as a list of which the default one counts.
    fn chat_template(&self) -> Result<Option<String>, FileError> {
        match bounded::read(&self.folder.join("chat_template.jinja"), JSON_BYTES_MAX) {
            Ok(bytes) => return Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.is_missing() => {}
            Err(error) => return Err(error),
        }
        let settings = bounded::optional_json(&self.folder.join("tokenizer_config.json"), JSON_BYTES_MAX)?;
        let template = settings.as_ref().and_then(|settings| settings.get("chat_template"));
        Ok(match template {
            Some(Value::String(template)) => Some(template.clone()),
            Some(Value::Array(named)) => {
                let default = named.iter().find(|template| template["name"] == "default");
                default.and_then(|template| template["template"].as_str()).map(str::to_owned)
            }
            _ => None,
        })
    }
}

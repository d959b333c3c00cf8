//! Sentence embeddings by a BERT encoder, as sentence-transformers computes them: tokens, encoder, pooling, normalisation.
//!
//! A text is computed by itself, without filling, so its vector does not depend on the others.
//! A folder without sentence-transformers' own files gives normed means. Deliberately absent: encoders other than BERT. The queue is
//! [`ModelHandle::embed`](crate::ModelHandle::embed)'s.

mod bert;
mod settings;

use std::path::Path;

use thiserror::Error;
use tokenizers::{Tokenizer as HfTokenizer, TruncationParams};

use self::bert::Bert;
pub use self::bert::BertConfig;
pub use self::settings::{Pooling, Settings};
use crate::checkpoint::JSON_BYTES_MAX;
use crate::device::ComputeDevice;
use crate::families::FamilyError;
use crate::tokenizer::{TokenizerError, hugging_face};
use crate::weights::bounded::{self, FileError};
use crate::weights::safetensors::{Safetensors, SafetensorsError};

/// A model of embeddings.
#[derive(Debug)]
pub struct Embedder {
    tokenizer: HfTokenizer,
    bert: Bert,
    settings: Settings,
    parameters: u64,
}

/// An embedder that could not be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmbedderError {
    /// A file is missing, too large, or not JSON.
    #[error("the folder lacks a part of the model, or it is broken")]
    File(#[from] FileError),
    /// A file's fields.
    #[error("the model's configuration cannot be used")]
    Json(#[from] serde_json::Error),
    /// The weights.
    #[error("the model's weights cannot be read")]
    Weights(#[from] SafetensorsError),
    /// The configuration, or what the weights have to do with it.
    #[error("the model cannot be computed")]
    Model(#[from] FamilyError),
    /// The tokenizer.
    #[error("the model's tokenizer cannot be built")]
    Tokenizer(#[from] TokenizerError),
}

/// A text that could not be embedded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// The library refused it.
    #[error("the text cannot be encoded")]
    Encode(#[source] tokenizers::Error),
    /// The tokenizer knows more tokens than the model.
    #[error("token {token} does not exist, the model has {vocabulary}")]
    UnknownToken {
        /// The token.
        token: u32,
        /// Number of tokens of the model.
        vocabulary: usize,
    },
}

/// A text's vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// [`Embedder::width`] numbers.
    pub vector: Vec<f32>,
    /// Tokens the text had, those around it included, after it was cut to the model's length.
    pub tokens: usize,
}

impl Embedder {
    /// Loads a folder as sentence-transformers writes it: `config.json`, safetensors, `tokenizer.json`, and (where they are there)
    /// `modules.json`, `sentence_bert_config.json` and `1_Pooling/config.json`.
    ///
    /// # Errors
    /// When something is missing or broken, or the model is none that we compute.
    pub fn load(folder: &Path, device: &ComputeDevice) -> Result<Self, EmbedderError> {
        let config = BertConfig::from_json(&bounded::json(&folder.join("config.json"), JSON_BYTES_MAX)?)?;
        let settings = Settings::read(folder, config.positions)?;
        let tensors = Safetensors::open(folder)?;
        let bert = Bert::load(config, &tensors, device.tensors())?;
        let mut tokenizer = hugging_face::library(folder)?;
        let cut = TruncationParams { max_length: settings.tokens_max, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(cut)).map_err(TokenizerError::Library)?;
        Ok(Self { tokenizer, bert, settings, parameters: tensors.weights() })
    }

    /// Whether a folder holds an encoder of this kind, by its `config.json`.
    #[must_use]
    pub fn is_at(folder: &Path) -> bool {
        let config = bounded::json(&folder.join("config.json"), JSON_BYTES_MAX);
        config.is_ok_and(|config: serde_json::Value| config["model_type"] == "bert")
    }

    /// Number of different tokens.
    #[must_use]
    pub fn vocabulary_tokens(&self) -> usize {
        self.bert.config().vocabulary
    }

    /// The tokens of a text, those around it included, cut to the model's length.
    ///
    /// # Errors
    /// When the text cannot be encoded.
    pub fn tokenize(&self, text: &str) -> Result<Vec<u32>, EmbedError> {
        let encoding = self.tokenizer.encode_fast(text.trim(), true).map_err(EmbedError::Encode)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Numbers of a vector.
    #[must_use]
    pub fn width(&self) -> usize {
        self.bert.config().hidden
    }

    /// Number of weights.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.parameters
    }

    /// How vectors are made of the encoder's rows.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The vector of a text. A longer text than the model's is cut.
    ///
    /// # Errors
    /// When the text cannot be encoded.
    pub fn embed(&self, text: &str) -> Result<Embedding, EmbedError> {
        let tokens = &self.tokenize(text)?;
        let vocabulary = self.vocabulary_tokens();
        if let Some(&token) = tokens.iter().find(|token| **token as usize >= vocabulary) {
            return Err(EmbedError::UnknownToken { token, vocabulary });
        }
        let rows = if tokens.is_empty() { vec![0.0; self.width()] } else { self.bert.forward(tokens) };
        Ok(Embedding { vector: self.settings.pooled(&rows, self.width()), tokens: tokens.len() })
    }
}

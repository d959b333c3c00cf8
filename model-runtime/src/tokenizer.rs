//! Text to tokens and back, from a GGUF file's metadata or a `tokenizer.json`.
//!
//! Byte-pair vocabularies are encoded by the `tokenizers` crate, vocabularies with scores by `sentence_piece`. Decoding is a table of
//! bytes per token ([`Vocabulary`]) and an assembler that never splits a character ([`Utf8Assembler`]), because answers are shown token
//! by token.

mod assembler;
mod byte_level;
mod gguf;
pub(crate) mod hugging_face;
mod pre;
mod sentence_piece;
mod special;
mod vocabulary;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;
use tokenizers::Tokenizer as HfTokenizer;

pub use self::assembler::Utf8Assembler;
use self::sentence_piece::SentencePiece;
pub use self::vocabulary::{EncodedPrompt, Vocabulary};
use crate::weights::bounded::FileError;
use crate::weights::gguf::{Gguf, GgufError};

/// A tokenizer that cannot be built, or a text it cannot encode.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// The metadata lacks something or holds something else.
    #[error("the file's tokenizer cannot be read")]
    Metadata(#[from] GgufError),
    /// A file of the folder is missing or broken.
    #[error("the folder's tokenizer cannot be read")]
    File(#[from] FileError),
    /// Another kind of tokenizer.
    #[error(
        "tokenizer model {model:?} with pre-tokenizer {pre:?} is not supported (\"llama\", and \"gpt2\" with {known}, are)"
    )]
    Unsupported {
        /// `tokenizer.ggml.model`.
        model: String,
        /// `tokenizer.ggml.pre`.
        pre: String,
        /// What is.
        known: &'static str,
    },
    /// The lists of the metadata do not belong together.
    #[error("the tokenizer's metadata is inconsistent: {0}")]
    Inconsistent(&'static str),
    /// The numbers of the tokens leave gaps that no tokenizer has.
    #[error("the tokenizer has {known} tokens and one with a far greater number: tokenizer.json is damaged")]
    Ids {
        /// Tokens that it has.
        known: usize,
    },
    /// The library refused.
    #[error("the tokenizer failed")]
    Library(#[source] tokenizers::Error),
}

/// Control tokens that end an answer whatever the file names as its end, as llama.cpp has them.
const END_TEXTS: [&str; 7] =
    ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", TURN_END, "</s>"];

/// Gemma's end of a turn, which its files do not always mark as special.
const TURN_END: &str = "<end_of_turn>";

/// Encodes text and knows the bytes of every token.
#[derive(Debug)]
pub struct Tokenizer {
    encoder: Encoder,
    vocabulary: Arc<Vocabulary>,
    texts: Vec<Box<str>>,
    bos: Option<u32>,
    eos: Option<u32>,
    add_bos: bool,
    bytes_per_token_max: usize,
}

#[derive(Debug)]
enum Encoder {
    Library(Box<HfTokenizer>),
    SentencePiece(Box<SentencePiece>),
}

/// What a tokenizer is assembled of.
struct Parts {
    encoder: Encoder,
    /// What each token shows.
    pieces: Vec<Vec<u8>>,
    ends: BTreeSet<u32>,
    bos: Option<u32>,
    eos: Option<u32>,
    add_bos: bool,
    /// Each token as the vocabulary writes it.
    texts: Vec<Box<str>>,
}

impl Tokenizer {
    /// Builds the tokenizer that a GGUF file describes.
    ///
    /// # Errors
    /// When it is of a kind we do not have, or inconsistent.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self, TokenizerError> {
        gguf::tokenizer(gguf)
    }

    /// Builds the tokenizer of a folder: `tokenizer.json`, with `tokenizer_config.json`, `generation_config.json` and the model's `config`
    /// for its special tokens.
    ///
    /// # Errors
    /// When a file is missing, too large or broken.
    pub fn from_folder(folder: &Path, config: &serde_json::Value) -> Result<Self, TokenizerError> {
        hugging_face::tokenizer(folder, config)
    }

    fn assemble(parts: Parts) -> Self {
        let Parts { encoder, pieces, ends, bos, eos, add_bos, texts } = parts;
        /// Composing characters shortens a text to no less than this part.
        const NORMALIZED_BYTES: usize = 4;
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0).max(1);
        let normalizes = matches!(&encoder, Encoder::Library(encoder) if encoder.get_normalizer().is_some());
        let bytes_per_token_max = if normalizes { longest * NORMALIZED_BYTES } else { longest };
        let vocabulary = Arc::new(Vocabulary::new(pieces, ends).with_texts(texts.iter().map(|text| &**text)));
        Self { encoder, vocabulary, texts, bos, eos, add_bos, bytes_per_token_max }
    }

    /// The fewest tokens a text of so many bytes can have: enough to refuse a huge one without encoding it.
    #[must_use]
    pub fn tokens_min(&self, text_bytes: usize) -> usize {
        text_bytes / self.bytes_per_token_max
    }

    /// The token that begins a text, if the file names one.
    #[must_use]
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The token that ends an answer, if the file names one.
    #[must_use]
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// A token as the vocabulary writes it, control tokens too; empty for one that does not exist.
    #[must_use]
    pub fn text(&self, token: u32) -> String {
        self.texts.get(token as usize).map(|text| text.to_string()).unwrap_or_default()
    }

    /// The tokens of `text`. Control tokens written out in it are recognised. A model that wants a token at the beginning gets it.
    ///
    /// # Errors
    /// When the library fails.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let mut tokens = match &self.encoder {
            Encoder::SentencePiece(encoder) => encoder.encode(text),
            Encoder::Library(encoder) => {
                encoder.encode_fast(text, false).map_err(TokenizerError::Library)?.get_ids().to_vec()
            }
        };
        if let (true, Some(bos)) = (self.add_bos, self.bos)
            && tokens.first() != Some(&bos)
        {
            tokens.insert(0, bos);
        }
        Ok(tokens)
    }

    /// The bytes of every token.
    #[must_use]
    pub fn vocabulary(&self) -> &Arc<Vocabulary> {
        &self.vocabulary
    }
}

#[cfg(test)]
mod tests;

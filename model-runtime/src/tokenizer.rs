//! Text to tokens and back, from a GGUF file's metadata.
//!
//! Encoding is the `tokenizers` crate's; decoding is a table of bytes per token ([`Vocabulary`]) and an assembler that never splits a
//! character ([`Utf8Assembler`]), because answers are shown token by token.

mod assembler;
mod byte_level;
mod vocabulary;

use std::collections::BTreeSet;
use std::sync::Arc;

use thiserror::Error;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::{AddedToken, PreTokenizerWrapper, Tokenizer as HfTokenizer};

pub use self::assembler::Utf8Assembler;
pub use self::vocabulary::Vocabulary;
use crate::weights::gguf::{Gguf, GgufError};

/// A tokenizer that cannot be built, or a text it cannot encode.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// The metadata lacks something or holds something else.
    #[error("the file's tokenizer cannot be read")]
    Metadata(#[from] GgufError),
    /// Another kind of tokenizer.
    #[error(
        "tokenizer model {model:?} with pre-tokenizer {pre:?} is not supported (\"gpt2\" with {SUPPORTED} is)"
    )]
    Unsupported {
        /// `tokenizer.ggml.model`.
        model: String,
        /// `tokenizer.ggml.pre`.
        pre: String,
    },
    /// The lists of the metadata do not belong together.
    #[error("the tokenizer's metadata is inconsistent: {0}")]
    Inconsistent(&'static str),
    /// The library refused.
    #[error("the tokenizer failed")]
    Library(#[source] tokenizers::Error),
}

const SUPPORTED: &str = "\"smollm\" or \"gpt-2\"";

/// Token types of GGUF that are matched before the text is split.
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;

/// Control tokens that end an answer whatever the file names as its end, as llama.cpp has them.
const END_TEXTS: [&str; 6] =
    ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<end_of_turn>", "</s>"];

/// Encodes text and knows the bytes of every token.
#[derive(Debug)]
pub struct Tokenizer {
    encoder: HfTokenizer,
    vocabulary: Arc<Vocabulary>,
    bos: Option<u32>,
    eos: Option<u32>,
    add_bos: bool,
    token_text_bytes_max: usize,
}

impl Tokenizer {
    /// Builds the tokenizer that a file describes.
    ///
    /// # Errors
    /// When it is of a kind we do not have, or inconsistent.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self, TokenizerError> {
        let tokens = gguf.texts("tokenizer.ggml.tokens")?;
        let kinds = gguf.integers("tokenizer.ggml.token_type")?;
        if kinds.len() != tokens.len() {
            return Err(TokenizerError::Inconsistent("there are not as many token types as tokens"));
        }
        let mut encoder = encoder(gguf, &tokens)?;
        let added = |wanted: i32| {
            let of_kind = tokens.iter().zip(&kinds).filter(move |(_, kind)| **kind == wanted);
            of_kind
                .map(move |(text, _)| AddedToken::from(*text, wanted == CONTROL).normalized(false))
                .collect::<Vec<_>>()
        };
        encoder.add_special_tokens(added(CONTROL)).map_err(TokenizerError::Library)?;
        encoder.add_tokens(added(USER_DEFINED)).map_err(TokenizerError::Library)?;
        let ends = end_tokens(gguf, &tokens, &kinds)?;
        let vocabulary =
            Vocabulary::new(tokens.iter().zip(&kinds).map(|(text, kind)| piece(text, *kind)), ends);
        let bos = optional_token(gguf, "tokenizer.ggml.bos_token_id", tokens.len())?;
        let eos = optional_token(gguf, "tokenizer.ggml.eos_token_id", tokens.len())?;
        let add_bos = gguf.flag("tokenizer.ggml.add_bos_token", false)?;
        let token_text_bytes_max = tokens.iter().map(|text| text.len()).max().unwrap_or(0);
        Ok(Self { encoder, vocabulary: Arc::new(vocabulary), bos, eos, add_bos, token_text_bytes_max })
    }

    /// The fewest tokens a text of so many bytes can have: enough to refuse a huge one without encoding it.
    #[must_use]
    pub fn tokens_min(&self, text_bytes: usize) -> usize {
        text_bytes / self.token_text_bytes_max.max(1)
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
        self.encoder.id_to_token(token).unwrap_or_default()
    }

    /// The tokens of `text`. Control tokens written out in it are recognised. A model that wants a token at the beginning gets it.
    ///
    /// # Errors
    /// When the library fails.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self.encoder.encode_fast(text, false).map_err(TokenizerError::Library)?;
        let mut tokens = encoding.get_ids().to_vec();
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

fn encoder(gguf: &Gguf, tokens: &[&str]) -> Result<HfTokenizer, TokenizerError> {
    let model = gguf.text("tokenizer.ggml.model")?;
    let pre = gguf.text("tokenizer.ggml.pre")?;
    let splitting = match (model, pre) {
        ("gpt2", "smollm") => digits_apart_then_gpt2(),
        ("gpt2", "gpt-2" | "default") => PreTokenizerWrapper::ByteLevel(gpt2()),
        _ => return Err(TokenizerError::Unsupported { model: model.to_owned(), pre: pre.to_owned() }),
    };
    let ids: Vocab = tokens.iter().map(ToString::to_string).zip(0..).collect();
    let merges = gguf
        .texts("tokenizer.ggml.merges")?
        .into_iter()
        // A space in a token is written as another character, so the first space is the border.
        .map(|pair| pair.split_once(' ').map(|(left, right)| (left.to_owned(), right.to_owned())))
        .collect::<Option<Vec<_>>>()
        .ok_or(TokenizerError::Inconsistent("a merge is not a pair"))?;
    let bpe = BPE::builder().vocab_and_merges(ids, merges).build().map_err(TokenizerError::Library)?;
    let mut encoder = HfTokenizer::new(bpe);
    encoder.with_pre_tokenizer(Some(splitting));
    Ok(encoder)
}

fn gpt2() -> ByteLevel {
    ByteLevel::new(false, true, true)
}

fn digits_apart_then_gpt2() -> PreTokenizerWrapper {
    let digits = PreTokenizerWrapper::Digits(Digits::new(true));
    PreTokenizerWrapper::Sequence(Sequence::new(vec![digits, PreTokenizerWrapper::ByteLevel(gpt2())]))
}

/// What a token shows: nothing for control tokens, its own text for added ones, the bytes it stands for otherwise.
fn piece(text: &str, kind: i32) -> Vec<u8> {
    match kind {
        CONTROL => Vec::new(),
        USER_DEFINED => text.as_bytes().to_vec(),
        _ => byte_level::bytes(text),
    }
}

fn end_tokens(gguf: &Gguf, tokens: &[&str], kinds: &[i32]) -> Result<BTreeSet<u32>, TokenizerError> {
    let mut ends = BTreeSet::new();
    for key in ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"] {
        ends.extend(optional_token(gguf, key, tokens.len())?);
    }
    let by_text = (0..)
        .zip(tokens)
        .zip(kinds)
        .filter(|((_, text), kind)| **kind == CONTROL && END_TEXTS.contains(text));
    ends.extend(by_text.map(|((id, _), _)| id));
    Ok(ends)
}

fn optional_token(gguf: &Gguf, key: &str, count: usize) -> Result<Option<u32>, TokenizerError> {
    if !gguf.has(key) {
        return Ok(None);
    }
    let token = gguf.unsigned(key)?;
    if token >= count as u64 {
        return Err(TokenizerError::Inconsistent("a special token is not in the vocabulary"));
    }
    Ok(u32::try_from(token).ok())
}

#[cfg(test)]
mod tests;

//! Tokenizers as Hugging Face's libraries write them: `tokenizer.json` and what surrounds it.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use tokenizers::Tokenizer as HfTokenizer;

use super::sentence_piece::{SPACE, byte_of};
use super::{END_TEXTS, Encoder, Parts, TURN_END, Tokenizer, TokenizerError, byte_level};
use crate::checkpoint::JSON_BYTES_MAX;
use crate::weights::bounded;

/// The largest published ones have 35 MB.
const TOKENIZER_BYTES_MAX: u64 = 128 << 20;

/// Numbers that a vocabulary may leave free, besides as many as it has tokens.
const FREE_IDS_MAX: usize = 4_096;

/// The library's tokenizer of a folder, without cutting and filling.
pub(crate) fn library(folder: &Path) -> Result<HfTokenizer, TokenizerError> {
    let bytes = bounded::read(&folder.join("tokenizer.json"), TOKENIZER_BYTES_MAX)?;
    let mut encoder = HfTokenizer::from_bytes(bytes).map_err(TokenizerError::Library)?;
    encoder.with_truncation(None).map_err(TokenizerError::Library)?;
    encoder.with_padding(None);
    Ok(encoder)
}

pub(super) fn tokenizer(folder: &Path, config: &Value) -> Result<Tokenizer, TokenizerError> {
    let encoder = library(folder)?;
    let settings = bounded::optional_json(&folder.join("tokenizer_config.json"), JSON_BYTES_MAX)?;
    let generation = bounded::optional_json(&folder.join("generation_config.json"), JSON_BYTES_MAX)?;
    let vocabulary = encoder.get_vocab(true);
    let known = vocabulary.len();
    let last = vocabulary.into_values().max();
    // Some numbers are left free, but no file may have us allocate by one number in it.
    let limit = known.saturating_mul(2).saturating_add(FREE_IDS_MAX);
    let count = last.map_or(Some(0), |last| last.checked_add(1));
    let count = count.filter(|count| (*count as usize) <= limit).ok_or(TokenizerError::Ids { known })?;
    let texts: Vec<Box<str>> =
        (0..count).map(|id| encoder.id_to_token(id).unwrap_or_default().into()).collect();
    let named = |key: &str| {
        let value = settings.as_ref()?.get(key)?;
        let text = value.as_str().or_else(|| value.get("content")?.as_str())?;
        encoder.token_to_id(text)
    };
    let (bos, eos) = (named("bos_token"), named("eos_token"));
    let first = encoder.encode_fast("", true).map_err(TokenizerError::Library)?.get_ids().first().copied();
    let add_bos = bos.is_some() && first == bos;
    let mut ends: BTreeSet<u32> =
        [Some(config), generation.as_ref()].into_iter().flatten().flat_map(end_ids).collect();
    ends.extend(eos);
    let added = encoder.get_added_tokens_decoder();
    let ends_by_text = |text: &&str| {
        let id = encoder.token_to_id(text)?;
        // A text that is no special token, such as `</s>` in some vocabularies, is a text.
        added.get(&id).filter(|token| token.special || **text == *TURN_END).map(|_| id)
    };
    ends.extend(END_TEXTS.iter().filter_map(ends_by_text));
    ends.retain(|id| *id < count);
    let pieces = pieces(&encoder, &texts);
    Ok(Tokenizer::assemble(Parts {
        encoder: Encoder::Library(Box::new(encoder)),
        pieces,
        ends,
        bos,
        eos,
        add_bos,
        texts,
    }))
}

/// What each token shows.
fn pieces(encoder: &HfTokenizer, texts: &[Box<str>]) -> Vec<Vec<u8>> {
    let decoder = serde_json::to_string(&encoder.get_decoder()).unwrap_or_default();
    let is_byte_level = decoder.contains("\"ByteLevel\"");
    let added = encoder.get_added_tokens_decoder();
    let piece = |(id, text): (u32, &str)| match added.get(&id) {
        Some(token) if token.special => Vec::new(),
        Some(token) if is_byte_level => token.content.clone().into_bytes(),
        Some(token) => token.content.replace(SPACE, " ").into_bytes(),
        None if is_byte_level => byte_level::bytes(text),
        None => byte_of(text).map_or_else(|| text.replace(SPACE, " ").into_bytes(), |byte| vec![byte]),
    };
    (0..).zip(texts.iter().map(|text| &**text)).map(piece).collect()
}

/// One number or a list of them.
fn end_ids(config: &Value) -> Vec<u32> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match config.get("eos_token_id") {
        Some(Value::Array(ids)) => ids.iter().filter_map(id).collect(),
        Some(value) => id(value).into_iter().collect(),
        None => Vec::new(),
    }
}

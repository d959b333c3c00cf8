//! Tokenizers that GGUF files hold in their metadata.

use std::collections::BTreeSet;

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::{AddedToken, Tokenizer as HfTokenizer};

use super::pre::{self, Pre};
use super::sentence_piece::{SPACE, SentencePiece, byte_of};
use super::special::SpecialTokens;
use super::{END_TEXTS, Encoder, Parts, TURN_END, Tokenizer, TokenizerError, byte_level};
use crate::weights::gguf::Gguf;

/// Token types of GGUF.
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const BYTE: i32 = 6;

/// What both kinds of vocabulary read.
struct Listed<'a> {
    gguf: &'a Gguf,
    tokens: Vec<&'a str>,
    kinds: Vec<i32>,
}

pub(super) fn tokenizer(gguf: &Gguf) -> Result<Tokenizer, TokenizerError> {
    let tokens = gguf.texts("tokenizer.ggml.tokens")?;
    let kinds = gguf.integers("tokenizer.ggml.token_type")?;
    if kinds.len() != tokens.len() {
        return Err(TokenizerError::Inconsistent("there are not as many token types as tokens"));
    }
    let listed = Listed { gguf, tokens, kinds };
    match gguf.text("tokenizer.ggml.model")? {
        "gpt2" => listed.byte_pairs(),
        "llama" => listed.sentence_piece(),
        other => Err(listed.unsupported(other)),
    }
}

impl Listed<'_> {
    fn byte_pairs(&self) -> Result<Tokenizer, TokenizerError> {
        let name = self.gguf.text("tokenizer.ggml.pre")?;
        let pre = Pre::named(name)?.ok_or_else(|| self.unsupported("gpt2"))?;
        let ids: Vocab = self.tokens.iter().map(ToString::to_string).zip(0..).collect();
        let merges = self
            .gguf
            .texts("tokenizer.ggml.merges")?
            .into_iter()
            // A space in a token is written as another character, so the first space is the border.
            .map(|pair| pair.split_once(' ').map(|(left, right)| (left.to_owned(), right.to_owned())))
            .collect::<Option<Vec<_>>>()
            .ok_or(TokenizerError::Inconsistent("a merge is not a pair"))?;
        let merging = BPE::builder().vocab_and_merges(ids, merges).ignore_merges(pre.whole_pieces_first);
        let mut encoder = HfTokenizer::new(merging.build().map_err(TokenizerError::Library)?);
        encoder.with_normalizer(pre.normalizer).map_err(TokenizerError::Library)?;
        encoder.with_pre_tokenizer(Some(pre.division));
        let added = |wanted: i32| {
            let of_kind = self.tokens.iter().zip(&self.kinds).filter(move |(_, kind)| **kind == wanted);
            of_kind
                .map(move |(text, _)| AddedToken::from(*text, wanted == CONTROL).normalized(false))
                .collect::<Vec<_>>()
        };
        encoder.add_special_tokens(added(CONTROL)).map_err(TokenizerError::Library)?;
        encoder.add_tokens(added(USER_DEFINED)).map_err(TokenizerError::Library)?;
        self.finish(Encoder::Library(Box::new(encoder)), pre.add_bos, byte_level::bytes)
    }

    fn sentence_piece(&self) -> Result<Tokenizer, TokenizerError> {
        let scores = self.gguf.floats("tokenizer.ggml.scores")?;
        if scores.len() != self.tokens.len() {
            return Err(TokenizerError::Inconsistent("there are not as many scores as tokens"));
        }
        let mut bytes = Box::new([None; 256]);
        for (id, text, _) in self.of_kinds(&[BYTE]) {
            if let Some(byte) = byte_of(text) {
                bytes[usize::from(byte)] = Some(id);
            }
        }
        let special = self.of_kinds(&[UNKNOWN, CONTROL, USER_DEFINED]).map(|(id, text, _)| (text.into(), id));
        let encoder = SentencePiece {
            ids: (0..).zip(&self.tokens).map(|(id, text)| ((*text).into(), id)).collect(),
            scores,
            bytes,
            unknown: optional_token(self.gguf, "tokenizer.ggml.unknown_token_id", self.tokens.len())?,
            special: SpecialTokens::new(special),
            add_space_prefix: self.gguf.flag("tokenizer.ggml.add_space_prefix", true)?,
        };
        self.finish(Encoder::SentencePiece(Box::new(encoder)), true, |text| {
            text.replace(SPACE, " ").into_bytes()
        })
    }

    fn finish(
        &self,
        encoder: Encoder,
        add_bos: bool,
        shown: impl Fn(&str) -> Vec<u8>,
    ) -> Result<Tokenizer, TokenizerError> {
        let piece = |(text, kind): (&&str, &i32)| match *kind {
            CONTROL | UNKNOWN => Vec::new(),
            USER_DEFINED => text.as_bytes().to_vec(),
            BYTE => byte_of(text).map_or_else(|| shown(text), |byte| vec![byte]),
            _ => shown(text),
        };
        let count = self.tokens.len();
        Ok(Tokenizer::assemble(Parts {
            encoder,
            pieces: self.tokens.iter().zip(&self.kinds).map(piece).collect(),
            ends: self.ends()?,
            bos: optional_token(self.gguf, "tokenizer.ggml.bos_token_id", count)?,
            eos: optional_token(self.gguf, "tokenizer.ggml.eos_token_id", count)?,
            add_bos: self.gguf.flag("tokenizer.ggml.add_bos_token", add_bos)?,
            texts: self.tokens.iter().map(|text| (*text).into()).collect(),
        }))
    }

    fn of_kinds<'a>(&'a self, kinds: &'a [i32]) -> impl Iterator<Item = (u32, &'a str, i32)> {
        let all = (0..).zip(&self.tokens).zip(&self.kinds).map(|((id, text), kind)| (id, *text, *kind));
        all.filter(|(.., kind)| kinds.contains(kind))
    }

    fn ends(&self) -> Result<BTreeSet<u32>, TokenizerError> {
        let mut ends = BTreeSet::new();
        for key in
            ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"]
        {
            ends.extend(optional_token(self.gguf, key, self.tokens.len())?);
        }
        // Converters give Gemma's end of a turn the user-defined type. Another text of that type, such as `</s>` there, is a text.
        let by_text = self
            .of_kinds(&[CONTROL, USER_DEFINED])
            .filter(|(_, text, kind)| END_TEXTS.contains(text) && (*kind == CONTROL || *text == TURN_END));
        ends.extend(by_text.map(|(id, ..)| id));
        Ok(ends)
    }

    fn unsupported(&self, model: &str) -> TokenizerError {
        let pre = self.gguf.text("tokenizer.ggml.pre").unwrap_or("none");
        TokenizerError::Unsupported { model: model.to_owned(), pre: pre.to_owned(), known: pre::NAMES }
    }
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

//! How texts are divided before byte pairs are merged: the kinds that GGUF names in `tokenizer.ggml.pre`.
//!
//! Source of the expressions: the models' own `tokenizer.json`.

use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper};

use super::TokenizerError;

/// A way of dividing texts, with what comes with it.
pub(super) struct Pre {
    pub(super) division: PreTokenizerWrapper,
    pub(super) normalizer: Option<NormalizerWrapper>,
    /// A piece that is a token as a whole is not merged from its bytes.
    pub(super) whole_pieces_first: bool,
    /// Whether a text begins with the first token where the file does not say.
    pub(super) add_bos: bool,
}

/// For error messages.
pub(super) const NAMES: &str = "\"smollm\", \"gpt-2\", \"llama-bpe\" or \"qwen2\"";

const LLAMA_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN_2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

impl Pre {
    /// The kind of that name; `None` if we do not have it.
    pub(super) fn named(name: &str) -> Result<Option<Self>, TokenizerError> {
        let plain = |division| Self { division, normalizer: None, whole_pieces_first: false, add_bos: false };
        Ok(Some(match name {
            "gpt-2" | "default" => plain(PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, true, true))),
            "smollm" => {
                let digits = PreTokenizerWrapper::Digits(Digits::new(true));
                let rest = PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, true, true));
                plain(PreTokenizerWrapper::Sequence(Sequence::new(vec![digits, rest])))
            }
            "llama-bpe" | "llama3" | "llama-v3" => {
                Self { whole_pieces_first: true, add_bos: true, ..plain(by_expression(LLAMA_3)?) }
            }
            "qwen2" => Self { normalizer: Some(NFC.into()), ..plain(by_expression(QWEN_2)?) },
            _ => return Ok(None),
        }))
    }
}

fn by_expression(expression: &str) -> Result<PreTokenizerWrapper, TokenizerError> {
    let pattern = SplitPattern::Regex(expression.to_owned());
    let split =
        Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(TokenizerError::Library)?;
    let bytes = PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, true, false));
    Ok(PreTokenizerWrapper::Sequence(Sequence::new(vec![PreTokenizerWrapper::Split(split), bytes])))
}

//! `POST /v1/embeddings`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::validate::model_id;
use super::{RequestError, Usage};
use crate::ticket::ModelId;

/// How many texts a request may have.
pub const INPUTS_MAX: usize = 2_048;

/// A request, as received.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingRequest {
    /// The model's name.
    pub model: String,
    /// The texts.
    pub input: InputField,
    /// `float` (the default) or `base64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding_format: Option<String>,
    /// Numbers of a vector: only as many as the model makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<i64>,
}

/// One text or several. Lists of tokens are read to be refused by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, try_from = "Value")]
pub enum InputField {
    /// One text.
    Text(String),
    /// Several.
    Texts(Vec<String>),
    /// Tokens, or lists of them.
    Tokens(Vec<Value>),
}

/// By hand, because serde's untagged enums do not read numbers that serde_json keeps as written.
impl TryFrom<Value> for InputField {
    type Error = &'static str;
    fn try_from(value: Value) -> Result<Self, &'static str> {
        match value {
            Value::String(text) => Ok(Self::Text(text)),
            Value::Array(items) if matches!(items.first(), Some(Value::Number(_) | Value::Array(_))) => {
                Ok(Self::Tokens(items))
            }
            list @ Value::Array(_) => {
                serde_json::from_value(list).map(Self::Texts).map_err(|_| "input must be texts only")
            }
            _ => Err("input must be a text or a list of texts"),
        }
    }
}

/// A request within every limit of this protocol. Made only by [`EmbeddingRequest::validate`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValidEmbeddingRequest {
    /// The model's name. Whether it is on offer is not known.
    pub model: ModelId,
    /// The texts: at least one, none empty.
    pub texts: Vec<String>,
    /// Whether vectors are sent as base64 of little-endian `f32`.
    pub base64: bool,
    /// Numbers of a vector, if the client says so.
    pub dimensions: Option<i64>,
}

impl EmbeddingRequest {
    /// Checks every field.
    pub fn validate(self) -> Result<ValidEmbeddingRequest, RequestError> {
        let model = model_id(self.model)?;
        let texts = match self.input {
            InputField::Text(text) => vec![text],
            InputField::Texts(texts) => texts,
            InputField::Tokens(_) => {
                let text = "input must be a text or a list of texts: tokens of another model's vocabulary mean nothing here";
                return Err(RequestError::new("input", text));
            }
        };
        if !(1..=INPUTS_MAX).contains(&texts.len()) {
            return Err(RequestError::new("input", format!("input must be 1 to {INPUTS_MAX} texts")));
        }
        if texts.iter().any(String::is_empty) {
            return Err(RequestError::new("input", "no input text may be empty"));
        }
        let base64 = match self.encoding_format.as_deref() {
            None | Some("float") => false,
            Some("base64") => true,
            Some(_) => {
                return Err(RequestError::new("encoding_format", "encoding_format must be float or base64"));
            }
        };
        if self.dimensions.is_some_and(|dimensions| dimensions < 1) {
            return Err(RequestError::new("dimensions", "dimensions must be at least 1"));
        }
        Ok(ValidEmbeddingRequest { model, texts, base64, dimensions: self.dimensions })
    }
}

/// The vectors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingList {
    /// Always `list`.
    pub object: String,
    /// In the order of the texts.
    pub data: Vec<EmbeddingObject>,
    /// The model that made them.
    pub model: String,
    /// The tokens read.
    pub usage: EmbeddingUsage,
}

/// One vector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingObject {
    /// Always `embedding`.
    pub object: String,
    /// Its text's number, from 0.
    pub index: u32,
    /// The numbers.
    pub embedding: Vector,
}

/// A vector's numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Vector {
    /// As numbers.
    Float(Vec<f32>),
    /// As base64 of little-endian `f32`, a quarter of the size.
    Base64(String),
}

/// The tokens read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddingUsage {
    /// Of all texts.
    pub prompt_tokens: u32,
    /// The same.
    pub total_tokens: u32,
}

impl Vector {
    /// In the form that was asked for.
    pub fn new(numbers: Vec<f32>, base64: bool) -> Self {
        if base64 {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            return Self::Base64(base64_text(&bytes));
        }
        Self::Float(numbers)
    }
}

impl EmbeddingList {
    /// Vectors in the order of their texts.
    pub fn new(model: impl Into<String>, vectors: Vec<Vector>, prompt_tokens: u32) -> Self {
        let object =
            |(index, embedding)| EmbeddingObject { object: "embedding".to_owned(), index, embedding };
        let usage = Usage::new(prompt_tokens, 0);
        Self {
            object: "list".to_owned(),
            data: (0..).zip(vectors).map(object).collect(),
            model: model.into(),
            usage: EmbeddingUsage { prompt_tokens: usage.prompt_tokens, total_tokens: usage.total_tokens },
        }
    }
}

/// Base64 with padding (RFC 4648, section 4).
fn base64_text(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|index| chunk.get(index).copied().unwrap_or(0));
        let bits = u32::from_be_bytes([0, a, b, c]);
        for (index, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = usize::try_from((bits >> shift) & 63).ok().and_then(|digit| DIGITS.get(digit));
            let digit = digit.filter(|_| index <= chunk.len()).copied().unwrap_or(b'=');
            text.push(char::from(digit));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64_text;

    #[test]
    fn base64_is_that_of_the_standard() {
        // RFC 4648, section 10.
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64_text(bytes.as_bytes()), text);
        }
    }
}

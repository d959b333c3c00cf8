//! The names of models, limited in length and characters wherever they come from.

use std::fmt;

use parity_scale_codec::{Decode, Encode, Error, Input};
use serde::{Deserialize, Serialize};

use crate::bounded::decode_text;

/// How long a model's name may be.
pub const MODEL_ID_BYTES_MAX: usize = 128;

/// The name of a model: 1 to 128 characters of `A-Z a-z 0-9 . _ / : -`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelId(String);

/// The text is no model name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a model name has 1 to {MODEL_ID_BYTES_MAX} characters out of A-Z a-z 0-9 . _ / : -")]
pub struct BadModelId;

impl ModelId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ModelId {
    type Error = BadModelId;
    fn try_from(name: String) -> Result<Self, BadModelId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._/:-".contains(&byte);
        if name.is_empty() || name.len() > MODEL_ID_BYTES_MAX || !name.bytes().all(allowed) {
            return Err(BadModelId);
        }
        Ok(Self(name))
    }
}

impl TryFrom<&str> for ModelId {
    type Error = BadModelId;
    fn try_from(name: &str) -> Result<Self, BadModelId> {
        if name.len() > MODEL_ID_BYTES_MAX {
            return Err(BadModelId);
        }
        name.to_owned().try_into()
    }
}

impl std::str::FromStr for ModelId {
    type Err = BadModelId;
    fn from_str(name: &str) -> Result<Self, BadModelId> {
        name.try_into()
    }
}

impl From<ModelId> for String {
    fn from(id: ModelId) -> Self {
        id.0
    }
}

impl Decode for ModelId {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        Self::try_from(decode_text(input, MODEL_ID_BYTES_MAX)?).map_err(|_| Error::from("not a model name"))
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

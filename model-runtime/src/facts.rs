//! What is known of a loaded model.

use serde::{Serialize, Serializer};

/// Facts about a loaded model, measured at load where they can be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ModelFacts {
    /// The name it was loaded under.
    pub id: String,
    /// Family, as the file names it (`llama`, ...).
    pub architecture: String,
    /// Number of weights.
    pub parameters: u64,
    /// Bytes of weights held in memory. Caches of running requests come on top.
    pub memory_bytes: u64,
    /// Positions a request may use, prompt and answer together: the model's own limit or the configured one, whichever is lower.
    pub context_tokens: u32,
    /// Number of different tokens.
    pub vocabulary_tokens: u32,
    /// Tokens that end an answer.
    pub end_tokens: Vec<u32>,
    /// SHA-256 of the weights file.
    #[serde(serialize_with = "hex_text")]
    pub weights_sha256: [u8; 32],
    /// Where it runs.
    pub device: String,
    /// How long loading took.
    pub load_ms: u64,
}

fn hex_text<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(bytes))
}

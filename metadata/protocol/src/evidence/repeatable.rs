//! Which calls can be executed again. Who makes evidence and who checks it share this rule: a re-execution of any other call proves
//! nothing, because it is not known what the miner's answer should have been.

use serde_json::{Map, Value};

use crate::openai::{ChatRequest, ValidChatRequest};
use crate::ticket::Kind;

/// Fields of a request that are understood. What others do to the prompt or to the drawing is not known.
const KNOWN_FIELDS: [&str; 13] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "seed",
    "stop",
    "user",
    "n",
    "metadata",
];

/// Why a request cannot be executed again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRepeatable {
    /// Not the body of a chat.
    #[error("it is no chat: {0}")]
    Body(String),
    /// A field whose effect is not known.
    #[error("it has the field `{0}`")]
    Field(String),
    /// The fingerprint that a receipt names is of the first answer only, and its tokens are all answers'.
    #[error("it asks for {0} answers")]
    Answers(u32),
}

/// Reads the body of a chat that can be executed again.
///
/// # Errors
/// When it cannot be: this says nothing about its miner.
pub fn repeatable(body: &[u8]) -> Result<ValidChatRequest, NotRepeatable> {
    let unreadable = |error: serde_json::Error| NotRepeatable::Body(error.to_string());
    let fields: Map<String, Value> = serde_json::from_slice(body).map_err(unreadable)?;
    let known = |name: &String| KNOWN_FIELDS.contains(&name.as_str());
    if let Some((name, _)) = fields.iter().find(|(name, value)| !known(name) && !value.is_null()) {
        return Err(NotRepeatable::Field(name.clone()));
    }
    let request: ChatRequest = serde_json::from_slice(body).map_err(unreadable)?;
    let request = request.validate().map_err(|error| NotRepeatable::Body(error.message))?;
    if request.choices == 1 { Ok(request) } else { Err(NotRepeatable::Answers(request.choices)) }
}

/// Whether calls of this kind have a fingerprint that is looked at.
pub(super) fn is_repeatable(kind: Kind) -> bool {
    matches!(kind, Kind::Chat | Kind::Probe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_plain_answer_can_be_executed_again_and_nothing_else() {
        let body = |more: &str| {
            format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}]{more}}}"#).into_bytes()
        };
        for plain in ["", r#","n":1"#, r#","tools":null,"temperature":0"#] {
            assert_eq!(repeatable(&body(plain)).unwrap().messages.len(), 1, "{plain}");
        }
        assert_eq!(repeatable(&body(r#","n":2"#)), Err(NotRepeatable::Answers(2)));
        assert_eq!(repeatable(&body(r#","tools":[1]"#)), Err(NotRepeatable::Field("tools".into())));
        assert!(matches!(repeatable(b"{}"), Err(NotRepeatable::Body(_))));
    }
}

//! The little that a validator reads of an answer: whether it is one, and how many tokens came with it. What a miner states is paid only
//! as far as it was delivered, so that nobody is paid for saying a number.

use protocol::openai::Endpoint;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Bytes of a tool call that pass for a token: calls arrive whole and not token by token.
const CALL_BYTES_PER_TOKEN: usize = 4;

/// Tokens of each whole answer that have no text: its end, the marks around reasoning and calls.
const SILENT_TOKENS_MAX: u64 = 16;

/// One chunk of a stream.
#[derive(Deserialize)]
pub(super) struct ChunkView {
    #[serde(default)]
    choices: Vec<ChoiceView>,
    #[serde(default)]
    pub(super) usage: Option<UsageView>,
    #[serde(default)]
    pub(super) error: Option<IgnoredAny>,
}

/// A choice of a chat (`delta` in a stream, `message` in a whole answer) or of a text completion (`text`).
#[derive(Deserialize)]
struct ChoiceView {
    #[serde(default, alias = "message")]
    delta: SaidView,
    #[serde(default)]
    text: Option<String>,
}

#[derive(Default, Deserialize)]
struct SaidView {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    reasoning_content: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<ToolCallView>>,
}

#[derive(Deserialize)]
struct ToolCallView {
    #[serde(default)]
    function: FunctionView,
}

#[derive(Default, Deserialize)]
struct FunctionView {
    #[serde(default)]
    name: String,
    #[serde(default)]
    arguments: String,
}

#[derive(Deserialize)]
pub(super) struct UsageView {
    #[serde(default)]
    pub(super) completion_tokens: u64,
}

/// A whole answer.
#[derive(Deserialize)]
struct AnswerView {
    choices: Option<Vec<ChoiceView>>,
    data: Option<Vec<IgnoredAny>>,
    tokens: Option<Vec<IgnoredAny>>,
    prompt: Option<IgnoredAny>,
    usage: Option<UsageView>,
}

/// Completion tokens of a whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tokens {
    /// By the answer's own usage.
    pub(super) stated: u64,
    /// As many of them as its text can be made of: a token has at least a byte.
    pub(super) delivered: u64,
}

impl ChunkView {
    /// Tokens that were delivered with it.
    pub(super) fn tokens(&self) -> u32 {
        self.choices.iter().fold(0, |sum, choice| sum.saturating_add(choice.tokens()))
    }
}

impl ChoiceView {
    fn texts(&self) -> impl Iterator<Item = &String> {
        let ChoiceView { delta, text } = self;
        [&delta.content, &delta.reasoning_content, text].into_iter().flatten()
    }

    fn call_bytes(&self) -> impl Iterator<Item = usize> {
        let calls = self.delta.tool_calls.iter().flatten();
        calls.map(|call| call.function.name.len().saturating_add(call.function.arguments.len()))
    }

    /// Tokens of a chunk: one for any text, and a call's by its length.
    fn tokens(&self) -> u32 {
        let texts = self.texts().filter(|text| !text.is_empty()).count();
        let calls = self.call_bytes().map(|bytes| bytes.div_ceil(CALL_BYTES_PER_TOKEN));
        u32::try_from(texts.saturating_add(calls.sum())).unwrap_or(u32::MAX)
    }

    /// The most tokens that a whole answer of this text can have.
    fn tokens_max(&self) -> u64 {
        let bytes = self.texts().map(String::len).chain(self.call_bytes());
        bytes.fold(SILENT_TOKENS_MAX, |sum, bytes| sum.saturating_add(bytes as u64))
    }
}

/// Reads a whole answer; `None` if it is none of that endpoint's.
pub(super) fn tokens_of(endpoint: Endpoint, body: &[u8]) -> Option<Tokens> {
    let AnswerView { choices, data, tokens, prompt, usage } = serde_json::from_slice(body).ok()?;
    let nothing = Tokens { stated: 0, delivered: 0 };
    match endpoint {
        Endpoint::Chat | Endpoint::Completion => {
            let stated = usage?.completion_tokens;
            let tokens_max =
                choices?.iter().fold(0, |sum: u64, choice| sum.saturating_add(choice.tokens_max()));
            Some(Tokens { stated, delivered: stated.min(tokens_max) })
        }
        Endpoint::Embedding => data.and(usage).map(|_| nothing),
        Endpoint::Tokenize => tokens.map(|_| nothing),
        Endpoint::Detokenize => prompt.map(|_| nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(endpoint: Endpoint, body: &[u8]) -> Option<(u64, u64)> {
        tokens_of(endpoint, body).map(|Tokens { stated, delivered }| (stated, delivered))
    }

    #[test]
    fn an_answer_is_one_of_its_own_endpoint_and_states_its_tokens() {
        let chat = br#"{"choices":[{}],"usage":{"prompt_tokens":1,"completion_tokens":7,"total_tokens":8}}"#;
        let embedding = br#"{"data":[{}],"usage":{"prompt_tokens":1,"total_tokens":1}}"#;
        assert_eq!(tokens(Endpoint::Chat, chat), Some((7, 7)));
        assert_eq!(tokens(Endpoint::Completion, chat), Some((7, 7)));
        assert_eq!(tokens(Endpoint::Embedding, embedding), Some((0, 0)));
        assert_eq!(tokens(Endpoint::Tokenize, br#"{"tokens":[1]}"#), Some((0, 0)));
        assert_eq!(tokens(Endpoint::Detokenize, br#"{"prompt":"a"}"#), Some((0, 0)));
        for (endpoint, other) in [
            (Endpoint::Chat, &embedding[..]),
            (Endpoint::Embedding, chat),
            (Endpoint::Tokenize, chat),
            (Endpoint::Chat, br#"{"choices":[]}"#),
            (Endpoint::Embedding, b"[]"),
        ] {
            assert!(tokens_of(endpoint, other).is_none(), "{endpoint:?}");
        }
    }

    #[test]
    fn no_more_tokens_of_a_whole_answer_are_delivered_than_its_text_has_bytes() {
        let body = |choices: &str| {
            format!(r#"{{"choices":[{choices}],"usage":{{"completion_tokens":4096}}}}"#).into_bytes()
        };
        let delivered = |choices: &str| tokens(Endpoint::Chat, &body(choices)).unwrap();
        let said = r#"{"message":{"content":"ok","reasoning_content":null,"tool_calls":null}}"#;
        assert_eq!(delivered(said), (4_096, 18));
        assert_eq!(delivered(&format!("{said},{said}")), (4_096, 36));
        assert_eq!(delivered(r#"{"text":"four"}"#), (4_096, 20));
        let call =
            r#"{"message":{"content":null,"tool_calls":[{"function":{"name":"now","arguments":"{}"}}]}}"#;
        assert_eq!(delivered(call), (4_096, 21));
    }
}

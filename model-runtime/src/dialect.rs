//! How a family writes its reasoning and its calls of tools into an answer, and a parser that takes the answer apart while it arrives.
//!
//! A parser never loses text: what looks like a call and is none comes out as text. What it holds back is bounded.

mod json_call;
mod tags;

use serde_json::Value;

use self::json_call::JsonCalls;
use self::tags::Tags;

/// Bytes of a call at most; a longer one is text.
pub const CALL_BYTES_MAX: usize = 1 << 16;

/// A family's way of writing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dialect {
    /// Whether answers may begin with reasoning between `<think>` and `</think>` (Qwen 3, DeepSeek's distillations).
    pub reasons: bool,
    /// How tools are called.
    pub calls: Calls,
}

/// How tools are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Calls {
    /// Not at all.
    #[default]
    None,
    /// `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`, as often as wanted and between texts (Hermes, Qwen 2.5 and 3).
    Tagged,
    /// The answer is `{"name": ..., "parameters": {...}}`, several divided by semicolons (Llama 3).
    Json,
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// For the user.
    Text(String),
    /// What the model thought before.
    Reasoning(String),
    /// A call, complete.
    Call(ToolCall),
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// The tool.
    pub name: String,
    /// A JSON object, as text.
    pub arguments: String,
}

impl Dialect {
    /// The dialect that a chat template teaches its model.
    #[must_use]
    pub fn of_template(template: &str) -> Self {
        let calls = if template.contains("<tool_call>") {
            Calls::Tagged
        } else if template.contains("\"parameters\": ") && template.contains("<|start_header_id|>") {
            Calls::Json
        } else {
            Calls::None
        };
        Self { reasons: template.contains("</think>"), calls }
    }

    /// Whether a prompt that the template made ends inside of the reasoning, so that the answer has no `<think>` of its own.
    #[must_use]
    pub fn begins_reasoning(&self, prompt: &str) -> bool {
        self.reasons && prompt.trim_end().ends_with("<think>")
    }
}

/// Takes an answer apart.
#[derive(Clone, Debug)]
pub struct AnswerParser {
    calls: Calls,
    tags: Tags,
    json: JsonCalls,
}

impl AnswerParser {
    /// A parser for one answer; `in_reasoning` as [`Dialect::begins_reasoning`] says.
    #[must_use]
    pub fn new(dialect: Dialect, in_reasoning: bool) -> Self {
        Self { calls: dialect.calls, tags: Tags::new(dialect, in_reasoning), json: JsonCalls::default() }
    }

    /// Takes the next text, gives what is certain.
    pub fn push(&mut self, text: &str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        self.tags.push(text, &mut pieces);
        self.through_json(pieces, false)
    }

    /// What was held back, once no more will come.
    pub fn finish(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        self.tags.finish(&mut pieces);
        self.through_json(pieces, true)
    }

    /// In Llama's dialect the text itself may be calls.
    fn through_json(&mut self, pieces: Vec<Piece>, last: bool) -> Vec<Piece> {
        if self.calls != Calls::Json {
            return pieces;
        }
        let mut out = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.json.push(&text, &mut out),
                other => out.push(other),
            }
        }
        if last {
            self.json.finish(&mut out);
        }
        out
    }
}

/// The call that a JSON object is, if it is one.
fn call(json: &str) -> Option<ToolCall> {
    let object: Value = serde_json::from_str(json).ok()?;
    let name = object.get("name")?.as_str()?.to_owned();
    let arguments = match object.get("arguments").or_else(|| object.get("parameters")) {
        None | Some(Value::Null) => "{}".to_owned(),
        Some(arguments @ Value::Object(_)) => arguments.to_string(),
        // Some models write the object as a text.
        Some(Value::String(text)) if text.trim_start().starts_with('{') => {
            serde_json::from_str::<Value>(text).ok()?;
            text.clone()
        }
        Some(_) => return None,
    };
    Some(ToolCall { name, arguments })
}

/// Appends text, to the last piece where that is of the same kind.
fn add(pieces: &mut Vec<Piece>, kind: fn(String) -> Piece, text: &str) {
    if text.is_empty() {
        return;
    }
    let same = |piece: &Piece| std::mem::discriminant(piece) == std::mem::discriminant(&kind(String::new()));
    match pieces.last_mut().filter(|piece| same(piece)) {
        Some(Piece::Text(last) | Piece::Reasoning(last)) => last.push_str(text),
        _ => pieces.push(kind(text.to_owned())),
    }
}

#[cfg(test)]
mod tests;

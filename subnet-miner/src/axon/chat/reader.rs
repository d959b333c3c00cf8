//! Reading one answer's text as it comes: what is said, what is thought, what is called. Pure but for the calls' ids.

use model_runtime::{AnswerParser, Piece};
use protocol::openai::{FinishReason as Named, ToolCall};
use protocol::receipt::FinishReason;
use serde_json::Value;

use crate::axon::request_id::random_hex;

/// Reads one answer.
pub(super) struct Reader {
    mode: Mode,
    parallel_calls: bool,
    calls: u32,
}

enum Mode {
    /// All is text.
    Text,
    /// As the model's family writes.
    Dialect(Box<AnswerParser>),
    /// All is one call: a JSON object of `name` and `arguments`.
    Call(String),
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Text(String),
    Reasoning(String),
    Call(u32, ToolCall),
}

impl Reader {
    pub fn text() -> Self {
        Self { mode: Mode::Text, parallel_calls: true, calls: 0 }
    }

    pub fn dialect(parser: AnswerParser, parallel_calls: bool) -> Self {
        Self { mode: Mode::Dialect(Box::new(parser)), parallel_calls, calls: 0 }
    }

    pub fn call() -> Self {
        Self { mode: Mode::Call(String::new()), parallel_calls: true, calls: 0 }
    }

    /// Takes the next text, gives what is certain.
    pub fn push(&mut self, text: &str) -> Vec<Said> {
        match &mut self.mode {
            Mode::Text => said_text(text.to_owned()),
            Mode::Dialect(parser) => {
                let pieces = parser.push(text);
                self.said(pieces)
            }
            Mode::Call(held) => {
                held.push_str(text);
                Vec::new()
            }
        }
    }

    /// What was held back, and what the end is called.
    pub fn finish(&mut self, reason: FinishReason) -> (Vec<Said>, Named) {
        let said = match &mut self.mode {
            Mode::Text => Vec::new(),
            Mode::Dialect(parser) => {
                let pieces = parser.finish();
                self.said(pieces)
            }
            Mode::Call(held) => {
                let text = std::mem::take(held);
                match forced_call(&text) {
                    Some((name, arguments)) => self.called(name, arguments),
                    // The limit cut it off. Nothing that was generated is withheld.
                    None => said_text(text),
                }
            }
        };
        let named = match reason {
            FinishReason::Length => Named::Length,
            _ if self.calls > 0 => Named::ToolCalls,
            _ => Named::Stop,
        };
        (said, named)
    }

    fn said(&mut self, pieces: Vec<Piece>) -> Vec<Said> {
        let one = |piece| match piece {
            Piece::Text(text) => said_text(text),
            Piece::Reasoning(text) => vec![Said::Reasoning(text)],
            Piece::Call(call) => self.called(call.name, call.arguments),
        };
        pieces.into_iter().flat_map(one).collect()
    }

    fn called(&mut self, name: String, arguments: String) -> Vec<Said> {
        if self.calls > 0 && !self.parallel_calls {
            return Vec::new();
        }
        let call = ToolCall::new(format!("call_{}", random_hex()), name, arguments);
        self.calls += 1;
        vec![Said::Call(self.calls - 1, call)]
    }
}

fn said_text(text: String) -> Vec<Said> {
    if text.is_empty() { Vec::new() } else { vec![Said::Text(text)] }
}

fn forced_call(text: &str) -> Option<(String, String)> {
    let call: Value = serde_json::from_str(text).ok()?;
    Some((call["name"].as_str()?.to_owned(), call.get("arguments")?.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model_runtime::Dialect;

    fn tagged() -> AnswerParser {
        AnswerParser::new(Dialect { reasons: true, calls: model_runtime::dialect::Calls::Tagged }, false)
    }

    /// Everything said, with the ids of calls left out.
    fn read(mut reader: Reader, texts: &[&str], reason: FinishReason) -> (Vec<String>, Named) {
        let mut said: Vec<Said> = texts.iter().flat_map(|text| reader.push(text)).collect();
        let (rest, named) = reader.finish(reason);
        said.extend(rest);
        let words = said.into_iter().map(|said| match said {
            Said::Text(text) => format!("text {text}"),
            Said::Reasoning(text) => format!("thought {text}"),
            Said::Call(index, ToolCall { id, function, .. }) => {
                assert!(id.starts_with("call_"));
                format!("call {index} {} {}", function.name, function.arguments)
            }
        });
        (words.collect(), named)
    }

    const CALLS: [&str; 4] = [
        "<think>so</think>Well. <tool",
        "_call>{\"name\":\"a\",\"arguments\":{\"x\":1}}</tool_call>",
        "<tool_call>{\"name\":\"b\",\"arguments\":{}}",
        "</tool_call>",
    ];

    #[test]
    fn reasoning_text_and_calls_are_told_apart_and_calls_name_the_end() {
        let (said, named) = read(Reader::dialect(tagged(), true), &CALLS, FinishReason::Stop);
        assert_eq!(said, ["thought so", "text Well.", r#"call 0 a {"x":1}"#, "call 1 b {}"]);
        assert_eq!(named, Named::ToolCalls);
    }

    #[test]
    fn one_call_is_enough_where_they_may_not_be_parallel() {
        let (said, _) = read(Reader::dialect(tagged(), false), &CALLS, FinishReason::Stop);
        assert_eq!(said.iter().filter(|said| said.starts_with("call")).count(), 1);
    }

    #[test]
    fn a_forced_call_is_a_call_when_it_is_whole_and_text_when_it_was_cut_off() {
        let whole =
            read(Reader::call(), &["{\"name\": \"f\", ", "\"arguments\": {\"a\": [1]}}"], FinishReason::Stop);
        assert_eq!(whole, (vec![r#"call 0 f {"a":[1]}"#.to_owned()], Named::ToolCalls));
        let cut = read(Reader::call(), &["{\"name\": \"f\", "], FinishReason::Length);
        assert_eq!(cut, (vec!["text {\"name\": \"f\", ".to_owned()], Named::Length));
    }

    #[test]
    fn a_text_under_a_grammar_is_left_as_it_is() {
        let said = read(Reader::text(), &["{\"a\":\"<think>\"}", ""], FinishReason::Stop);
        assert_eq!(said, (vec!["text {\"a\":\"<think>\"}".to_owned()], Named::Stop));
    }
}

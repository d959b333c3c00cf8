//! The same piece by piece: each block starts, grows, and stops, before the next begins.

use bytes::Bytes;
use protocol::openai::{ChatChunk, ErrorBody, FinishReason, ToolCallDelta, Usage};
use serde_json::{Value, json};

use super::written::{begun, stop_reason, thinking, written};
use crate::gateway::error::anthropic_error;
use crate::gateway::sse::{Framing, named};

/// Makes the events.
pub(super) struct MessageEvents {
    model: String,
    begun: bool,
    open: Option<Block>,
    blocks: u32,
    usage: Usage,
    finish_reason: Option<FinishReason>,
}

/// The block that grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Text,
    Thinking,
    /// The call's number in its answer.
    ToolUse(u32),
}

impl MessageEvents {
    pub fn new(model: String) -> Self {
        Self { model, begun: false, open: None, blocks: 0, usage: Usage::default(), finish_reason: None }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            let message = begun(&self.model, self.usage);
            out.extend(named("message_start", &json!({ "type": "message_start", "message": message })));
        }
    }

    fn start(&mut self, out: &mut Vec<u8>, block: Block, content_block: &Value) {
        self.stop(out);
        let event =
            json!({ "type": "content_block_start", "index": self.blocks, "content_block": content_block });
        out.extend(named("content_block_start", &event));
        self.open = Some(block);
    }

    fn grow(&self, out: &mut Vec<u8>, delta: &Value) {
        let event = json!({ "type": "content_block_delta", "index": self.blocks, "delta": delta });
        out.extend(named("content_block_delta", &event));
    }

    fn stop(&mut self, out: &mut Vec<u8>) {
        if self.open.take().is_some() {
            let event = json!({ "type": "content_block_stop", "index": self.blocks });
            out.extend(named("content_block_stop", &event));
            self.blocks += 1;
        }
    }

    fn text(&mut self, out: &mut Vec<u8>, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.open != Some(Block::Text) {
            self.start(out, Block::Text, &json!({ "type": "text", "text": "" }));
        }
        self.grow(out, &json!({ "type": "text_delta", "text": text }));
    }

    fn thought(&mut self, out: &mut Vec<u8>, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.open != Some(Block::Thinking) {
            self.start(out, Block::Thinking, &thinking(""));
        }
        self.grow(out, &json!({ "type": "thinking_delta", "thinking": text }));
    }

    fn call(&mut self, out: &mut Vec<u8>, piece: ToolCallDelta) {
        let ToolCallDelta { index, id, function, .. } = piece;
        if self.open != Some(Block::ToolUse(index)) {
            let block = json!({ "type": "tool_use", "id": id, "name": function.name, "input": {} });
            self.start(out, Block::ToolUse(index), &block);
        }
        if let Some(arguments) = function.arguments.filter(|arguments| !arguments.is_empty()) {
            self.grow(out, &json!({ "type": "input_json_delta", "partial_json": arguments }));
        }
    }
}

impl Framing for MessageEvents {
    fn chunk(&mut self, json: &Bytes) -> Bytes {
        let mut out = Vec::new();
        // The relay has parsed it already; what is no chunk has not come this far.
        if let Ok(chunk) = serde_json::from_slice::<ChatChunk>(json) {
            self.usage = chunk.usage.unwrap_or(self.usage);
            self.begin(&mut out);
            for choice in chunk.choices {
                self.finish_reason = choice.finish_reason.or(self.finish_reason);
                self.thought(&mut out, &choice.delta.reasoning_content.unwrap_or_default());
                self.text(&mut out, &choice.delta.content.unwrap_or_default());
                for call in choice.delta.tool_calls {
                    self.call(&mut out, call);
                }
            }
        }
        out.into()
    }

    fn done(&mut self) -> Bytes {
        let mut out = Vec::new();
        self.begin(&mut out);
        self.stop(&mut out);
        let delta = json!({ "stop_reason": stop_reason(self.finish_reason), "stop_sequence": null });
        let end = json!({ "type": "message_delta", "delta": delta, "usage": written(self.usage) });
        out.extend(named("message_delta", &end));
        out.extend(named("message_stop", &json!({ "type": "message_stop" })));
        out.into()
    }

    fn failed(&mut self, error: &ErrorBody) -> Bytes {
        named("error", &anthropic_error("api_error", &error.error.message)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::openai::{ChunkChoice, Delta, StreamHead, ToolCall};

    #[test]
    fn blocks_start_grow_and_stop_one_after_the_other() {
        let head = StreamHead { id: "chatcmpl-1".into(), created: 7, model: "m".into() };
        let [begin, rest] = Delta::call(0, ToolCall::new("call_1", "f", "{\"a\":1}"));
        let deltas =
            [Delta::first(), Delta::reasoning("hm"), Delta::text("Hi"), Delta::text("!"), begin, rest];
        let mut framing = MessageEvents::new("m".into());
        let mut chunks: Vec<ChatChunk> = Vec::new();
        for delta in deltas {
            let chunk = ChatChunk::choice(&head, ChunkChoice { delta, ..ChunkChoice::default() });
            chunks.push(ChatChunk { usage: Some(Usage::new(5, 0).with_details(2, 0)), ..chunk });
        }
        chunks.push(ChatChunk::finish(&head, FinishReason::ToolCalls));
        chunks.push(ChatChunk::usage(&head, Usage::new(5, 4).with_details(2, 1)));
        let mut frames: Vec<Bytes> =
            chunks.iter().map(|chunk| framing.chunk(&serde_json::to_vec(chunk).unwrap().into())).collect();
        frames.push(framing.done());
        let text = String::from_utf8(frames.concat()).unwrap();
        let events: Vec<Value> = text
            .split_terminator("\n\n")
            .map(|event| {
                let (name, data) = event.split_once("\ndata: ").unwrap();
                let data: Value = serde_json::from_str(data).unwrap();
                assert_eq!(format!("event: {}", data["type"].as_str().unwrap()), name);
                data
            })
            .collect();
        let names: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        let block = ["content_block_start", "content_block_delta", "content_block_stop"];
        let expected: Vec<&str> = std::iter::once("message_start")
            .chain(block)
            .chain([
                "content_block_start",
                "content_block_delta",
                "content_block_delta",
                "content_block_stop",
            ])
            .chain(block)
            .chain(["message_delta", "message_stop"])
            .collect();
        assert_eq!(names, expected);
        assert_eq!(events[0]["message"]["usage"]["input_tokens"], 3);
        assert_eq!(events[8]["content_block"]["name"], "f");
        assert_eq!(events[9]["delta"]["partial_json"], "{\"a\":1}");
        assert_eq!(events[11]["delta"]["stop_reason"], "tool_use");
        assert_eq!(events[11]["usage"]["output_tokens"], 4);
    }
}

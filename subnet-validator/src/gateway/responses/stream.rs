//! The same piece by piece: each item is added, grows, and is done, before the next begins.

use bytes::Bytes;
use protocol::openai::{ChatChunk, Delta, ErrorBody, FinishReason, ToolCallDelta, Usage};
use serde_json::{Value, json};

use super::written::{Outline, function_call, item_id, message, output_text, reasoning, reasoning_text};
use crate::gateway::sse::{Framing, named};

/// Makes the events.
pub(super) struct ResponseEvents {
    outline: Outline,
    begun: bool,
    sequence: u64,
    open: Option<Open>,
    done: Vec<Value>,
    usage: Option<Usage>,
    finish_reason: Option<FinishReason>,
}

/// The item that grows.
struct Open {
    id: String,
    kind: Kind,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Message,
    Reasoning,
    Call { index: u32, call_id: String, name: String },
}

impl Open {
    fn item(&self, status: &str) -> Value {
        let Self { id, kind, text } = self;
        match kind {
            Kind::Message => message(id, text, status),
            Kind::Reasoning => reasoning(id, text, status),
            Kind::Call { call_id, name, .. } => function_call(id, call_id, name, text, status),
        }
    }

    fn part(&self) -> Option<Value> {
        match self.kind {
            Kind::Message => Some(output_text(&self.text)),
            Kind::Reasoning => Some(reasoning_text(&self.text)),
            Kind::Call { .. } => None,
        }
    }

    /// The name of its events, and the key of its whole text in the last of them.
    fn names(&self) -> (&'static str, &'static str) {
        match self.kind {
            Kind::Message => ("response.output_text", "text"),
            Kind::Reasoning => ("response.reasoning_text", "text"),
            Kind::Call { .. } => ("response.function_call_arguments", "arguments"),
        }
    }
}

impl ResponseEvents {
    pub fn new(outline: Outline) -> Self {
        Self {
            outline,
            begun: false,
            sequence: 0,
            open: None,
            done: Vec::new(),
            usage: None,
            finish_reason: None,
        }
    }

    fn event(&mut self, out: &mut Vec<u8>, name: &str, mut fields: Value) {
        fields["type"] = name.into();
        fields["sequence_number"] = self.sequence.into();
        self.sequence += 1;
        out.extend(named(name, &fields));
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            let response = self.outline.begun();
            self.event(out, "response.created", json!({ "response": response }));
            self.event(out, "response.in_progress", json!({ "response": response }));
        }
    }

    /// Where an event of the open item belongs.
    fn place(&self, open: &Open) -> Value {
        let place = json!({ "item_id": open.id, "output_index": self.done.len() });
        match open.kind {
            Kind::Call { .. } => place,
            Kind::Message | Kind::Reasoning => {
                json!({ "item_id": open.id, "output_index": self.done.len(), "content_index": 0 })
            }
        }
    }

    fn add(&mut self, out: &mut Vec<u8>, kind: Kind) {
        self.close(out);
        let prefix = match kind {
            Kind::Message => "msg",
            Kind::Reasoning => "rs",
            Kind::Call { .. } => "fc",
        };
        let open = Open { id: item_id(prefix), kind, text: String::new() };
        let (output_index, item) = (self.done.len(), open.item("in_progress"));
        self.event(out, "response.output_item.added", json!({ "output_index": output_index, "item": item }));
        if let Some(part) = open.part() {
            let mut fields = self.place(&open);
            fields["part"] = part;
            self.event(out, "response.content_part.added", fields);
        }
        self.open = Some(open);
    }

    fn grow(&mut self, out: &mut Vec<u8>, piece: &str) {
        let Some(mut open) = self.open.take() else { return };
        open.text.push_str(piece);
        let mut fields = self.place(&open);
        fields["delta"] = piece.into();
        if open.kind == Kind::Message {
            fields["logprobs"] = json!([]);
        }
        self.event(out, &format!("{}.delta", open.names().0), fields);
        self.open = Some(open);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        let Some(open) = self.open.take() else { return };
        let (name, key) = open.names();
        let mut fields = self.place(&open);
        fields[key] = open.text.as_str().into();
        match &open.kind {
            Kind::Message => fields["logprobs"] = json!([]),
            Kind::Call { name, .. } => fields["name"] = name.as_str().into(),
            Kind::Reasoning => {}
        }
        self.event(out, &format!("{name}.done"), fields);
        if let Some(part) = open.part() {
            let mut fields = self.place(&open);
            fields["part"] = part;
            self.event(out, "response.content_part.done", fields);
        }
        let item = open.item("completed");
        let output_index = self.done.len();
        self.event(out, "response.output_item.done", json!({ "output_index": output_index, "item": item }));
        self.done.push(item);
    }

    fn text(&mut self, out: &mut Vec<u8>, kind: Kind, piece: &str) {
        if piece.is_empty() {
            return;
        }
        if self.open.as_ref().is_none_or(|open| open.kind != kind) {
            self.add(out, kind);
        }
        self.grow(out, piece);
    }

    fn call(&mut self, out: &mut Vec<u8>, piece: ToolCallDelta) {
        let ToolCallDelta { index, id, function, .. } = piece;
        let same = |open: &Open| matches!(open.kind, Kind::Call { index: open, .. } if open == index);
        if !self.open.as_ref().is_some_and(same) {
            let (call_id, name) = (id.unwrap_or_default(), function.name.unwrap_or_default());
            self.add(out, Kind::Call { index, call_id, name });
        }
        if let Some(arguments) = function.arguments.filter(|arguments| !arguments.is_empty()) {
            self.grow(out, &arguments);
        }
    }

    fn delta(&mut self, out: &mut Vec<u8>, delta: Delta) {
        let Delta { content, reasoning_content, tool_calls, .. } = delta;
        self.text(out, Kind::Reasoning, &reasoning_content.unwrap_or_default());
        self.text(out, Kind::Message, &content.unwrap_or_default());
        for call in tool_calls {
            self.call(out, call);
        }
    }
}

impl Framing for ResponseEvents {
    fn chunk(&mut self, json: &Bytes) -> Bytes {
        let mut out = Vec::new();
        self.begin(&mut out);
        // The relay has parsed it already; what is no chunk has not come this far.
        if let Ok(chunk) = serde_json::from_slice::<ChatChunk>(json) {
            self.usage = chunk.usage.or(self.usage);
            for choice in chunk.choices {
                self.finish_reason = choice.finish_reason.or(self.finish_reason);
                self.delta(&mut out, choice.delta);
            }
        }
        out.into()
    }

    fn done(&mut self) -> Bytes {
        let mut out = Vec::new();
        self.begin(&mut out);
        if self.open.is_none() && self.done.is_empty() {
            self.add(&mut out, Kind::Message);
        }
        self.close(&mut out);
        let response = self.outline.ended(self.done.clone(), self.finish_reason, self.usage);
        let name = if self.finish_reason == Some(FinishReason::Length) { "incomplete" } else { "completed" };
        self.event(&mut out, &format!("response.{name}"), json!({ "response": response }));
        out.into()
    }

    fn failed(&mut self, error: &ErrorBody) -> Bytes {
        let mut out = Vec::new();
        self.begin(&mut out);
        self.close(&mut out);
        let error = &error.error;
        let code = error.code.clone().unwrap_or_default();
        let response = self.outline.failed(self.done.clone(), &code, &error.message);
        self.event(&mut out, "response.failed", json!({ "response": response }));
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::ResponsesRequest;
    use super::*;
    use protocol::openai::{ChunkChoice, StreamHead, ToolCall};

    /// Names and fields of all events of an answer of these deltas.
    fn events(deltas: Vec<Delta>, finish_reason: FinishReason) -> Vec<(String, Value)> {
        let request = ResponsesRequest { model: "m".into(), ..ResponsesRequest::default() };
        let mut framing = ResponseEvents::new(Outline::of(&request, 7));
        let head = StreamHead { id: "chatcmpl-1".into(), created: 7, model: "m".into() };
        let mut chunks: Vec<ChatChunk> = deltas
            .into_iter()
            .map(|delta| ChatChunk::choice(&head, ChunkChoice { delta, ..ChunkChoice::default() }))
            .collect();
        chunks.push(ChatChunk::finish(&head, finish_reason));
        chunks.push(ChatChunk::usage(&head, Usage::new(3, 2)));
        let mut text = String::new();
        for chunk in chunks {
            let frame = framing.chunk(&serde_json::to_vec(&chunk).unwrap().into());
            text.push_str(std::str::from_utf8(&frame).unwrap());
        }
        text.push_str(std::str::from_utf8(&framing.done()).unwrap());
        let event = |event: &str| {
            let (name, data) = event.split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            let name = name.strip_prefix("event: ").unwrap();
            assert_eq!(data["type"], name);
            (name.to_owned(), data)
        };
        let events: Vec<(String, Value)> = text.split_terminator("\n\n").map(event).collect();
        for (number, (_, data)) in events.iter().enumerate() {
            assert_eq!(data["sequence_number"], number);
        }
        events
    }

    #[test]
    fn a_text_is_added_grows_and_is_done() {
        let events = events(vec![Delta::first(), Delta::text("Hi"), Delta::text("!")], FinishReason::Stop);
        let names: Vec<&str> =
            events.iter().map(|(name, _)| name.strip_prefix("response.").unwrap()).collect();
        assert_eq!(
            names,
            [
                "created",
                "in_progress",
                "output_item.added",
                "content_part.added",
                "output_text.delta",
                "output_text.delta",
                "output_text.done",
                "content_part.done",
                "output_item.done",
                "completed"
            ]
        );
        let response = &events.last().unwrap().1["response"];
        assert_eq!(response["output"][0]["content"][0]["text"], "Hi!");
        assert_eq!(
            (&response["status"], &response["usage"]["total_tokens"]),
            (&json!("completed"), &json!(5))
        );
    }

    #[test]
    fn thoughts_and_calls_are_items_of_their_own() {
        let [begin, rest] = Delta::call(0, ToolCall::new("call_1", "f", "{}"));
        let [second, more] = Delta::call(1, ToolCall::new("call_2", "g", "{\"a\":1}"));
        let deltas = vec![Delta::first(), Delta::reasoning("hm"), begin, rest, second, more];
        let events = events(deltas, FinishReason::ToolCalls);
        let output = events.last().unwrap().1["response"]["output"].as_array().unwrap().clone();
        let kinds: Vec<&str> = output.iter().map(|item| item["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["reasoning", "function_call", "function_call"]);
        assert_eq!((&output[2]["call_id"], &output[2]["arguments"]), (&json!("call_2"), &json!("{\"a\":1}")));
        let done = events.iter().filter(|(name, _)| name == "response.function_call_arguments.done");
        assert_eq!(done.map(|(_, data)| data["output_index"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn an_answer_cut_at_its_limit_is_incomplete() {
        let events = events(vec![Delta::first(), Delta::text("Hi")], FinishReason::Length);
        let (name, data) = events.last().unwrap();
        assert_eq!(name, "response.incomplete");
        assert_eq!(data["response"]["incomplete_details"]["reason"], "max_output_tokens");
    }
}

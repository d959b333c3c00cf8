//! Chat answers in one piece: a `chat.completion` object, its receipt in a header.

use axum::response::Response;
use protocol::openai::{
    AssistantMessage, ChatChoice, ChatCompletion, ChoiceLogprobs, FinishReason, TokenLogprobs, ToolCall,
};

use super::reader::{Reader, Said};
use crate::axon::AxonState;
use crate::axon::answer::{Answer, Step};
use crate::axon::error::AxonError;
use crate::axon::wire;

/// One answer as it grows.
struct Growing {
    reader: Reader,
    content: String,
    reasoning: String,
    calls: Vec<ToolCall>,
    logprobs: Vec<TokenLogprobs>,
    /// If they are to be named.
    token_ids: Option<Vec<u32>>,
    finish_reason: Option<FinishReason>,
}

pub(super) async fn respond(
    state: &AxonState,
    mut answer: Answer,
    readers: Vec<Reader>,
    names_tokens: bool,
) -> Result<Response, AxonError> {
    let mut growing: Vec<Growing> =
        readers.into_iter().map(|reader| Growing::new(reader, names_tokens)).collect();
    loop {
        match answer.next().await {
            Step::Text { choice, text, token, logprobs } => {
                let Some(one) = growing.get_mut(choice) else { continue };
                if let Some(ids) = &mut one.token_ids {
                    ids.push(token);
                }
                one.logprobs.extend(logprobs);
                let said = one.reader.push(&text);
                if said.iter().any(|said| matches!(said, Said::Reasoning(_))) {
                    answer.thought();
                }
                one.take(said);
            }
            Step::Ended { choice, reason } => {
                let Some(one) = growing.get_mut(choice) else { continue };
                let (said, named) = one.reader.finish(reason);
                one.take(said);
                one.finish_reason = Some(named);
            }
            Step::Finished => break,
            // Nobody waits for it.
            Step::Cancelled => return Err(AxonError::Generation),
            Step::Failed(error) => return Err(error),
        }
    }
    let choices = (0..).zip(growing).map(|(index, one)| one.into_choice(index)).collect();
    let completion = ChatCompletion {
        prompt_token_ids: names_tokens.then(|| answer.prompt_token_ids(0)),
        ..ChatCompletion::of(answer.head.clone(), choices, answer.usage())
    };
    let json = wire::json(&completion);
    answer.sent(&json);
    let reason = answer.finish_reason();
    wire::whole(state, json, answer.into_draft(reason)).await
}

impl Growing {
    fn new(reader: Reader, names_tokens: bool) -> Self {
        Self {
            reader,
            content: String::new(),
            reasoning: String::new(),
            calls: Vec::new(),
            logprobs: Vec::new(),
            token_ids: names_tokens.then(Vec::new),
            finish_reason: None,
        }
    }

    fn take(&mut self, said: Vec<Said>) {
        for said in said {
            match said {
                Said::Text(text) => self.content.push_str(&text),
                Said::Reasoning(text) => self.reasoning.push_str(&text),
                Said::Call(_, call) => self.calls.push(call),
            }
        }
    }

    fn into_choice(self, index: u32) -> ChatChoice {
        let Self { content, reasoning, calls, logprobs, token_ids, finish_reason, .. } = self;
        let reasoning = (!reasoning.is_empty()).then_some(reasoning);
        let only_calls = content.is_empty() && !calls.is_empty();
        let message = AssistantMessage {
            content: (!only_calls).then_some(content),
            reasoning: reasoning.clone(),
            reasoning_content: reasoning,
            tool_calls: calls,
            ..AssistantMessage::text("")
        };
        let logprobs = (!logprobs.is_empty()).then_some(ChoiceLogprobs { content: logprobs });
        ChatChoice { index, message, logprobs, finish_reason, token_ids }
    }
}

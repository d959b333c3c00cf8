//! `POST /v1/completions`: text that goes on from a prompt, whole or streamed.

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::response::Response;
use model_runtime::Prompt;
use protocol::openai::{
    CompletionRequest, Endpoint, FinishReason as Named, PromptText, StreamHead, Streaming, TextChoice,
    TextCompletion, TextLogprobs, TokenLogprobs, Usage, ValidCompletionRequest,
};
use protocol::receipt::FinishReason;

use super::AxonState;
use super::answer::{Answer, Asked, Step, generate_request, grammar, refused};
use super::error::AxonError;
use super::order::Order;
use super::wire::{self, Chunks, json};
use crate::models::Model;

pub(super) async fn complete(
    State(state): State<AxonState>,
    request: Request,
) -> Result<Response, AxonError> {
    let order = Order::admit(&state, Endpoint::Completion, request).await?;
    let request: CompletionRequest = order.parse()?;
    let request = request.validate().map_err(AxonError::Request)?;
    let (model, slot) = order.begin(&state, &request.model).await?;
    let Order { ticket, body, limits, hang_up, .. } = order;
    drop(body);

    let (streaming, names_tokens) = (request.stream, request.sampling.names_tokens);
    let begun = begun(&request, &model)?;
    let mut answer = Answer::begin(&model, ticket, ask(request), slot, limits).await?;
    let prompt_of = |choice: usize| names_tokens.then(|| answer.prompt_token_ids(choice));
    let texts = begun.into_iter().enumerate().map(|(choice, text)| Text {
        offset: chars(&text),
        begun: text,
        prompt_token_ids: prompt_of(choice),
        token_ids: names_tokens.then(Vec::new),
        ..Text::default()
    });
    let texts: Vec<Text> = texts.collect();
    if streaming.on {
        let chunks = TextChunks { head: answer.head.clone(), streaming, texts };
        return wire::streamed(&state, answer, chunks, hang_up).await;
    }
    let mut whole: Vec<TextChoice> = (0..)
        .zip(&texts)
        .map(|(index, text)| TextChoice { index, text: text.begun.clone(), ..TextChoice::default() })
        .collect();
    let mut texts = texts;
    loop {
        match answer.next().await {
            Step::Text { choice, text, token, logprobs } => {
                let (Some(one), Some(state)) = (whole.get_mut(choice), texts.get_mut(choice)) else {
                    continue;
                };
                one.text.push_str(&text);
                state.take(&text, token, logprobs);
            }
            Step::Ended { choice, reason } => {
                let (Some(one), Some(state)) = (whole.get_mut(choice), texts.get_mut(choice)) else {
                    continue;
                };
                one.logprobs = state.told.take();
                (one.token_ids, one.prompt_token_ids) =
                    (state.token_ids.take(), state.prompt_token_ids.take());
                one.finish_reason = Some(named(reason));
            }
            Step::Finished => break,
            // Nobody waits for it.
            Step::Cancelled => return Err(AxonError::Generation),
            Step::Failed(error) => return Err(error),
        }
    }
    let json = json(&TextCompletion::new(&answer.head, whole, Some(answer.usage())));
    answer.sent(&json);
    let reason = answer.finish_reason();
    wire::whole(&state, json, answer.into_draft(reason)).await
}

/// What each answer begins with: nothing, or its prompt.
fn begun(request: &ValidCompletionRequest, model: &Model) -> Result<Vec<String>, AxonError> {
    let mut texts = Vec::new();
    for prompt in &request.prompts {
        let text = match prompt {
            _ if !request.echo => String::new(),
            PromptText::Text(text) => text.clone(),
            PromptText::Tokens(tokens) => {
                let bytes = model.handle().detokenize(tokens).map_err(|error| refused(error, "prompt"))?;
                String::from_utf8_lossy(&bytes.concat()).into_owned()
            }
        };
        texts.extend((0..request.choices).map(|_| text.clone()));
    }
    Ok(texts)
}

fn ask(request: ValidCompletionRequest) -> Asked {
    let one = |prompt| {
        let prompt = match prompt {
            PromptText::Text(text) => Prompt::Text(text),
            PromptText::Tokens(tokens) => Prompt::Tokens(tokens),
        };
        generate_request(prompt, request.sampling.clone(), request.logprobs, grammar(request.form.clone()))
    };
    Asked {
        id_prefix: "cmpl-",
        form_param: request.form_param,
        requests: request.prompts.into_iter().map(one).collect(),
        choices: request.choices,
        completion_tokens_max: Some(request.completion_tokens_max),
        param: "prompt",
    }
}

/// One answer as it grows.
#[derive(Default)]
struct Text {
    begun: String,
    /// Characters so far.
    offset: u32,
    /// Of tokens that have not been told of yet.
    told: Option<TextLogprobs>,
    /// The same, if they are to be named.
    token_ids: Option<Vec<u32>>,
    /// Until they have been named.
    prompt_token_ids: Option<Vec<u32>>,
}

impl Text {
    fn take(&mut self, text: &str, token: u32, logprobs: Option<TokenLogprobs>) {
        if let Some(ids) = &mut self.token_ids {
            ids.push(token);
        }
        if let Some(TokenLogprobs { token, logprob, top_logprobs, .. }) = logprobs {
            let told = self.told.get_or_insert_default();
            let top: BTreeMap<String, f32> =
                top_logprobs.into_iter().map(|likely| (likely.token, likely.logprob)).collect();
            told.tokens.push(token);
            told.token_logprobs.push(logprob);
            told.top_logprobs.push(top);
            told.text_offset.push(self.offset);
        }
        self.offset = self.offset.saturating_add(chars(text));
    }
}

fn chars(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

fn named(reason: FinishReason) -> Named {
    Named::from_receipt(reason).unwrap_or(Named::Stop)
}

/// Makes the chunks of all answers.
struct TextChunks {
    head: StreamHead,
    streaming: Streaming,
    texts: Vec<Text>,
}

impl TextChunks {
    fn chunk(&self, answer: &Answer, choice: TextChoice) -> Vec<u8> {
        let usage: Option<Usage> = self.streaming.continuous_usage.then(|| answer.usage());
        json(&TextCompletion::new(&self.head, vec![choice], usage))
    }
}

impl Chunks for TextChunks {
    fn begin(&mut self, answer: &mut Answer) -> Vec<Vec<u8>> {
        let begun = (0..).zip(&self.texts).filter(|(_, text)| !text.begun.is_empty());
        let choice = |(index, text): (u32, &Text)| TextChoice {
            index,
            text: text.begun.clone(),
            ..TextChoice::default()
        };
        begun.map(|one| self.chunk(answer, choice(one))).collect()
    }

    fn step(&mut self, answer: &mut Answer, step: Step) -> Vec<Vec<u8>> {
        let (choice, text, finish_reason) = match step {
            Step::Text { choice, text, token, logprobs } => {
                if let Some(state) = self.texts.get_mut(choice) {
                    state.take(&text, token, logprobs);
                }
                if text.is_empty() {
                    return Vec::new();
                }
                (choice, text, None)
            }
            Step::Ended { choice, reason } => (choice, String::new(), Some(named(reason))),
            Step::Finished | Step::Cancelled | Step::Failed(_) => return Vec::new(),
        };
        let index = u32::try_from(choice).unwrap_or(u32::MAX);
        let mut piece = TextChoice { index, text, finish_reason, ..TextChoice::default() };
        if let Some(state) = self.texts.get_mut(choice) {
            piece.logprobs = state.told.take();
            piece.token_ids = state.token_ids.as_mut().map(std::mem::take).filter(|ids| !ids.is_empty());
            piece.prompt_token_ids = state.prompt_token_ids.take();
        }
        vec![self.chunk(answer, piece)]
    }

    fn end(&mut self, answer: &mut Answer) -> Vec<Vec<u8>> {
        let usage = || json(&TextCompletion::new(&self.head, Vec::new(), Some(answer.usage())));
        self.streaming.include_usage.then(usage).into_iter().collect()
    }
}

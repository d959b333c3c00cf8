//! Chat answers piece by piece.

use protocol::openai::{ChatChunk, ChoiceLogprobs, ChunkChoice, Delta, StreamHead, Streaming, TokenLogprobs};

use super::reader::{Reader, Said};
use crate::axon::answer::{Answer, Step};
use crate::axon::wire::{Chunks, json};

/// Makes the chunks of all answers.
pub(super) struct ChatChunks {
    head: StreamHead,
    streaming: Streaming,
    names_tokens: bool,
    choices: Vec<Choice>,
}

struct Choice {
    reader: Reader,
    /// Of tokens whose text has not been sent yet.
    logprobs: Vec<TokenLogprobs>,
    /// The same, if they are to be named.
    token_ids: Option<Vec<u32>>,
}

impl ChatChunks {
    pub fn new(head: StreamHead, readers: Vec<Reader>, streaming: Streaming, names_tokens: bool) -> Self {
        let choice = |reader| Choice { reader, logprobs: Vec::new(), token_ids: names_tokens.then(Vec::new) };
        let choices = readers.into_iter().map(choice).collect();
        Self { head, streaming, names_tokens, choices }
    }

    fn chunk(&self, answer: &Answer, choice: ChunkChoice) -> Vec<u8> {
        self.chunk_with(answer, choice, None)
    }

    fn chunk_with(&self, answer: &Answer, choice: ChunkChoice, prompt: Option<Vec<u32>>) -> Vec<u8> {
        let usage = self.streaming.continuous_usage.then(|| answer.usage());
        json(&ChatChunk { usage, prompt_token_ids: prompt, ..ChatChunk::choice(&self.head, choice) })
    }
}

impl Choice {
    /// What was said, as deltas; tokens' probabilities go with the first of them.
    fn deltas(&mut self, index: u32, said: Vec<Said>) -> Vec<ChunkChoice> {
        let deltas = said.into_iter().flat_map(|said| match said {
            Said::Text(text) => vec![Delta::text(text)],
            Said::Reasoning(text) => vec![Delta::reasoning(text)],
            Said::Call(call_index, call) => Delta::call(call_index, call).into(),
        });
        let deltas: Vec<Delta> = deltas.collect();
        deltas.into_iter().map(|delta| self.piece(index, delta)).collect()
    }

    fn piece(&mut self, index: u32, delta: Delta) -> ChunkChoice {
        let content = std::mem::take(&mut self.logprobs);
        let logprobs = (!content.is_empty()).then_some(ChoiceLogprobs { content });
        let token_ids = self.token_ids.as_mut().map(std::mem::take).filter(|ids| !ids.is_empty());
        ChunkChoice { index, delta, logprobs, finish_reason: None, token_ids }
    }
}

impl Chunks for ChatChunks {
    fn begin(&mut self, answer: &mut Answer) -> Vec<Vec<u8>> {
        let first = |index| ChunkChoice { index, delta: Delta::first(), ..ChunkChoice::default() };
        let indices = (0..).zip(&self.choices).map(|(index, _)| index);
        let prompt = |index: u32| (self.names_tokens && index == 0).then(|| answer.prompt_token_ids(0));
        indices.map(|index| self.chunk_with(answer, first(index), prompt(index))).collect()
    }

    fn step(&mut self, answer: &mut Answer, step: Step) -> Vec<Vec<u8>> {
        let pieces = match step {
            Step::Text { choice, text, token, logprobs } => {
                let Some(of_choice) = self.choices.get_mut(choice) else { return Vec::new() };
                of_choice.logprobs.extend(logprobs);
                if let Some(ids) = &mut of_choice.token_ids {
                    ids.push(token);
                }
                let said = of_choice.reader.push(&text);
                if said.iter().any(|said| matches!(said, Said::Reasoning(_))) {
                    answer.thought();
                }
                of_choice.deltas(number(choice), said)
            }
            Step::Ended { choice, reason } => {
                let Some(of_choice) = self.choices.get_mut(choice) else { return Vec::new() };
                let (said, named) = of_choice.reader.finish(reason);
                let mut pieces = of_choice.deltas(number(choice), said);
                let end = of_choice.piece(number(choice), Delta::default());
                pieces.push(ChunkChoice { finish_reason: Some(named), ..end });
                pieces
            }
            Step::Finished | Step::Cancelled | Step::Failed(_) => Vec::new(),
        };
        pieces.into_iter().map(|piece| self.chunk(answer, piece)).collect()
    }

    fn end(&mut self, answer: &mut Answer) -> Vec<Vec<u8>> {
        let usage = self.streaming.include_usage.then(|| json(&ChatChunk::usage(&self.head, answer.usage())));
        usage.into_iter().collect()
    }
}

fn number(choice: usize) -> u32 {
    u32::try_from(choice).unwrap_or(u32::MAX)
}

//! A model without weights, for tests of what surrounds a model: it answers with the words of the last user message.
//!
//! A token is a word with the space before it, so the answer's text is the message, byte for byte. Token `i` is the answer's word `i`, and
//! the token after the last word ends it. Sampling settings change nothing. All else is as with a real model: the queue, slots, limits,
//! stop strings, cancellation.

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::decoder::{ForwardError, Model, Rows, Step};
use crate::facts::ModelFacts;
use crate::runtime::Prompt;
use crate::tokenizer::{EncodedPrompt, Vocabulary};

/// The model. All it knows is in the tokens: after a token of the prompt comes word 0, after word `i` word `i + 1`, and the vocabulary
/// that was made for the request says which of them ends the answer.
#[derive(Debug, Default)]
pub(crate) struct Echo {
    logits: Vec<f32>,
}

/// Every token of a prompt: the one before word 0.
const PROMPT_TOKEN: u32 = u32::MAX;

impl Model for Echo {
    fn forward(&mut self, step: &Step<'_>) -> Result<Rows<'_>, ForwardError> {
        let wanted = step.parts.iter().flat_map(|part| &part.tokens[part.rows_from..]);
        let next: Vec<usize> = wanted.map(|token| token.wrapping_add(1) as usize).collect();
        let vocabulary = next.iter().max().map_or(0, |token| token + 1);
        self.logits.clear();
        self.logits.resize(next.len() * vocabulary, f32::NEG_INFINITY);
        for (token, row) in next.into_iter().zip(self.logits.chunks_exact_mut(vocabulary.max(1))) {
            row[token] = 0.0;
        }
        Ok(Rows { vocabulary, logits: &self.logits, hidden_width: 0, hidden: &[], places: &[] })
    }

    fn take_hidden(&mut self, emptied: Vec<f32>) -> Vec<f32> {
        emptied
    }
}

/// Words with the space before them; space at the end belongs to the last.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let word = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        let after = rest[word..].find(char::is_whitespace).map_or(rest.len(), |length| word + length);
        let end = if rest[after..].trim_start().is_empty() { rest.len() } else { after };
        let (piece, left) = rest.split_at(end);
        rest = left;
        (!piece.is_empty()).then_some(piece)
    })
}

pub(crate) fn encode(prompt: &Prompt) -> EncodedPrompt {
    let (prompt_words, said) = match prompt {
        Prompt::Text(text) => (words(text).count(), text.clone()),
        Prompt::Tokens(tokens) => {
            let numbers: Vec<String> = tokens.iter().map(ToString::to_string).collect();
            (tokens.len(), numbers.join(" "))
        }
        Prompt::Chat(messages) => {
            let last = messages.iter().rev().find(|message| message.role == "user");
            let count = messages.iter().map(|message| words(&message.content).count()).sum();
            (count, last.map(|message| message.content.clone()).unwrap_or_default())
        }
        Prompt::Conversation(conversation) => {
            let texts = || {
                conversation.messages.iter().map(|message| (&message["role"], message["content"].as_str()))
            };
            let count = texts().map(|(_, text)| words(text.unwrap_or_default()).count()).sum();
            let last = texts().rfind(|(role, _)| *role == "user").and_then(|(_, text)| text);
            (count, last.unwrap_or_default().to_owned())
        }
    };
    let pieces: Vec<Vec<u8>> = words(&said).map(|word| word.as_bytes().to_vec()).collect();
    let end = pieces.len() as u32;
    let vocabulary = Vocabulary::new(pieces.into_iter().chain([Vec::new()]), BTreeSet::from([end]));
    EncodedPrompt { tokens: vec![PROMPT_TOKEN; prompt_words], vocabulary: Arc::new(vocabulary) }
}

pub(crate) fn facts(id: &str, context_tokens: u32) -> ModelFacts {
    ModelFacts {
        id: id.to_owned(),
        architecture: "echo".to_owned(),
        parameters: 0,
        memory_bytes: 0,
        context_tokens,
        vocabulary_tokens: 0,
        end_tokens: Vec::new(),
        weights_sha256: Sha256::digest([]).into(),
        device: "none".to_owned(),
        load_ms: 0,
    }
}

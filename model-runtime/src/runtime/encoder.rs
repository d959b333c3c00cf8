//! The text side of a loaded model: it lives with the handles, so that a prompt is encoded while the model computes for others.

use std::sync::OnceLock;

use crate::arch::EncodedPrompt;
use crate::chat_template::ChatTemplate;
use crate::echo;
use crate::grammar::{Constraint, Grammar, GrammarError, Grammars};
use crate::runtime::request::{GenerateError, Prompt};
use crate::tokenizer::Tokenizer;

#[derive(Debug)]
pub(crate) enum Encoder {
    Model(Box<TextSide>),
    Echo,
}

/// What a model with weights needs to know of text.
#[derive(Debug)]
pub(crate) struct TextSide {
    pub(crate) tokenizer: Tokenizer,
    pub(crate) template: Option<ChatTemplate>,
    pub(crate) vocabulary_tokens: u32,
    /// Made when the first answer of a given form is asked for.
    pub(crate) grammars: OnceLock<Result<Grammars, GrammarError>>,
}

impl Encoder {
    pub(crate) fn encode(
        &self,
        prompt: &Prompt,
        context_tokens: u32,
    ) -> Result<EncodedPrompt, GenerateError> {
        let encoded = match self {
            Self::Echo => echo::encode(prompt),
            Self::Model(text_side) => text_side.encode(prompt, context_tokens)?,
        };
        match encoded.tokens.len() {
            0 => Err(GenerateError::EmptyPrompt),
            tokens if tokens >= context_tokens as usize => Err(too_long(tokens, context_tokens)),
            _ => Ok(encoded),
        }
    }

    pub(crate) fn constraint(&self, grammar: &Grammar) -> Result<Constraint, GrammarError> {
        match self {
            Self::Echo => {
                Err(GrammarError::Unsupported("an echo has the form of what it repeats".to_owned()))
            }
            Self::Model(text_side) => {
                let vocabulary = text_side.tokenizer.vocabulary();
                let grammars = text_side.grammars.get_or_init(|| Grammars::new(vocabulary));
                grammars.as_ref().map_err(Clone::clone)?.constraint(grammar)
            }
        }
    }

    pub(crate) fn count(&self, text: &str) -> Result<u32, GenerateError> {
        let tokens = match self {
            Self::Echo => echo::words(text).count(),
            Self::Model(text_side) => text_side.tokenizer.encode(text)?.len(),
        };
        Ok(u32::try_from(tokens).unwrap_or(u32::MAX))
    }
}

impl TextSide {
    fn encode(&self, prompt: &Prompt, context_tokens: u32) -> Result<EncodedPrompt, GenerateError> {
        let tokens = match prompt {
            Prompt::Chat(messages) if messages.is_empty() => return Err(GenerateError::EmptyPrompt),
            Prompt::Chat(messages) => {
                let template = self.template.as_ref().ok_or(GenerateError::NoChatTemplate)?;
                encode_text(&self.tokenizer, &template.render(messages)?, context_tokens)?
            }
            Prompt::Text(text) => encode_text(&self.tokenizer, text, context_tokens)?,
            Prompt::Tokens(tokens) => known(tokens, self.vocabulary_tokens)?,
        };
        Ok(EncodedPrompt { tokens, vocabulary: self.tokenizer.vocabulary().clone() })
    }
}

/// Refuses a huge text before it costs anything.
fn encode_text(tokenizer: &Tokenizer, text: &str, context_tokens: u32) -> Result<Vec<u32>, GenerateError> {
    let tokens_min = tokenizer.tokens_min(text.len());
    if tokens_min >= context_tokens as usize {
        return Err(too_long(tokens_min, context_tokens));
    }
    Ok(tokenizer.encode(text)?)
}

fn known(tokens: &[u32], vocabulary_tokens: u32) -> Result<Vec<u32>, GenerateError> {
    match tokens.iter().find(|token| **token >= vocabulary_tokens) {
        Some(&token) => Err(GenerateError::UnknownToken { token, vocabulary_tokens }),
        None => Ok(tokens.to_vec()),
    }
}

fn too_long(tokens: usize, context_tokens: u32) -> GenerateError {
    GenerateError::PromptTooLong { prompt_tokens: tokens as u64, context_tokens }
}

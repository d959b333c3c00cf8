//! The text side of a loaded model: it lives with the handles, so that a prompt is encoded while the model computes for others.

use std::sync::OnceLock;

use super::generation::Form;
use crate::chat_template::ChatTemplate;
use crate::dialect::{Calls, Dialect};
use crate::echo;
use crate::embedder::Embedder;
use crate::grammar::{Constraint, Grammar, GrammarError, Grammars};
use crate::runtime::request::{GenerateError, Prompt};
use crate::tokenizer::{EncodedPrompt, Tokenizer};

#[derive(Debug)]
pub(crate) enum Encoder {
    Model(Box<TextSide>),
    Embedder(Box<Embedder>),
    Echo,
}

/// A prompt in tokens, and what its answer will be written in.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) prompt: EncodedPrompt,
    pub(crate) form: Form,
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
    pub(crate) fn encode(&self, prompt: &Prompt, context_tokens: u32) -> Result<Encoded, GenerateError> {
        let encoded = match self {
            Self::Echo => {
                Encoded::new(echo::encode(prompt), Dialect { reasons: false, calls: Calls::Tagged }, false)
            }
            Self::Embedder(_) => return Err(GenerateError::NoText),
            Self::Model(text_side) => text_side.encode(prompt, context_tokens)?,
        };
        match encoded.prompt.tokens.len() {
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
            Self::Embedder(_) => Err(GrammarError::Unsupported("the model makes no text".to_owned())),
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
            Self::Embedder(embedder) => embedder.tokenize(text)?.len(),
            Self::Model(text_side) => text_side.tokenizer.encode(text)?.len(),
        };
        Ok(u32::try_from(tokens).unwrap_or(u32::MAX))
    }

    /// The tokens of a prompt, with those that the model wants around a text or without them.
    pub(crate) fn tokens(&self, prompt: &Prompt, special: bool) -> Result<Vec<u32>, GenerateError> {
        match (self, prompt) {
            (Self::Echo, _) => Err(GenerateError::NoVocabulary),
            (Self::Embedder(embedder), Prompt::Text(text)) => Ok(embedder.tokenize(text)?),
            (Self::Embedder(_), _) => Err(GenerateError::NoText),
            (Self::Model(text_side), _) => {
                let mut tokens = text_side.encode(prompt, u32::MAX)?.prompt.tokens;
                let added = tokens.first().is_some_and(|first| text_side.tokenizer.bos() == Some(*first));
                if added && !special && matches!(prompt, Prompt::Text(_)) {
                    tokens.remove(0);
                }
                Ok(tokens)
            }
        }
    }

    /// The bytes that tokens show, one after the other; control tokens are written out.
    pub(crate) fn bytes(&self, tokens: &[u32]) -> Result<Vec<Vec<u8>>, GenerateError> {
        let Self::Model(text_side) = self else { return Err(GenerateError::NoVocabulary) };
        let tokenizer = &text_side.tokenizer;
        let one = |token: u32| match tokenizer.vocabulary().bytes(token) {
            [] => tokenizer.text(token).into_bytes(),
            bytes => bytes.to_vec(),
        };
        known(tokens, text_side.vocabulary_tokens).map(|tokens| tokens.into_iter().map(one).collect())
    }
}

impl TextSide {
    fn encode(&self, prompt: &Prompt, context_tokens: u32) -> Result<Encoded, GenerateError> {
        let template = || self.template.as_ref().ok_or(GenerateError::NoChatTemplate);
        let (mut dialect, mut in_reasoning) = (Dialect::default(), false);
        let tokens = match prompt {
            Prompt::Conversation(conversation) if conversation.messages.is_empty() => {
                return Err(GenerateError::EmptyPrompt);
            }
            Prompt::Conversation(conversation) => {
                let template = template()?;
                let text = template.render_conversation(conversation)?;
                dialect = template.dialect(!conversation.tools.is_empty());
                in_reasoning = dialect.begins_reasoning(&text);
                encode_text(&self.tokenizer, &text, context_tokens)?
            }
            Prompt::Chat(messages) if messages.is_empty() => return Err(GenerateError::EmptyPrompt),
            Prompt::Chat(messages) => {
                encode_text(&self.tokenizer, &template()?.render(messages)?, context_tokens)?
            }
            Prompt::Text(text) => encode_text(&self.tokenizer, text, context_tokens)?,
            Prompt::Tokens(tokens) => known(tokens, self.vocabulary_tokens)?,
        };
        let prompt = EncodedPrompt { tokens, vocabulary: self.tokenizer.vocabulary().clone() };
        Ok(Encoded::new(prompt, dialect, in_reasoning))
    }
}

impl Encoded {
    fn new(prompt: EncodedPrompt, dialect: Dialect, in_reasoning: bool) -> Self {
        let form = Form { vocabulary: prompt.vocabulary.clone(), dialect, in_reasoning };
        Self { prompt, form }
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

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::mpsc;

use crate::dialect::{AnswerParser, Dialect};
use crate::engine::ingress::Event;
use crate::tokenizer::Vocabulary;

/// The stream of one answer. Dropping it stops the work: at once while the request waits, within a turn while it runs.
#[derive(Debug)]
pub struct Generation {
    events: mpsc::Receiver<Event>,
    prompt_token_ids: Arc<[u32]>,
    form: Form,
    enough: Arc<AtomicBool>,
    over: bool,
}

/// What an answer is written in.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) vocabulary: Arc<Vocabulary>,
    pub(crate) dialect: Dialect,
    /// Whether the prompt ends inside of the reasoning.
    pub(crate) in_reasoning: bool,
}

impl Generation {
    pub(super) fn new(
        events: mpsc::Receiver<Event>,
        prompt_token_ids: Arc<[u32]>,
        form: Form,
        enough: Arc<AtomicBool>,
    ) -> Self {
        Self { events, prompt_token_ids, form, enough, over: false }
    }

    /// Lets the answer end with its next token, as if that were the last that it may have; for who has no more time for it. What is said
    /// until then is told as always, and a request that still waits goes on waiting for that token.
    pub fn end_soon(&self) {
        self.enough.store(true, Ordering::Relaxed);
    }

    /// Tokens of the prompt.
    #[must_use]
    pub fn prompt_tokens(&self) -> u32 {
        self.prompt_token_ids.len() as u32
    }

    /// The prompt's tokens, after the chat template.
    #[must_use]
    pub fn prompt_token_ids(&self) -> &[u32] {
        &self.prompt_token_ids
    }

    /// Takes this answer's text apart: reasoning, calls of tools, and the rest.
    #[must_use]
    pub fn parser(&self) -> AnswerParser {
        AnswerParser::new(self.form.dialect, self.form.in_reasoning)
    }

    /// The bytes that a token of this answer shows; none for one that ends it.
    #[must_use]
    pub fn token_bytes(&self, token: u32) -> &[u8] {
        self.form.vocabulary.bytes(token)
    }
}

impl Stream for Generation {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        if self.over {
            return Poll::Ready(None);
        }
        let event = match self.events.poll_recv(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(event)) => event,
            Poll::Ready(None) => Event::Failed("the model's thread is gone".to_owned()),
        };
        self.over = !matches!(event, Event::Token { .. });
        Poll::Ready(Some(event))
    }
}

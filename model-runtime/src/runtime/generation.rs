use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::mpsc;

use crate::engine::ingress::Event;

/// The stream of one answer. Dropping it stops the work: at once while the request waits, within a turn while it runs.
#[derive(Debug)]
pub struct Generation {
    events: mpsc::Receiver<Event>,
    prompt_tokens: u32,
    over: bool,
}

impl Generation {
    pub(super) fn new(events: mpsc::Receiver<Event>, prompt_tokens: u32) -> Self {
        Self { events, prompt_tokens, over: false }
    }

    /// Tokens of the prompt.
    #[must_use]
    pub fn prompt_tokens(&self) -> u32 {
        self.prompt_tokens
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

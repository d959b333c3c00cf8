//! One probe from its words to the call as it was settled.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use model_runtime::ModelHandle;
use protocol::digest::Digest;
use protocol::openai::{ChatRequest, Endpoint};
use protocol::ticket::ModelId;

use super::Case;
use super::probe::{self, Shape};
use crate::fleet::Fleet;
use crate::fleet::call::{Answer, Call};
use crate::fleet::relay::RelayEvent;
use crate::fleet::selector::Selection;
use crate::metrics::{Asked, Came, Metrics};

/// A probe to be sent.
pub(super) struct Asking {
    pub(super) fleet: Fleet,
    /// Thinks up the words.
    pub(super) own: ModelHandle,
    pub(super) model: ModelId,
    /// A body that wants words.
    pub(super) shape: Shape,
    /// Tokens of the words, at most.
    pub(super) prompt_tokens_max: u32,
    pub(super) draw: u64,
    pub(super) metrics: Arc<Metrics>,
}

impl Asking {
    /// Sends it and waits for its answer. `None` if there is nothing to look at.
    pub(super) async fn ask(self) -> Option<Case> {
        let words = self.shape.think_up(&self.own, self.draw, self.prompt_tokens_max).await.ok()?;
        let body = Bytes::from(self.shape.say(&words));
        let request: ChatRequest = serde_json::from_slice(&body).ok()?;
        let request = request.validate().ok()?;
        let call = Call {
            endpoint: Endpoint::Chat,
            models: Selection::one(self.model),
            body: body.clone(),
            stream: request.stream.on,
            prompts: 1,
            answers: 1,
            completion_tokens_max: request.completion_tokens_max,
            payer: probe::payer(self.draw),
            request_id: format!("req_{:016x}{:016x}", super::draw(), super::draw()),
        };
        self.metrics.challenged(Asked::Probe, Came::Sent);
        // Before the call, so that its end is not missed.
        let mut settled = self.fleet.settled();
        let mut output = Vec::new();
        let mut take = |chunk: &[u8]| {
            output.extend_from_slice(chunk);
            output.push(b'\n');
        };
        match self.fleet.call(&call).await {
            Ok(Answer::Whole(bytes)) => take(&bytes),
            Ok(Answer::Stream(mut events)) => {
                while let Some(event) = events.next().await {
                    match event {
                        RelayEvent::Chunk(chunk) => take(&chunk),
                        RelayEvent::Done => break,
                        RelayEvent::Waiting { .. } => {}
                        RelayEvent::Failed(_) | RelayEvent::Refused(_) => {
                            self.metrics.challenged(Asked::Probe, Came::Missed);
                            return None;
                        }
                    }
                }
            }
            Err(error) => {
                self.metrics.challenged(Asked::Probe, Came::Missed);
                tracing::debug!(error = &error as &dyn std::error::Error, "a probe was not answered");
                return None;
            }
        }
        let named = (Digest::of(&body), Digest::of(&output));
        while let Ok(found) = settled.try_recv() {
            let call = found.call;
            if (call.ticket().request_sha256, call.observation().output_sha256) == named {
                return call.counts().then_some(Case { call, request: body, output: Some(output) });
            }
        }
        None
    }
}

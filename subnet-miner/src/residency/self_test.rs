//! A few tokens of a model that has just been loaded: what does not answer must not be offered.

use std::time::Duration;

use futures::StreamExt;
use model_runtime::{Event, GenerateError, GenerateRequest, ModelHandle, Prompt};

const TOKENS: u32 = 4;
const PROMPT: &str = "Say hello.";

/// Why a model is not offered.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    /// It took no request.
    #[error("it took no request")]
    Refused(#[source] GenerateError),
    /// It stopped in the middle.
    #[error("it failed: {0}")]
    Failed(String),
    /// It ended before its first token.
    #[error("it gave no token")]
    Nothing,
    /// It takes too long.
    #[error("it gave no answer within {ms_max} ms")]
    Slow {
        /// The limit.
        ms_max: u128,
    },
    /// Text where vectors are offered.
    #[error("it makes no embeddings, and is offered for them")]
    NoEmbeddings,
}

/// Asks for a few tokens.
pub(super) async fn run(model: &ModelHandle, embeds: bool, time: Duration) -> Result<(), SelfTestError> {
    let slow = |_| SelfTestError::Slow { ms_max: time.as_millis() };
    tokio::time::timeout(time, ask(model, embeds)).await.map_err(slow)?
}

async fn ask(model: &ModelHandle, embeds: bool) -> Result<(), SelfTestError> {
    if embeds {
        return Err(SelfTestError::NoEmbeddings);
    }
    let generate = |prompt| model.generate(GenerateRequest::greedy(prompt, TOKENS));
    let mut answer = match generate(Prompt::user(PROMPT)).await {
        // A base model knows no chats.
        Err(GenerateError::NoChatTemplate) => generate(Prompt::Text(PROMPT.to_owned())).await,
        other => other,
    }
    .map_err(SelfTestError::Refused)?;
    while let Some(event) = answer.next().await {
        match event {
            Event::Token { .. } => {}
            Event::Failed(reason) => return Err(SelfTestError::Failed(reason)),
            Event::Finished(finished) if finished.completion_tokens > 0 => return Ok(()),
            Event::Finished(_) => break,
        }
    }
    Err(SelfTestError::Nothing)
}

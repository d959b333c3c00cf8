//! Doing a call again: one pass over its prompt and its answer's tokens, and the comparison with what its miner committed to.

use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use model_runtime::{
    Event, GenerateError, GenerateRequest, HiddenSink, Message, ModelHandle, Prompt, Sampling,
};
use protocol::evidence::{Fault, NotRepeatable, is_improbable, repeatable};
use protocol::fingerprint::{
    Chunk, Comparison, Fingerprint, FingerprintBuilder, Thresholds, Verdict, bfloat16_bits,
};
use protocol::openai::ValidChatRequest;
use serde_json::Value;

/// A greedy token may be this much less likely than the likeliest, by the natural logarithm: more than two computations of one model
/// differ by.
const GREEDY_GAP_MAX: f32 = 2.0;
/// A drawn token may be this much less likely, at temperature 1.
const DRAWN_GAP_MAX: f32 = 12.0;

/// A call as it is to be executed again.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'c> {
    /// The request's body.
    pub request: &'c [u8],
    /// The answer as delivered, each JSON text and a line feed; `None` if it was not kept.
    pub output: Option<&'c [u8]>,
    /// Tokens of the prompt, by the receipt.
    pub prompt_tokens: u32,
    /// Tokens of the answer, by the receipt.
    pub completion_tokens: u32,
    /// What the receipt names.
    pub fingerprint: Option<&'c Fingerprint>,
}

/// What doing it again gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// Own states against the fingerprint's; `None` if they cannot be compared.
    pub comparison: Option<Comparison>,
    /// Tokens that the model would hardly have said.
    pub improbable_tokens: u32,
    /// The first thing that is wrong.
    pub fault: Option<Fault>,
}

/// Why a call was not executed again. Says nothing about its miner.
#[derive(Debug, thiserror::Error)]
pub enum ExecutionError {
    /// Not a request of the kind that is understood here.
    #[error("the request has a form that is not executed again")]
    Form(#[from] NotRepeatable),
    /// Our own model took no request.
    #[error("our own model does not take the request")]
    Generate(#[from] GenerateError),
    /// Our own model failed.
    #[error("our own model failed: {0}")]
    Model(String),
}

/// What a run gives.
struct Run {
    prompt_tokens: u32,
    text: String,
    tokens: usize,
    improbable: u32,
    chunks: Vec<Chunk>,
}

/// Executes a call again with one's own copy of the model.
///
/// # Errors
/// When the request's form is not understood, or the own model does not answer.
pub async fn execute(model: &ModelHandle, claim: Claim<'_>) -> Result<Execution, ExecutionError> {
    let request = repeatable(claim.request)?;
    let fault = |fault| Execution { comparison: None, improbable_tokens: 0, fault: Some(fault) };
    let Some(fingerprint) = claim.fingerprint else { return Ok(fault(Fault::NoFingerprint)) };
    if u32::try_from(fingerprint.tokens().len()) != Ok(claim.completion_tokens) {
        return Ok(fault(Fault::TokenCount));
    }
    let run = match run(model, request, fingerprint.tokens().to_vec()).await {
        // A token that the model does not have spells nothing.
        Err(ExecutionError::Generate(GenerateError::UnknownToken { .. })) => return Ok(fault(Fault::Text)),
        run => run?,
    };
    let comparison = fingerprint.compare(&run.chunks);
    let different =
        |comparison: &Comparison| comparison.verdict(&Thresholds::default()) == Verdict::Different;
    let fault = if run.prompt_tokens != claim.prompt_tokens {
        Some(Fault::PromptLength { found: run.prompt_tokens })
    } else if run.tokens != fingerprint.tokens().len()
        || claim.output.is_some_and(|output| !is_spelled(output, &run.text))
    {
        Some(Fault::Text)
    } else if let Some(comparison) = comparison.clone().filter(different) {
        Some(Fault::States(comparison))
    } else {
        is_improbable(run.improbable.into(), claim.completion_tokens.into())
            .then_some(Fault::Improbable { tokens: run.improbable })
    };
    Ok(Execution { comparison, improbable_tokens: run.improbable, fault })
}

async fn run(
    model: &ModelHandle,
    request: ValidChatRequest,
    dictated: Vec<u32>,
) -> Result<Run, ExecutionError> {
    let builder = Arc::new(Mutex::new(FingerprintBuilder::default()));
    let listening = Arc::clone(&builder);
    let sink = HiddenSink::new(move |_, state: &[f32]| {
        let mut builder = listening.lock().unwrap_or_else(PoisonError::into_inner);
        builder.push(state.iter().map(|value| bfloat16_bits(value.to_bits())));
    });
    let temperature = request.sampling.temperature.unwrap_or(1.0);
    let gap_max = if temperature == 0.0 { GREEDY_GAP_MAX } else { DRAWN_GAP_MAX * temperature.max(1.0) };
    let message = |message: protocol::openai::ValidMessage| Message {
        role: message.role.as_str().to_owned(),
        content: message.content,
    };
    let prompt = Prompt::Chat(request.messages.into_iter().map(message).collect());
    let tokens_max = u32::try_from(dictated.len()).unwrap_or(u32::MAX);
    let mut generation = model
        .generate(GenerateRequest {
            dictated,
            hidden: Some(sink),
            stop: request.sampling.stop,
            sampling: Sampling { logprobs: Some(1), ..Sampling::greedy() },
            ..GenerateRequest::greedy(prompt, tokens_max)
        })
        .await?;
    let prompt_tokens = generation.prompt_tokens();
    let (mut text, mut tokens, mut improbable) = (String::new(), 0, 0_u32);
    while let Some(event) = generation.next().await {
        match event {
            Event::Token { text: more, logprobs, .. } => {
                text.push_str(&more);
                tokens += 1;
                let gap = logprobs.and_then(|told| Some(told.top.first()?.1 - told.drawn));
                improbable += u32::from(gap.is_none_or(|gap| gap > gap_max));
            }
            Event::Finished(_) => break,
            Event::Failed(error) => return Err(ExecutionError::Model(error)),
        }
    }
    let chunks = builder.lock().unwrap_or_else(PoisonError::into_inner).take_last();
    Ok(Run { prompt_tokens, text, tokens, improbable, chunks })
}

/// Whether the delivered answer says this text. Where reasoning was delivered apart from it, each must be a part of the text.
fn is_spelled(output: &[u8], text: &str) -> bool {
    let (mut content, mut reasoning) = (String::new(), String::new());
    for line in output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Ok(json) = serde_json::from_slice::<Value>(line) else { return false };
        let Some(choice) = json["choices"].get(0) else { continue };
        let said = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
        content.push_str(said["content"].as_str().unwrap_or_default());
        reasoning.push_str(said["reasoning_content"].as_str().unwrap_or_default());
    }
    if reasoning.is_empty() { content == text } else { text.contains(&content) && text.contains(&reasoning) }
}

#[cfg(test)]
mod tests {
    use super::is_spelled;

    #[test]
    fn an_answer_is_spelled_by_its_text_whole_and_in_pieces() {
        let whole = br#"{"choices":[{"message":{"content":"one two"}}]}"#;
        assert!(is_spelled(whole, "one two") && !is_spelled(whole, "one"));
        let pieces = b"{\"choices\":[{\"delta\":{\"content\":\"one\"}}]}\n{\"choices\":[{\"delta\":{\"content\":\" two\"}}]}\n{\"choices\":[],\"usage\":{}}\n";
        assert!(is_spelled(pieces, "one two") && !is_spelled(pieces, "one two three"));
        let apart = br#"{"choices":[{"message":{"content":"b","reasoning_content":"a"}}]}"#;
        assert!(is_spelled(apart, "<think>a</think>b") && !is_spelled(apart, "<think>c</think>b"));
        assert!(!is_spelled(b"nonsense", ""));
    }
}

//! Answers with what fingerprints are made from.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use model_runtime::{
    DeviceChoice, Event, GenerateRequest, HiddenSink, ModelHandle, ModelSource, Prompt, Runtime,
    RuntimeConfig, Sampling,
};
use protocol::fingerprint::{Chunk, Fingerprint, FingerprintBuilder, bfloat16_bits};

use crate::Failure;

/// What one run of a model gives.
pub struct Run {
    pub tokens: Vec<u32>,
    pub chunks: Vec<Chunk>,
    /// Tokens more than 2 (greedy) below the likeliest.
    pub improbable: usize,
}

const WORDS: [&str; 16] = [
    "rivers",
    "bread",
    "the moon",
    "a bicycle",
    "chess",
    "volcanoes",
    "a violin",
    "old maps",
    "glass",
    "bees",
    "a bridge",
    "snow",
    "letters",
    "the sea",
    "a clock",
    "trees",
];

/// Each number's own, up to 48.
pub fn prompt(number: usize) -> String {
    let word = WORDS[number % WORDS.len()];
    match number / WORDS.len() % 3 {
        0 => format!("Tell me in some detail how {word} came to be what they are, and why people care."),
        1 => format!("Write a short story about {word} and a child who asks too many questions."),
        _ => format!("List five facts about {word}, and explain the third one to a beginner."),
    }
}

/// A runtime for so many answers at once, on so many threads of the processor or all.
pub fn start(device: DeviceChoice, threads: Option<usize>, slots: usize) -> Result<Runtime, Failure> {
    let threads = threads.and_then(NonZeroUsize::new);
    let slots = NonZeroUsize::new(slots).ok_or("a batch has at least one answer")?;
    let limits = RuntimeConfig { context_tokens_max: 1024, ..RuntimeConfig::default() };
    Ok(Runtime::start(RuntimeConfig { device, threads, slots, ..limits })?)
}

pub async fn load(path: &str, threads: usize) -> Result<ModelHandle, Failure> {
    let runtime = start(DeviceChoice::Cpu, Some(threads), 4)?;
    Ok(runtime.load("model", ModelSource::Gguf(path.into())).await?)
}

/// Answers, or reads an answer that is dictated.
pub async fn run(
    model: &ModelHandle,
    prompt: Prompt,
    tokens_max: u32,
    dictated: Vec<u32>,
) -> Result<Run, Failure> {
    let builder = Arc::new(Mutex::new(FingerprintBuilder::default()));
    let listening = Arc::clone(&builder);
    let sink = HiddenSink::new(move |_, state: &[f32]| {
        let row = state.iter().map(|value| bfloat16_bits(value.to_bits()));
        listening.lock().unwrap_or_else(PoisonError::into_inner).push(row);
    });
    let sampling = Sampling { logprobs: Some(1), ..Sampling::greedy() };
    let request = GenerateRequest {
        dictated,
        hidden: Some(sink),
        ignore_end: true,
        sampling,
        ..GenerateRequest::greedy(prompt, tokens_max)
    };
    let mut generation = model.generate(request).await?;
    let (mut tokens, mut improbable) = (Vec::new(), 0);
    while let Some(event) = generation.next().await {
        match event {
            Event::Token { id, logprobs, .. } => {
                tokens.push(id);
                let gap = logprobs.and_then(|told| Some(told.top.first()?.1 - told.drawn));
                improbable += usize::from(gap.is_none_or(|gap| gap > 2.0));
            }
            Event::Finished(_) => break,
            Event::Failed(error) => return Err(error.into()),
        }
    }
    let chunks = builder.lock().unwrap_or_else(PoisonError::into_inner).take_last();
    Ok(Run { tokens, chunks, improbable })
}

pub fn fingerprint(run: &Run) -> Result<Fingerprint, Failure> {
    let proofs = run.chunks.iter().map(|chunk| chunk.prove().ok_or("a chunk without numbers"));
    Ok(Fingerprint::new(run.tokens.clone(), proofs.collect::<Result<_, _>>()?)?)
}

//! The way that cards take, through the handle: burn's tensors behind the scheduler, here on the processor.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use futures::StreamExt as _;
use futures::future::join_all;
use model_runtime::decoder::BlockKind;
use model_runtime::{
    DeviceChoice, Event, GenerateRequest, ModelHandle, ModelSource, Prompt, Runtime, RuntimeConfig,
};

use super::real_model;
use super::tiny::{SIZES, llama};

async fn load(device: DeviceChoice, path: PathBuf) -> ModelHandle {
    let config = RuntimeConfig {
        device,
        // Prompts are read in pieces, and beside answers.
        prefill_tokens_max: NonZeroUsize::new(24).unwrap(),
        context_tokens_max: 512,
        ..RuntimeConfig::default()
    };
    Runtime::start(config).unwrap().load("model", ModelSource::Gguf(path)).await.unwrap()
}

/// Tokens of a greedy answer, and how many of the prompt's were in the cache.
async fn answer(model: &ModelHandle, prompt: &str, tokens: u32) -> (Vec<u32>, u32) {
    let request = GenerateRequest::greedy(Prompt::Text(prompt.to_owned()), tokens);
    let mut generation = model.generate(request).await.unwrap();
    let mut ids = Vec::new();
    while let Some(event) = generation.next().await {
        match event {
            Event::Token { id, .. } => ids.push(id),
            Event::Finished(finished) => return (ids, finished.cached_tokens),
            Event::Failed(error) => panic!("{error}"),
        }
    }
    panic!("the stream ended without Finished");
}

#[tokio::test]
async fn tensors_give_the_kernels_tokens_alone_together_in_pieces_and_from_shared_pages() {
    let (_folder, path) = llama(33, BlockKind::F32, SIZES).on_disk();
    let (kernels, tensors) = (load(DeviceChoice::Cpu, path.clone()), load(DeviceChoice::Flex, path));
    let (kernels, tensors) = (kernels.await, tensors.await);
    assert!(kernels.facts().device.starts_with("cpu ("), "{}", kernels.facts().device);
    assert!(tensors.facts().device.starts_with("flex ("), "{}", tensors.facts().device);
    assert_eq!(kernels.facts().context_tokens, tensors.facts().context_tokens);

    let long = "the quick brown fox jumps over the lazy dog ".repeat(4);
    let prompts = ["a", "hello there", &long, &format!("{long}once more")];
    let mut alone = Vec::new();
    for prompt in prompts {
        let (ids, _) = answer(&kernels, prompt, 24).await;
        assert_eq!(answer(&tensors, prompt, 24).await.0, ids, "{prompt:?}");
        alone.push(ids);
    }
    let together = join_all(prompts.map(|prompt| answer(&tensors, prompt, 24))).await;
    let cached: u32 = together.iter().map(|(_, cached)| cached).sum();
    assert!(cached >= 64, "{cached} tokens of prompts that were read before came from the cache");
    assert_eq!(together.into_iter().map(|(ids, _)| ids).collect::<Vec<_>>(), alone);
}

#[tokio::test]
async fn smollm2_answers_on_tensors_as_on_the_kernels() {
    let path = real_model::path();
    let (kernels, tensors) = (load(DeviceChoice::Cpu, path.clone()), load(DeviceChoice::Flex, path));
    let (kernels, tensors) = (kernels.await, tensors.await);
    // Far from near-ties: the kernels round rows to 8 bits, tensors do not.
    let prompts = ["The capital of France is", "1, 2, 3, 4, 5,"];
    let expected = join_all(prompts.map(|prompt| answer(&kernels, prompt, 8))).await;
    let found = join_all(prompts.map(|prompt| answer(&tensors, prompt, 8))).await;
    assert_eq!(found, expected);
}

//! Requests through the handle, on a small random model: what one asks does not change what another gets.

use std::time::Duration;

use futures::StreamExt as _;
use futures::future::join_all;
use model_runtime::decoder::BlockKind;
use model_runtime::{
    Event, FinishReason, GenerateError, GenerateRequest, LoadError, ModelHandle, ModelSource, Prompt,
    Runtime, RuntimeConfig, Sampling,
};

use super::tiny::{File, Meta, SIZES, VOCABULARY, llama};

async fn load(file: &File) -> Result<ModelHandle, LoadError> {
    let (_folder, path) = file.on_disk();
    Runtime::start(RuntimeConfig::default()).unwrap().load("tiny", ModelSource::Gguf(path)).await
}

async fn model() -> ModelHandle {
    load(&llama(21, BlockKind::Q8_0, SIZES)).await.unwrap()
}

fn drawn(text: &str, seed: u64) -> GenerateRequest {
    let sampling = Sampling { temperature: 1.0, top_p: 0.95, top_k: Some(50), seed: Some(seed) };
    GenerateRequest { sampling, ..GenerateRequest::greedy(Prompt::Text(text.into()), 40) }
}

#[derive(Clone, Debug, PartialEq)]
struct Answer {
    ids: Vec<u32>,
    text: String,
    reason: FinishReason,
}

async fn answer(model: &ModelHandle, request: GenerateRequest) -> Answer {
    let mut generation = model.generate(request).await.unwrap();
    let (mut ids, mut text) = (Vec::new(), String::new());
    while let Some(event) = generation.next().await {
        match event {
            Event::Token { text: more, id } => {
                ids.push(id);
                text += &more;
            }
            Event::Finished(finished) => return Answer { ids, text, reason: finished.reason },
            Event::Failed(error) => panic!("{error}"),
        }
    }
    panic!("the stream ended without Finished");
}

#[tokio::test]
async fn an_answer_is_the_same_alone_and_among_others() {
    let model = model().await;
    let requests: Vec<GenerateRequest> = (0..7_usize)
        .map(|i| {
            let text = "hello world ".repeat(1 + i * 8);
            if i % 2 == 0 {
                drawn(&text, i as u64)
            } else {
                GenerateRequest::greedy(Prompt::Text(text), 10 + i as u32)
            }
        })
        .collect();
    let mut alone = Vec::new();
    for request in &requests {
        alone.push(answer(&model, request.clone()).await);
    }
    let together = join_all(requests.iter().map(|request| answer(&model, request.clone()))).await;
    assert_eq!(alone, together);
    assert!(alone.iter().any(|answer| answer.ids.len() == 40));
}

#[tokio::test]
async fn a_seed_repeats_a_draw_and_without_one_draws_differ() {
    let model = model().await;
    let first = answer(&model, drawn("hello", 5)).await;
    assert_eq!(first, answer(&model, drawn("hello", 5)).await);
    assert_ne!(first, answer(&model, drawn("hello", 6)).await);
    let unseeded =
        GenerateRequest { sampling: Sampling { seed: None, ..drawn("", 0).sampling }, ..drawn("hello", 0) };
    let (one, other) = (answer(&model, unseeded.clone()).await, answer(&model, unseeded).await);
    assert_ne!(one, other);
}

#[tokio::test]
async fn a_stop_string_that_begins_inside_of_a_token_ends_the_answer_before_it() {
    let model = model().await;
    let whole = answer(&model, drawn("hello", 5)).await;
    let from = whole.text.char_indices().nth(12).unwrap().0;
    let to = whole.text.char_indices().nth(15).unwrap().0;
    let stop = whole.text[from..to].to_owned();
    let stopped = answer(&model, GenerateRequest { stop: vec![stop.clone()], ..drawn("hello", 5) }).await;
    assert_eq!(stopped.text, whole.text[..whole.text.find(&stop).unwrap()]);
    assert_eq!(stopped.reason, FinishReason::Stop);
    assert!(stopped.ids.len() < whole.ids.len());
    assert_eq!(stopped.ids, whole.ids[..stopped.ids.len()]);
}

#[tokio::test]
async fn a_token_that_ends_answers_ends_the_answer() {
    let mut file = llama(21, BlockKind::Q8_0, SIZES);
    let plain =
        answer(&load(&file).await.unwrap(), GenerateRequest::greedy(Prompt::Text("hello".into()), 20)).await;
    let end = plain.ids[4];
    let before = plain.ids.iter().position(|id| *id == end).unwrap();
    file.meta("tokenizer.ggml.eos_token_id", Meta::U32(end));
    let ended =
        answer(&load(&file).await.unwrap(), GenerateRequest::greedy(Prompt::Text("hello".into()), 20)).await;
    assert_eq!(ended.ids, plain.ids[..=before]);
    assert_eq!(ended.reason, FinishReason::Stop);
}

#[tokio::test]
async fn answers_end_where_the_context_ends() {
    let model = model().await;
    let prompt = vec![70; SIZES.context as usize - 5];
    let answer = answer(&model, GenerateRequest::greedy(Prompt::Tokens(prompt.clone()), 100)).await;
    assert_eq!((answer.ids.len(), answer.reason), (5, FinishReason::Length));
    let full = GenerateRequest::greedy(Prompt::Tokens([prompt, vec![70; 5]].concat()), 1);
    assert!(matches!(
        model.generate(full).await,
        Err(GenerateError::PromptTooLong { prompt_tokens: 2048, context_tokens: 2048 })
    ));
    let huge = GenerateRequest::greedy(Prompt::Text("x".repeat(1 << 20)), 1);
    assert!(matches!(model.generate(huge).await, Err(GenerateError::PromptTooLong { .. })));
}

#[tokio::test]
async fn dropping_an_answer_frees_its_place() {
    let model = model().await;
    let mut generation =
        model.generate(GenerateRequest::greedy(Prompt::Text("hello".into()), 2000)).await.unwrap();
    assert!(matches!(generation.next().await, Some(Event::Token { .. })));
    assert_eq!(model.load().in_flight, 1);
    drop(generation);
    let freed = async {
        while model.load().in_flight > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), freed).await.unwrap();
}

#[tokio::test]
async fn prompts_that_mean_nothing_are_refused() {
    let model = model().await;
    let refused = async |prompt| model.generate(GenerateRequest::greedy(prompt, 5)).await.unwrap_err();
    assert!(matches!(refused(Prompt::Text(String::new())).await, GenerateError::EmptyPrompt));
    assert!(matches!(refused(Prompt::Chat(Vec::new())).await, GenerateError::EmptyPrompt));
    let token = VOCABULARY as u32;
    assert!(
        matches!(refused(Prompt::Tokens(vec![5, token])).await, GenerateError::UnknownToken { token: t, .. } if t == token)
    );
    let mut request = drawn("x", 1);
    request.sampling.top_p = 2.0;
    assert!(matches!(model.generate(request).await, Err(GenerateError::Sampling(_))));
    let request = GenerateRequest { stop: vec![String::new()], ..drawn("x", 1) };
    assert!(matches!(model.generate(request).await, Err(GenerateError::Stop(_))));
}

#[tokio::test]
async fn the_template_and_control_tokens_shape_the_prompt() {
    let model = model().await;
    let chat = model.generate(GenerateRequest::greedy(Prompt::user("hello"), 1)).await.unwrap();
    // <|turn|> u s e r : Ġ hello \n <|turn|>
    assert_eq!(chat.prompt_tokens(), 10);
    assert_eq!(model.count_tokens("hello").unwrap(), 1);
    assert_eq!(model.count_tokens("123").unwrap(), 3);
    assert_eq!(model.count_tokens("<|turn|>").unwrap(), 1);
    assert_eq!(model.count_tokens("").unwrap(), 0);
}

#[tokio::test]
async fn a_model_without_a_chat_template_answers_texts_only() {
    let mut file = llama(21, BlockKind::F32, SIZES);
    file.meta.retain(|(key, _)| key != "tokenizer.chat_template");
    let model = load(&file).await.unwrap();
    let error = model.generate(GenerateRequest::greedy(Prompt::user("hello"), 1)).await.unwrap_err();
    assert!(matches!(error, GenerateError::NoChatTemplate), "{error}");
    assert_eq!(answer(&model, GenerateRequest::greedy(Prompt::Text("hello".into()), 3)).await.ids.len(), 3);
}

#[tokio::test]
async fn facts_are_those_of_the_file() {
    let file = llama(21, BlockKind::Q4_1, SIZES);
    let model = load(&file).await.unwrap();
    let facts = model.facts();
    let weights: usize = file.tensors.iter().map(|tensor| tensor.values.len()).sum();
    assert_eq!((facts.id.as_str(), facts.architecture.as_str()), ("tiny", "llama"));
    assert_eq!(facts.parameters, weights as u64);
    assert_eq!(facts.memory_bytes, weights as u64 * 4);
    assert_eq!((facts.context_tokens, facts.vocabulary_tokens), (2048, 288));
    assert_eq!(facts.end_tokens, [0]);
}

#[tokio::test]
async fn a_broken_file_says_what_is_wrong_with_it() {
    let broken = async |change: fn(&mut File)| {
        let mut file = llama(21, BlockKind::F32, SIZES);
        change(&mut file);
        load(&file).await.unwrap_err()
    };
    let family = broken(|file| file.meta("general.architecture", Meta::Text("mamba".into()))).await;
    assert!(matches!(family, LoadError::Model { .. }), "{family}");
    let tokenizer = broken(|file| file.meta("tokenizer.ggml.pre", Meta::Text("strange".into()))).await;
    assert!(matches!(tokenizer, LoadError::Tokenizer { .. }), "{tokenizer}");
    let lists = broken(|file| file.meta("tokenizer.ggml.token_type", Meta::I32s(vec![1]))).await;
    assert!(matches!(lists, LoadError::Tokenizer { .. }), "{lists}");
    let template = broken(|file| file.meta("tokenizer.chat_template", Meta::Text("{% if %}".into()))).await;
    assert!(matches!(template, LoadError::Template { .. }), "{template}");
}

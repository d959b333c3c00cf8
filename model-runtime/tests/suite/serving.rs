//! Requests through the handle, on a small random model: what one asks does not change what another gets.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::join_all;
use model_runtime::decoder::BlockKind;
use model_runtime::{
    Event, FinishReason, GenerateError, GenerateRequest, Generation, Grammar, HiddenSink, LoadError,
    ModelHandle, ModelSource, Prompt, Runtime, RuntimeConfig, Sampling,
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
    let sampling =
        Sampling { temperature: 1.0, top_p: 0.95, top_k: Some(50), seed: Some(seed), ..Sampling::greedy() };
    GenerateRequest { sampling, ..GenerateRequest::greedy(Prompt::Text(text.into()), 40) }
}

#[derive(Clone, Debug, PartialEq)]
struct Answer {
    ids: Vec<u32>,
    text: String,
    reason: FinishReason,
}

async fn answer(model: &ModelHandle, request: GenerateRequest) -> Answer {
    collect(model.generate(request).await.unwrap()).await
}

async fn collect(mut generation: Generation) -> Answer {
    let (mut ids, mut text) = (Vec::new(), String::new());
    while let Some(event) = generation.next().await {
        match event {
            Event::Token { text: more, id, .. } => {
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
    // Five bits a weight; the norms are f32.
    assert!((weights as u64 * 5 / 8..weights as u64).contains(&facts.memory_bytes), "{}", facts.memory_bytes);
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

#[tokio::test]
async fn many_answers_to_one_request_read_its_prompt_once() {
    let model = model().await;
    let request = drawn(&"hello world ".repeat(30), 3);
    let tokens = model.generate(request.clone()).await.unwrap().prompt_tokens();
    let generations = model.generate_many(request.clone(), NonZeroU32::new(3).unwrap()).await.unwrap();
    let answers = join_all(generations.into_iter().map(collect)).await;
    for (index, many) in (0..).zip(&answers) {
        let mut alone = request.clone();
        alone.sampling.seed = Some(3 + index);
        assert_eq!(answer(&model, alone).await, *many);
    }
    assert_ne!(answers[0], answers[1]);
    let shared = model.metrics().counts.prompt_tokens_shared;
    assert!(shared >= u64::from(2 * (tokens / 32) * 32 - 64), "{shared} of {tokens} tokens were shared");
}

#[tokio::test]
async fn guessing_ahead_changes_no_token() {
    let model = model().await;
    for request in
        [GenerateRequest::greedy(Prompt::Text("hello hello hello".into()), 60), drawn("ab ab ab ab", 4)]
    {
        let plain = answer(&model, request.clone()).await;
        let passes = model.metrics().passes;
        assert_eq!(answer(&model, GenerateRequest { draft_tokens_max: 4, ..request }).await, plain);
        assert!(model.metrics().passes - passes <= plain.ids.len() as u64 + 1);
    }
}

#[tokio::test]
async fn every_drawn_token_shows_the_state_it_was_drawn_from() {
    let model = model().await;
    let states = Arc::new(Mutex::new(Vec::new()));
    let kept = states.clone();
    let sink = HiddenSink::new(move |position, hidden: &[f32]| {
        kept.lock().unwrap().push((position, hidden.to_vec()))
    });
    let request = GenerateRequest::greedy(Prompt::Tokens(vec![70, 71, 72]), 5);
    answer(&model, GenerateRequest { hidden: Some(sink.clone()), ..request.clone() }).await;
    let first = std::mem::take(&mut *states.lock().unwrap());
    let positions: Vec<usize> = first.iter().map(|(position, _)| *position).collect();
    assert_eq!(positions, [3, 4, 5, 6, 7]);
    assert!(first.iter().all(|(_, hidden)| hidden.len() == SIZES.hidden && hidden.iter().any(|x| *x != 0.0)));
    let others = (0..3).map(|i| answer(&model, drawn("hello", i)));
    let again = GenerateRequest { hidden: Some(sink), ..request };
    futures::join!(answer(&model, again), join_all(others));
    assert_eq!(*states.lock().unwrap(), first, "the same bits among others");
}

#[tokio::test]
async fn end_tokens_wait_for_the_least_length_and_can_be_ignored() {
    let plain = answer(&model().await, GenerateRequest::greedy(Prompt::Text("hello".into()), 12)).await;
    let end = plain.ids[2];
    let mut file = llama(21, BlockKind::Q8_0, SIZES);
    file.meta("tokenizer.ggml.eos_token_id", Meta::U32(end));
    let model = load(&file).await.unwrap();
    let request = GenerateRequest::greedy(Prompt::Text("hello".into()), 12);
    assert_eq!(answer(&model, request.clone()).await.ids.last(), Some(&end));
    let ignoring = answer(&model, GenerateRequest { ignore_end: true, ..request.clone() }).await;
    assert_eq!((ignoring.ids, ignoring.reason), (plain.ids.clone(), FinishReason::Length));
    let longer = answer(&model, GenerateRequest { tokens_min: 6, ..request.clone() }).await;
    assert!(longer.ids.len() > 6 && !longer.ids[..6].contains(&end), "{:?}", longer.ids);
    let stop = plain.ids[1];
    let stopped = answer(&model, GenerateRequest { stop_tokens: vec![stop], ..request }).await;
    assert_eq!((stopped.ids.last(), stopped.reason), (Some(&stop), FinishReason::Stop));
}

#[tokio::test]
async fn models_share_one_budget_and_one_that_does_not_fit_disturbs_nobody() {
    let (_folder, path) = llama(21, BlockKind::Q8_0, SIZES).on_disk();
    let measured = {
        let runtime = Runtime::start(RuntimeConfig::default()).unwrap();
        runtime.load("a", ModelSource::Gguf(path.clone())).await.unwrap();
        runtime.memory_bytes()
    };
    let config =
        RuntimeConfig { memory_bytes_max: Some(measured * 2 + measured / 2), ..RuntimeConfig::default() };
    let runtime = Runtime::start(config).unwrap();
    let first = runtime.load("a", ModelSource::Gguf(path.clone())).await.unwrap();
    let second = runtime.load("b", ModelSource::Gguf(path.clone())).await.unwrap();
    let (one, other) = futures::join!(answer(&first, drawn("hello", 1)), answer(&second, drawn("hello", 1)));
    assert_eq!(one, other);
    let error = runtime.load("c", ModelSource::Gguf(path.clone())).await.unwrap_err();
    assert!(matches!(error, LoadError::Memory { .. }), "{error}");
    assert_eq!(answer(&first, drawn("hello", 1)).await, one);
    drop(second);
    assert!(runtime.unload("b"));
    let freed = async {
        while runtime.memory_bytes() > measured {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), freed).await.unwrap();
    runtime.load("c", ModelSource::Gguf(path)).await.unwrap();
}

#[tokio::test]
async fn an_answer_has_the_form_it_was_asked_to_have() {
    let model = model().await;
    let schema = serde_json::json!({
        "type": "object",
        "properties": { "a": { "enum": ["x", "y"] }, "b": { "type": "boolean" } },
        "required": ["a", "b"],
        "additionalProperties": false,
        // A random model would never end its white space.
        "x-guidance": { "whitespace_flexible": false },
    });
    for seed in 0..5 {
        let grammar = Some(Grammar::JsonSchema(schema.clone()));
        let request = GenerateRequest { grammar, tokens_max: 200, ..drawn("hello", seed) };
        let answer = answer(&model, request).await;
        let value: serde_json::Value = serde_json::from_str(&answer.text).expect(&answer.text);
        assert!(value["b"].is_boolean() && ["x", "y"].contains(&value["a"].as_str().unwrap()), "{value}");
        assert_eq!(answer.reason, FinishReason::Stop);
    }
    for (grammar, ends) in [
        (Grammar::Regex("(red|green) (cat|dog)s?".to_owned()), ["cat", "dog", "cats", "dogs"]),
        (
            Grammar::Lark("start: \"a\"+ (\"cat\" | \"dog\") \"s\"?".to_owned()),
            ["cat", "dog", "cats", "dogs"],
        ),
    ] {
        let request =
            GenerateRequest { grammar: Some(grammar.clone()), tokens_max: 200, ..drawn("hello", 3) };
        let answer = answer(&model, request).await;
        assert!(ends.iter().any(|end| answer.text.ends_with(end)), "{grammar:?}: {}", answer.text);
        assert_eq!(answer.reason, FinishReason::Stop);
    }
    // Whoever asks for more tokens than the form has gets the form.
    let grammar = Some(Grammar::Choice(vec!["a".to_owned()]));
    let short =
        answer(&model, GenerateRequest { grammar, tokens_min: 6, tokens_max: 20, ..drawn("hello", 5) }).await;
    assert_eq!((short.text.as_str(), short.reason), ("a", FinishReason::Stop));
    let grammar = Some(Grammar::JsonSchema(serde_json::json!({ "type": "array", "uniqueItems": true })));
    let error = model.generate(GenerateRequest { grammar, ..drawn("hello", 1) }).await.unwrap_err();
    assert!(matches!(error, GenerateError::Grammar(_)), "{error}");
    assert_eq!(model.load().in_flight, 0);
}

/// Positions and states.
type States = Arc<Mutex<Vec<(usize, Vec<f32>)>>>;

fn listen() -> (States, HiddenSink) {
    let states = States::default();
    let seen = Arc::clone(&states);
    (states, HiddenSink::new(move |position, state| seen.lock().unwrap().push((position, state.to_vec()))))
}

#[tokio::test]
async fn a_dictated_answer_gives_the_states_and_the_text_that_drawing_it_gave() {
    let model = model().await;
    let request = drawn("hello world, hello", 11);
    let (states, sink) = listen();
    let said = answer(&model, GenerateRequest { hidden: Some(sink), ..request.clone() }).await;
    let (states_again, sink) = listen();
    let again = GenerateRequest {
        dictated: said.ids.clone(),
        hidden: Some(sink),
        sampling: Sampling { logprobs: Some(1), ..request.sampling.clone() },
        ..request.clone()
    };
    let passes = model.metrics().passes;
    assert_eq!(answer(&model, again).await, said);
    assert_eq!(*states.lock().unwrap(), *states_again.lock().unwrap());
    assert_eq!(said.ids.len(), states.lock().unwrap().len());
    assert!(model.metrics().passes - passes <= 3, "the prompt, and the answer at once");

    let unknown = GenerateRequest { dictated: vec![VOCABULARY as u32], ..request };
    let refused = model.generate(unknown).await.unwrap_err();
    assert!(matches!(refused, GenerateError::UnknownToken { .. }), "{refused}");
}

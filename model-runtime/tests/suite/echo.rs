//! The model without weights behaves as a model.

use futures::StreamExt as _;
use model_runtime::{
    Event, FinishReason, GenerateError, GenerateRequest, LoadError, Message, ModelHandle, ModelSource,
    Prompt, Runtime, RuntimeConfig,
};

async fn echo(config: RuntimeConfig) -> ModelHandle {
    Runtime::start(config).unwrap().load("echo", ModelSource::Echo).await.unwrap()
}

async fn texts(model: &ModelHandle, request: GenerateRequest) -> (Vec<String>, FinishReason) {
    let mut generation = model.generate(request).await.unwrap();
    let mut texts = Vec::new();
    while let Some(event) = generation.next().await {
        match event {
            Event::Token { text, id, .. } => {
                assert_eq!(id as usize, texts.len());
                texts.push(text);
            }
            Event::Finished(finished) => {
                assert_eq!(finished.completion_tokens as usize, texts.len());
                assert!(generation.next().await.is_none(), "the stream ends after Finished");
                return (texts, finished.reason);
            }
            Event::Failed(error) => panic!("{error}"),
        }
    }
    panic!("the stream ended without Finished");
}

#[tokio::test]
async fn it_answers_with_the_last_user_message_word_by_word() {
    let model = echo(RuntimeConfig::default()).await;
    let message = |role: &str, content: &str| Message { role: role.into(), content: content.into() };
    let messages = vec![
        message("user", "first"),
        message("assistant", "answer"),
        message("user", " Hello,  wide\nworld! "),
        message("assistant", "draft"),
    ];
    let request = GenerateRequest::greedy(Prompt::Chat(messages), 100);
    assert_eq!(model.generate(request.clone()).await.unwrap().prompt_tokens(), 6);
    let (texts, reason) = texts(&model, request).await;
    assert_eq!(texts, [" Hello,", "  wide", "\nworld! ", ""]);
    assert_eq!(reason, FinishReason::Stop);
}

#[tokio::test]
async fn the_limit_of_tokens_cuts_it_off() {
    let model = echo(RuntimeConfig::default()).await;
    let (texts, reason) = texts(&model, GenerateRequest::greedy(Prompt::user("a b c d"), 2)).await;
    assert_eq!(texts, ["a", " b"]);
    assert_eq!(reason, FinishReason::Length);
}

#[tokio::test]
async fn a_stop_string_over_two_words_ends_it() {
    let model = echo(RuntimeConfig::default()).await;
    let request =
        GenerateRequest { stop: vec!["c d".into()], ..GenerateRequest::greedy(Prompt::user("a b c d e"), 9) };
    let (texts, reason) = texts(&model, request).await;
    assert_eq!(texts.concat(), "a b ");
    assert_eq!(reason, FinishReason::Stop);
}

#[tokio::test]
async fn a_prompt_longer_than_the_context_is_refused() {
    let model = echo(RuntimeConfig { context_tokens_max: 3, ..RuntimeConfig::default() }).await;
    let error = model.generate(GenerateRequest::greedy(Prompt::user("a b c"), 2)).await.unwrap_err();
    assert!(matches!(error, GenerateError::PromptTooLong { prompt_tokens: 3, context_tokens: 3 }), "{error}");
    let (texts, reason) = texts(&model, GenerateRequest::greedy(Prompt::user("a b"), 2)).await;
    assert_eq!((texts, reason), (vec!["a".to_owned()], FinishReason::Length));
}

#[tokio::test]
async fn empty_prompts_and_answers_are_refused() {
    let model = echo(RuntimeConfig::default()).await;
    let refused =
        async |prompt, tokens| model.generate(GenerateRequest::greedy(prompt, tokens)).await.unwrap_err();
    assert!(matches!(refused(Prompt::user(""), 2).await, GenerateError::EmptyPrompt));
    assert!(matches!(refused(Prompt::user("a"), 0).await, GenerateError::NoTokens));
}

#[tokio::test]
async fn a_name_is_given_once_and_freed_by_unloading() {
    let runtime = Runtime::start(RuntimeConfig::default()).unwrap();
    runtime.load("echo", ModelSource::Echo).await.unwrap();
    assert!(
        matches!(runtime.load("echo", ModelSource::Echo).await, Err(LoadError::NameTaken(name)) if name == "echo")
    );
    assert_eq!(runtime.models().len(), 1);
    assert!(runtime.unload("echo"));
    assert!(!runtime.unload("echo"));
    assert_eq!(runtime.models().len(), 0);
    runtime.load("echo", ModelSource::Echo).await.unwrap();
}

#[tokio::test]
async fn a_failed_load_frees_its_name_and_leaves_others_running() {
    let runtime = Runtime::start(RuntimeConfig::default()).unwrap();
    let other = runtime.load("other", ModelSource::Echo).await.unwrap();
    let missing = ModelSource::Gguf("/nonexistent/model.gguf".into());
    for _ in 0..2 {
        let error = runtime.load("m", missing.clone()).await.unwrap_err();
        assert!(matches!(error, LoadError::File { .. }), "{error}");
        assert!(error.to_string().contains("/nonexistent/model.gguf"));
    }
    let (texts, _) = texts(&other, GenerateRequest::greedy(Prompt::user("still here"), 9)).await;
    assert_eq!(texts.concat(), "still here");
}

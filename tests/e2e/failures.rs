//! What goes wrong says so: to the user as an OpenAI error object, to the operator with the next step.

use chain_client::command::CommandError;
use serde_json::json;
use subnet_miner::miner::StartError;
use subnet_miner::models::ModelLocation;
use subnet_tests::{ECHO_MODEL, Subnet, wait};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_miner_answers_when_one_is_dead() {
    let mut subnet = Subnet::start(1, 2).await;
    subnet.miners[0].kill();
    for number in 0..6 {
        let answer = subnet.validators[0].chat(ECHO_MODEL, &format!("request {number}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_told_to_come_back_when_every_miner_is_dead() {
    let mut subnet = Subnet::start(1, 1).await;
    subnet.miners[0].kill();
    // Tried and failed at first; not even tried once the miner's inventory has aged out or its breaker has opened.
    for (status, code) in [(502, "miners_failed"), (503, "no_miner")] {
        let answer = wait::until("the gateway knows that the miner is gone", || async {
            let answer = subnet.validators[0].chat(ECHO_MODEL, "anyone?").await;
            (answer.status == status).then_some(answer)
        })
        .await;
        assert_eq!(answer.error_code(), code);
        assert!(!answer.error_message().is_empty());
        assert!(answer.retry_after_s.is_some_and(|seconds| (1..=30).contains(&seconds)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unregistered_miner_is_told_how_to_register() {
    let subnet = Subnet::start(0, 0).await;
    let error = subnet.start_unregistered_miner().await;
    assert!(matches!(error, StartError::Site(CommandError::NotRegistered { .. })), "{error}");
    assert_eq!(error.exit_code(), 3);
    let next_step = error.next_step().unwrap();
    assert!(next_step.contains("subnet-miner register"), "{next_step}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_model_file_is_named() {
    let subnet = Subnet::start(0, 0).await;
    let node = subnet.new_miner("no-model").await;
    let mut config = node.config().clone();
    for location in config.models.values_mut() {
        *location = ModelLocation::Gguf("/nowhere/model.gguf".into());
    }
    let Err(error) = subnet_miner::miner::Miner::bind(config).await else { panic!("it started") };
    assert!(error_chain(&error).contains("/nowhere/model.gguf"), "{}", error_chain(&error));
    let next_step = error.next_step().unwrap();
    assert!(next_step.contains("get-model"), "{next_step}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests_get_openai_error_objects() {
    let subnet = Subnet::start(1, 1).await;
    let validator = &subnet.validators[0];

    let malformed = validator.post("/v1/chat/completions", "{\"model\": ".into()).await;
    assert_eq!(
        (malformed.status, malformed.body["error"]["type"].as_str()),
        (400, Some("invalid_request_error"))
    );

    let unknown = validator.chat("no-such-model", "hi").await;
    assert_eq!((unknown.status, unknown.error_code()), (404, "model_not_found"));

    let body = json!({"model": ECHO_MODEL, "messages": [], "temperature": 0});
    let empty = validator.post("/v1/chat/completions", body.to_string()).await;
    assert_eq!((empty.status, empty.body["error"]["param"].as_str()), (400, Some("messages")));

    let url = format!("http://{}/v1/models", validator.validator().gateway_addr());
    let stranger = reqwest::Client::new().get(url).bearer_auth("sk-wrong").send().await.unwrap();
    assert_eq!(stranger.status().as_u16(), 401);

    // A refused request is no receipt.
    assert_eq!(validator.validator().ledger().head().size, 0);
}

fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

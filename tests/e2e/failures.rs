//! What goes wrong says so: to the user as an OpenAI error object, to the operator with the next step.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::net::SocketAddr;
use std::time::Duration;

use chain_client::command::CommandError;
use serde_json::json;
use subnet_miner::miner::StartError;
use subnet_miner::models::ModelLocation;
use subnet_tests::{ECHO_MODEL, Subnet, wait};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

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

/// An address at which the chain of `subnet` answers only once it is told to.
struct LateChain {
    address: SocketAddr,
    chain: String,
}

impl LateChain {
    async fn of(subnet: &Subnet) -> Self {
        let nobody = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let chain = subnet.chain().ws_url().trim_start_matches("ws://").trim_end_matches('/').to_owned();
        Self { address: nobody.local_addr().unwrap(), chain }
    }

    fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Answers from now on.
    async fn open(self) {
        let door = TcpListener::bind(self.address).await.unwrap();
        while let Ok((mut inside, _)) = door.accept().await {
            let chain = self.chain.clone();
            tokio::spawn(async move {
                let mut outside = TcpStream::connect(chain).await.unwrap();
                let _ = copy_bidirectional(&mut inside, &mut outside).await;
            });
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_before_their_chain_wait_for_it() {
    let mut subnet = Subnet::start(1, 1).await;
    subnet.miners[0].stop().await;
    subnet.validators[0].stop().await;
    let late = LateChain::of(&subnet).await;
    subnet.miners[0].config_mut().network = late.url();
    subnet.validators[0].set_endpoints(vec![late.url()]);
    let (mut miners, mut validators) =
        (std::mem::take(&mut subnet.miners), std::mem::take(&mut subnet.validators));
    let both = async { tokio::join!(miners[0].start(), validators[0].start()) };
    tokio::pin!(both);
    // Both have found nobody at least once before there is somebody.
    let early = tokio::time::timeout(Duration::from_millis(700), &mut both).await;
    assert!(early.is_err(), "a node did not wait for its chain");
    let open = tokio::spawn(late.open());
    let (miner, validator) = tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
    miner.unwrap();
    validator.unwrap();
    open.abort();
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

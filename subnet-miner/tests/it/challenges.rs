//! What a validator asks to be shown beside calls.

use std::path::PathBuf;

use parity_scale_codec::Encode as _;
use protocol::challenge::{Challenge, ProductTask, SignedAnswer, Task, WeightsTask};
use protocol::digest::Digest;
use protocol::signing::Keypair;
use protocol::ticket::ModelId;
use protocol::weight_tree::WeightHasher;
use subnet_miner::axon::Limits;
use subnet_miner::models::ModelLocation;

use crate::fixture::{Fixture, in_time, now_ms, refusal, sign};

const PRODUCT: ProductTask = ProductTask { rows: 40, inner: 64, columns: 32, shown: 8 };

fn ask(fixture: &Fixture, task: Task) -> Challenge {
    Challenge {
        netuid: 64,
        validator: fixture.validator.public(),
        miner: fixture.miner.public(),
        issued_at_ms: now_ms(),
        answer_ms_max: 20_000,
        seed: Digest([9; 32]),
        task,
    }
}

async fn send(fixture: &Fixture, challenge: &Challenge) -> reqwest::Response {
    let body = challenge.clone().sign(&fixture.validator).encode();
    send_as(fixture, &fixture.validator, body).await
}

async fn send_as(fixture: &Fixture, caller: &Keypair, body: Vec<u8>) -> reqwest::Response {
    let target = protocol::challenge::TARGET;
    let headers = sign(caller, target, &body, &fixture.miner.public(), fixture.nonce_ns());
    let request = fixture.client.post(fixture.url(target)).body(body);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    in_time(request.send()).await.unwrap()
}

/// A miner with a small encoder, and the task to show pieces of its weights.
async fn with_weights() -> (Fixture, WeightsTask) {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../model-runtime/tests/vectors/embeddings/tiny");
    let mut hasher = WeightHasher::new();
    hasher.update(&std::fs::read(folder.join("model.safetensors")).unwrap());
    let hashed = hasher.finish();
    let model: ModelId = "tiny".parse().unwrap();
    let locations = [(model.clone(), ModelLocation::Gguf(folder))].into();
    let (file, bytes, root) = (hashed.sha256, hashed.bytes, hashed.root());
    let task = WeightsTask { model, file, bytes, root, pieces: 4 };
    (Fixture::serving(locations, Limits::default()).await, task)
}

#[tokio::test]
async fn pieces_of_a_model_that_is_served_are_shown_once_in_a_while() {
    let (fixture, task) = with_weights().await;
    let challenge = ask(&fixture, Task::Weights(task));
    let response = send(&fixture, &challenge).await;
    assert_eq!(response.status(), 200);
    let answer = SignedAnswer::from_bytes(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(answer.verify(&challenge), Ok(()));
    let again = send(&fixture, &challenge).await;
    assert!(again.headers().contains_key("retry-after"));
    assert_eq!(refusal(again).await, (429, "rate_limited".to_owned()));
}

#[tokio::test]
async fn a_miner_signs_nothing_for_a_file_a_root_or_a_model_that_is_not_its() {
    type Change = fn(&mut WeightsTask);
    let wrong: [(Change, &str); 3] = [
        (|task| task.root = Digest([1; 32]), "nothing_to_show"),
        (|task| task.file = Digest([1; 32]), "nothing_to_show"),
        (|task| task.model = "other".parse().unwrap(), "model_not_found"),
    ];
    for (change, code) in wrong {
        let (fixture, mut task) = with_weights().await;
        change(&mut task);
        let refused = refusal(send(&fixture, &ask(&fixture, Task::Weights(task))).await).await;
        assert_eq!(refused, (404, code.to_owned()));
    }
}

#[tokio::test]
async fn a_product_is_computed_and_verifies_and_one_that_is_too_large_is_refused() {
    let fixture = Fixture::start().await;
    let too_large = ProductTask { rows: 1 << 22, inner: 1 << 16, columns: 1 << 9, shown: 8 };
    let refused = refusal(send(&fixture, &ask(&fixture, Task::Product(too_large))).await).await;
    assert_eq!(refused, (400, "product_too_large".to_owned()));
    let challenge = ask(&fixture, Task::Product(PRODUCT));
    let response = send(&fixture, &challenge).await;
    assert_eq!(response.status(), 200);
    let answer = SignedAnswer::from_bytes(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(answer.verify(&challenge), Ok(()));
}

#[tokio::test]
async fn challenges_of_others_broken_ones_and_those_whose_time_is_over_are_refused() {
    let fixture = Fixture::start().await;
    let good = ask(&fixture, Task::Product(PRODUCT));
    let stranger = Keypair::from_dev_uri("//Mallory").unwrap();
    let unpermitted = send_as(&fixture, &stranger, good.clone().sign(&stranger).encode()).await;
    assert_eq!(refusal(unpermitted).await, (403, "forbidden_no_permit".to_owned()));
    let late = Challenge { issued_at_ms: now_ms() - 60_000, ..good.clone() };
    let foreign = Challenge { miner: stranger.public(), ..good.clone() };
    for body in [
        late.sign(&fixture.validator).encode(),
        foreign.sign(&fixture.validator).encode(),
        good.sign(&stranger).encode(),
        b"nonsense".to_vec(),
    ] {
        let refused = refusal(send_as(&fixture, &fixture.validator, body).await).await;
        assert_eq!(refused, (400, "challenge_invalid".to_owned()));
    }
}

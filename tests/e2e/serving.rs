//! A user's request is answered by a miner through a validator's gateway.

use serde_json::{Value, json};
use subnet_miner::models::ModelLocation;
use subnet_tests::{ECHO_MODEL, Plan, SMOLLM2, Subnet, TestModel, smollm2_path};

/// One that so small a model answers well. (To "What is the capital of France?" llama.cpp, too, begins with "L'Étoile".)
const QUESTION: &str = "What is gravity? Answer in two sentences.";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_streamed_request_brings_real_text_from_the_real_model() {
    let plan = Plan { validators: 1, miners: 1, model: TestModel::SmolLm2, tempo_blocks: 20 };
    let subnet = Subnet::start_with(plan).await;
    let streamed = subnet.validators[0].chat_streamed(SMOLLM2, QUESTION).await;
    assert!(streamed.text.contains("force"), "{:?}", streamed.text);
    assert!(streamed.done);
    let usage = &streamed.chunks.last().unwrap()["usage"];
    assert!(usage["completion_tokens"].as_u64().unwrap() > 0);
    assert!(usage["prompt_tokens"].as_u64().unwrap() > 10);
    // At temperature 0 the whole answer is the same text.
    let whole = subnet.validators[0].chat(SMOLLM2, QUESTION).await;
    assert_eq!(whole.status, 200);
    assert_eq!(whole.body["choices"][0]["message"]["content"], streamed.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_are_listed_once_however_many_miners_hold_them() {
    let subnet = Subnet::start(1, 2).await;
    let listed = subnet.validators[0].get("/v1/models").await;
    assert_eq!(listed.status, 200);
    let ids: Vec<_> = listed.body["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!(ids, [ECHO_MODEL]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_follow_the_framing_that_clients_rely_on() {
    let subnet = Subnet::start(1, 1).await;
    let streamed = subnet.validators[0].chat_streamed(ECHO_MODEL, "one two three").await;
    assert!(streamed.done);
    let first = &streamed.chunks[0]["choices"][0];
    assert_eq!(first["delta"]["role"], "assistant");
    assert_eq!(first["delta"]["content"], "");
    let (usage, answer) = streamed.chunks.split_last().unwrap();
    assert_eq!(usage["choices"].as_array().unwrap().len(), 0);
    let finished: Vec<_> =
        answer.iter().filter(|chunk| !chunk["choices"][0]["finish_reason"].is_null()).collect();
    assert_eq!(finished.len(), 1, "exactly one chunk says why the answer ended");
    for chunk in answer {
        assert!(chunk["choices"][0].as_object().unwrap().contains_key("finish_reason"));
        assert_eq!(chunk["object"], "chat.completion.chunk");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_validators_serve_through_the_same_miners() {
    let subnet = Subnet::start(2, 2).await;
    for validator in &subnet.validators {
        assert_eq!(validator.chat(ECHO_MODEL, "hello").await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_models_embeddings_come_through_miner_and_gateway_as_the_reference_has_them() {
    const MINILM: &str = "all-MiniLM-L6-v2";
    let mut subnet =
        Subnet::start_with(Plan { validators: 1, miners: 0, model: TestModel::SmolLm2, tempo_blocks: 20 })
            .await;
    let folder = smollm2_path().with_file_name(MINILM);
    assert!(folder.is_dir(), "{} is missing: run scripts/get-model all-minilm-l6-v2", folder.display());
    let embedder = |config: &mut subnet_miner::config::Config| {
        config.models = [(MINILM.parse().unwrap(), ModelLocation::Gguf(folder.clone()))].into();
    };
    subnet.start_miners(&["embedder"], embedder).await;
    subnet.wait_until_hot(1).await;
    let reference =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../model-runtime/tests/vectors/embeddings/minilm.json");
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(reference).unwrap()).unwrap();
    // An empty text is refused, as OpenAI does.
    let cases: Vec<&Value> = cases.iter().filter(|case| case["text"] != "").collect();
    assert!(cases.len() >= 5);
    let texts: Vec<&Value> = cases.iter().map(|case| &case["text"]).collect();

    let body = json!({"model": MINILM, "input": texts, "encoding_format": "float"});
    let answer = subnet.validators[0].post("/v1/embeddings", body.to_string()).await;

    assert_eq!(answer.status, 200, "{}", answer.body);
    let made = answer.body["data"].as_array().unwrap();
    assert_eq!(made.len(), cases.len());
    let numbers = |value: &Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    };
    for (made, case) in made.iter().zip(&cases) {
        let (found, expected) = (numbers(&made["embedding"]), numbers(&case["vector"]));
        assert_eq!(found.len(), expected.len());
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let cosine = dot(&found, &expected) / (dot(&found, &found) * dot(&expected, &expected)).sqrt();
        assert!(1.0 - cosine < 1e-4, "{}: cosine {cosine}", case["text"]);
    }
}

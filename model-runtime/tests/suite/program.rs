//! The program `model-runtime`, started as a script starts it: JSON on stdout, what went wrong on stderr with an exit code.

use std::path::Path;
use std::process::{Command, Output};

use futures::StreamExt as _;
use model_runtime::decoder::BlockKind;
use model_runtime::weights::gguf::Gguf;
use model_runtime::{Event, GenerateRequest, ModelSource, Prompt, Runtime, RuntimeConfig, Sampling};
use serde_json::Value;

use super::tiny::{self, SIZES};
use super::vectors;

const SMOLLM2: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

fn started(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_model-runtime")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What the program prints, all of it one JSON value.
fn json(arguments: &[&str]) -> Value {
    let Output { status, stdout, stderr } = started(arguments);
    assert!(status.success(), "{arguments:?}: {}", text(&stderr));
    serde_json::from_slice(&stdout).unwrap()
}

/// What the program says when it cannot.
fn refused(arguments: &[&str], code: i32) -> String {
    let Output { status, stdout, stderr } = started(arguments);
    assert_eq!((status.code(), text(&stdout)), (Some(code), String::new()), "{arguments:?}");
    text(&stderr)
}

fn asking<'a>(model: &'a str, prompt_and_more: &[&'a str]) -> Vec<&'a str> {
    [&["generate", "--model", model, "--json", "--prompt"][..], prompt_and_more].concat()
}

fn smollm2() -> String {
    vectors::model(SMOLLM2).to_str().unwrap().to_owned()
}

fn token_ids(answer: &Value) -> Vec<u64> {
    answer["token_ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect()
}

/// llama.cpp's answer to a prompt of `prompts.json`.
fn llama_cpps(name: &str) -> Vec<u64> {
    let vectors: Value = vectors::json("llama-cpp.json");
    let case = vectors["cases"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap();
    case["greedy_ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[tokio::test]
async fn generate_prints_the_librarys_and_llama_cpps_tokens_with_their_probabilities_and_times() {
    let prompt = "Write a Python function that returns the n-th Fibonacci number.";
    // Of this answer's first tokens none is near to a tie.
    const TOKENS: u32 = 12;
    let model = smollm2();
    let count = TOKENS.to_string();
    let answer = json(&[
        "generate",
        "--model",
        &model,
        "--prompt",
        prompt,
        "--max-tokens",
        &count,
        "--temperature",
        "0",
        "--json",
    ]);
    let ids = token_ids(&answer);
    assert_eq!(ids, llama_cpps("code")[..TOKENS as usize]);
    assert_eq!(answer["finish_reason"], "length");

    let runtime = Runtime::start(RuntimeConfig::default()).unwrap();
    let handle = runtime.load("m", ModelSource::Gguf(vectors::model(SMOLLM2))).await.unwrap();
    let sampling = Sampling { logprobs: Some(0), ..Sampling::greedy() };
    let request = GenerateRequest { sampling, ..GenerateRequest::greedy(Prompt::user(prompt), TOKENS) };
    let mut generation = handle.generate(request).await.unwrap();
    let (mut whole, mut logprobs) = (String::new(), Vec::new());
    let finished = loop {
        match generation.next().await.unwrap() {
            Event::Token { text, id, logprobs: told } => {
                assert_eq!(u64::from(id), ids[logprobs.len()]);
                whole += &text;
                logprobs.push(told.unwrap().drawn);
            }
            Event::Finished(finished) => break finished,
            Event::Failed(error) => panic!("{error}"),
        }
    };
    assert_eq!(answer["text"], whole);
    let printed: Vec<f32> =
        answer["logprobs"].as_array().unwrap().iter().map(|value| number(value) as f32).collect();
    assert_eq!(printed, logprobs);
    assert!(printed.iter().all(|logprob| (-10.0..=0.0).contains(logprob)), "{printed:?}");

    let timings = &answer["timings"];
    assert_eq!(timings["prompt_tokens"], finished.prompt_tokens);
    assert_eq!(timings["completion_tokens"], TOKENS);
    let (first, total) = (number(&timings["first_token_ms"]), number(&timings["total_ms"]));
    assert!(number(&timings["queued_ms"]) <= first && 0.0 < first && first <= total, "{timings}");
    assert!(number(&answer["decode_tokens_per_second"]) > 0.0, "{answer}");
}

#[test]
fn generate_takes_a_raw_prompt_as_it_is_and_ends_at_a_stop_text() {
    let model = smollm2();
    let rust = "fn main() {\n    let numbers = vec![1, 2, 3];\n\n    for n in";
    let answer =
        json(&["generate", "--model", &model, "--prompt", rust, "--raw", "--max-tokens", "4", "--json"]);
    assert_eq!(token_ids(&answer), llama_cpps("rust")[..4]);
    assert_eq!(answer["timings"]["prompt_tokens"], 22);
    let stop = ["generate", "--model", &model, "--prompt", rust, "--raw", "--json", "--stop", "\n"];
    let answer = json(&stop);
    assert_eq!(answer["finish_reason"], "stop");
    let said = answer["text"].as_str().unwrap();
    assert!(!said.contains('\n') && said.contains("numbers"), "{said:?}");
    // Without --json, stdout is the answer.
    let plain = started(&stop.iter().filter(|argument| **argument != "--json").copied().collect::<Vec<_>>());
    assert_eq!(text(&plain.stdout).trim_end(), said.trim_end());
    assert!(text(&plain.stderr).contains("first token after"));
}

#[test]
fn bench_prints_a_row_for_every_batch() {
    let (_folder, path) = tiny::llama(3, BlockKind::Q8_0, SIZES).on_disk();
    let rows = json(&[
        "bench",
        "--model",
        path.to_str().unwrap(),
        "--batch",
        "1,3",
        "--prompt-tokens",
        "40",
        "--gen-tokens",
        "9",
        "--threads",
        "2",
        "--device",
        "cpu",
        "--rounds",
        "2",
        "--json",
    ]);
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for (row, batch) in rows.iter().zip([1_u64, 3]) {
        assert_eq!((row["batch"].as_u64(), row["prompt_tokens"].as_u64()), (Some(batch), Some(40)), "{row}");
        assert!(row["device"].as_str().unwrap().starts_with("cpu"), "{row}");
        for name in ["prefill_tokens_per_second", "decode_tokens_per_second", "total_tokens_per_second"] {
            assert!(number(&row[name]) > 0.0, "{name} of {row}");
        }
        let times =
            ["first_token_ms", "first_token_p50_ms", "first_token_p99_ms"].map(|name| number(&row[name]));
        assert!(times[0] > 0.0 && times[1] <= times[2], "{row}");
        // All but each request's first token come after the prompts, or with the last of them.
        let generated = number(&row["generated_tokens"]);
        assert!((1.0..=batch as f64 * 8.0).contains(&generated), "{row}");
    }
}

#[test]
fn inspect_tells_what_a_gguf_file_and_a_folder_of_safetensors_hold() {
    let (_folder, path) = tiny::llama(3, BlockKind::Q4_1, SIZES).on_disk();
    let gguf = json(&["inspect", path.to_str().unwrap(), "--json"]);
    assert_eq!((&gguf["format"], &gguf["version"]), (&"gguf".into(), &3.into()));
    assert_eq!(gguf["bytes"].as_u64(), Some(std::fs::metadata(&path).unwrap().len()));
    assert_eq!(gguf["sha256"], hex::encode(Gguf::open(&path).unwrap().sha256()));
    assert_eq!(gguf["metadata"]["general.architecture"], "llama");
    let of = |all: &Value, name: &str| {
        all["tensors"].as_array().unwrap().iter().find(|tensor| tensor["name"] == name).unwrap().clone()
    };
    let query = of(&gguf, "blk.1.attn_q.weight");
    assert_eq!((&query["type"], &query["sizes"]), (&"Q4_1".into(), &serde_json::json!([64, 64])));
    assert_eq!(query["bytes"], 64 * 64 / 32 * 20);

    let folder = vectors::path("families/gemma3");
    let folder = folder.to_str().unwrap();
    let tensors = json(&["inspect", folder, "--json"]);
    assert_eq!(
        (&tensors["format"], &tensors["metadata"]["sliding_window"]),
        (&"safetensors".into(), &8.into())
    );
    let embedding = of(&tensors, "model.embed_tokens.weight");
    assert_eq!((&embedding["type"], &embedding["sizes"]), (&"BF16".into(), &serde_json::json!([64, 32])));
    assert_eq!(tensors["sha256"].as_str().unwrap().len(), 64);
    let table = text(&started(&["inspect", folder]).stdout);
    assert!(table.contains("model.embed_tokens.weight") && table.contains("64 x 32"), "{table}");
}

#[test]
fn embed_prints_the_reference_vectors() {
    let reference: Value = vectors::json("embeddings/minilm.json");
    let folder = vectors::model("all-MiniLM-L6-v2");
    let cases = &reference.as_array().unwrap()[..2];
    let texts: Vec<&str> = cases.iter().map(|case| case["text"].as_str().unwrap()).collect();
    let rows = json(&["embed", "--model", folder.to_str().unwrap(), "--json", "--", texts[0], texts[1]]);
    assert_eq!(rows.as_array().unwrap().len(), 2);
    for (row, case) in rows.as_array().unwrap().iter().zip(cases) {
        assert_eq!((&row["text"], &row["tokens"]), (&case["text"], &case["tokens"]));
        let numbers =
            |value: &Value| value["vector"].as_array().unwrap().iter().map(number).collect::<Vec<_>>();
        let (found, expected) = (numbers(row), numbers(case));
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let cosine = dot(&found, &expected) / (dot(&found, &found) * dot(&expected, &expected)).sqrt();
        assert!(found.len() == 384 && cosine > 0.9999, "cosine {cosine}");
    }
}

#[test]
fn what_cannot_be_done_is_said_on_stderr_with_an_exit_code_and_nothing_on_stdout() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (absent, cut, hostile) = (at("absent.gguf"), at("cut.gguf"), at("hostile.gguf"));
    let whole = tiny::llama(3, BlockKind::Q8_0, SIZES).bytes();
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    // A header of more tensors than there are bytes in the world.
    let header = [b"GGUF".as_slice(), &3_u32.to_le_bytes(), &u64::MAX.to_le_bytes(), &u64::MAX.to_le_bytes()];
    std::fs::write(&hostile, header.concat()).unwrap();
    for path in [&absent, &cut, &hostile] {
        for command in [
            &["generate", "--model", path, "--prompt", "a", "--json"][..],
            &["bench", "--model", path, "--json"],
            &["inspect", path, "--json"],
        ] {
            let said = refused(command, 1);
            let name = Path::new(path).file_name().unwrap().to_str().unwrap();
            assert!(said.contains(name) && said.contains("Caused by"), "{command:?}: {said}");
            assert!(!said.contains("panicked"), "{command:?}: {said}");
        }
    }
    let empty = folder.path().to_str().unwrap();
    assert!(refused(&["embed", "--model", empty, "a"], 1).contains("config.json"));
    assert!(refused(&["inspect", empty], 1).contains("config.json"));

    let (_folder, good) = tiny::llama(3, BlockKind::Q8_0, SIZES).on_disk();
    let good = good.to_str().unwrap();
    assert!(refused(&asking(good, &["", "--raw"]), 1).contains("empty"));
    assert!(refused(&asking(good, &["a", "--temperature=-1"]), 1).contains("temperature"));
    let long = "a b ".repeat(8_000);
    assert!(refused(&asking(good, &[&long, "--raw"]), 1).contains("2048"));
    assert!(refused(&["generate", "--model", good], 2).contains("--prompt"));
}

//! Every family against transformers: tiny random checkpoints and their f32 logits (`tests/vectors/make-families.py`), read from
//! safetensors and, rewritten by [`super::rewrite`], from GGUF.

use std::collections::BTreeMap;

use model_runtime::burn_decoder::BurnDecoder;
use model_runtime::checkpoint::Checkpoint;
use model_runtime::decoder::{ForwardError, Model as _, Part, Step};
use model_runtime::device::ComputeDevice;
use model_runtime::families::FamilyError;
use model_runtime::weights::gguf::Gguf;
use serde::Deserialize;

use super::driver::{Sequence, fed, pages_for};
use super::{rewrite, vectors};

const NAMES: [&str; 7] = ["llama", "llama-tied", "mistral", "qwen2", "qwen2-windows", "qwen3", "gemma3"];

#[derive(Deserialize)]
struct Expected {
    tokens: Vec<u32>,
    /// By the index of the token.
    logits_after: BTreeMap<usize, Vec<f64>>,
}

fn checkpoint(name: &str) -> Checkpoint {
    Checkpoint::open(&vectors::path(&format!("families/{name}"))).unwrap()
}

fn expected(name: &str) -> Expected {
    vectors::json(&format!("families/{name}/expected.json"))
}

fn model(checkpoint: &Checkpoint) -> BurnDecoder {
    let decoder = checkpoint.decoder(4096).unwrap();
    BurnDecoder::new(decoder.spec, &decoder.weights, &ComputeDevice::cpu(), 16)
}

/// Within 1e-4 of the largest logit.
fn assert_close(rows: &[Vec<f32>], expected: &Expected, what: &str) {
    assert!(expected.logits_after.len() >= 5 && rows.len() == expected.tokens.len());
    for (row, expected) in &expected.logits_after {
        assert_eq!(rows[*row].len(), expected.len());
        let size = expected.iter().fold(0.0, |max: f64, logit| max.max(logit.abs()));
        let error =
            rows[*row].iter().zip(expected).fold(0.0, |max: f64, (f, e)| max.max((f64::from(*f) - e).abs()));
        assert!(error <= 1e-4 * size, "{what} after token {row}: off by {error} where logits reach {size}");
    }
}

#[test]
fn logits_of_safetensors_are_transformers_logits_in_every_family() {
    for name in NAMES {
        let expected = expected(name);
        let mut model = model(&checkpoint(name));
        assert_close(&fed(&mut model, &expected.tokens, &[60]), &expected, name);
    }
}

#[test]
fn logits_of_gguf_are_transformers_logits_in_every_family() {
    // Windows of Mistral and Qwen 2 have no key in GGUF.
    for name in ["llama", "llama-tied", "qwen2", "qwen3", "gemma3"] {
        let expected = expected(name);
        let gguf =
            Gguf::from_bytes(rewrite::as_gguf(&vectors::path(&format!("families/{name}"))).bytes()).unwrap();
        let mut model = model(&Checkpoint::Gguf(Box::new(gguf)));
        assert_close(&fed(&mut model, &expected.tokens, &[60]), &expected, name);
    }
}

#[test]
fn logits_do_not_depend_on_how_a_prompt_is_cut() {
    for name in ["llama", "mistral", "gemma3"] {
        let expected = expected(name);
        let mut model = model(&checkpoint(name));
        for pieces in [&[1][..], &[7, 16], &[33, 26], &[59], &[2, 2, 2, 2, 31, 1, 9]] {
            assert_close(
                &fed(&mut model, &expected.tokens, pieces),
                &expected,
                &format!("{name} in {pieces:?}"),
            );
        }
    }
}

#[test]
fn sequences_of_one_step_do_not_see_each_other() {
    for name in ["qwen3", "gemma3"] {
        let expected = expected(name);
        let mut model = model(&checkpoint(name));
        let backwards: Vec<u32> = expected.tokens.iter().rev().copied().collect();
        let alone = fed(&mut model, &backwards, &[60]);
        // Pages in no order, and interleaved.
        let (mut a, mut b) = (Sequence::on([7, 2, 11]), Sequence::on([9, 3, 0]));
        a.feed(&mut model, &expected.tokens[..20]);
        b.feed(&mut model, &backwards[..40]);
        let step = Step { parts: &[b.part(&backwards[40..]), a.part(&expected.tokens[20..])], hidden: true };
        let rows = model.forward(&step).unwrap();
        assert_eq!(rows.hidden.len(), rows.hidden_width * 60);
        let last_of_b = rows.logits(19);
        let worst = last_of_b.iter().zip(&alone[59]).fold(0.0, |max: f32, (x, y)| max.max((x - y).abs()));
        assert!(worst < 1e-3, "{name}: off by {worst}");
        let mut of_a = vec![Vec::new(); 20];
        of_a.extend((20..60).map(|row| rows.logits(row).to_vec()));
        let later = expected.logits_after.into_iter().filter(|(row, _)| *row >= 20);
        for (row, expected) in later {
            let error = of_a[row]
                .iter()
                .zip(&expected)
                .fold(0.0, |max: f64, (f, e)| max.max((f64::from(*f) - e).abs()));
            assert!(error < 2e-3, "{name} after token {row}: off by {error}");
        }
    }
}

#[test]
fn only_the_rows_asked_for_are_answered() {
    let expected = expected("qwen2");
    let mut model = model(&checkpoint("qwen2"));
    let all = fed(&mut model, &expected.tokens, &[60]);
    let sequence = Sequence::on(0..2);
    let part = Part { rows_from: 59, ..sequence.part(&expected.tokens) };
    let rows = model.forward(&Step { parts: &[part], hidden: false }).unwrap();
    assert_eq!((rows.logits.len(), rows.hidden.len()), (64, 0));
    assert!(rows.logits(0).iter().zip(&all[59]).all(|(a, b)| (a - b).abs() < 1e-3));
    let part = Part { rows_from: 60, ..sequence.part(&expected.tokens) };
    assert!(model.forward(&Step { parts: &[part], hidden: false }).unwrap().logits.is_empty());
}

#[test]
fn steps_that_do_not_fit_are_refused() {
    let mut model = model(&checkpoint("qwen2"));
    let mut forward =
        |part: Part<'_>| model.forward(&Step { parts: &[part], hidden: false }).map(|_| ()).unwrap_err();
    let fits = Part { tokens: &[1], start: 0, pages: &[0], rows_from: 0, likeliest: None };
    assert!(matches!(
        forward(Part { tokens: &[64], ..fits }),
        ForwardError::UnknownToken { token: 64, vocabulary: 64 }
    ));
    assert!(matches!(forward(Part { start: 32, ..fits }), ForwardError::Pages { positions: 33 }));
    assert!(matches!(forward(Part { pages: &[16], ..fits }), ForwardError::Pages { .. }));
    let pages: Vec<u32> = (0..pages_for(300) as u32).collect();
    assert!(matches!(
        forward(Part { start: 256, pages: &pages, ..fits }),
        ForwardError::Context { positions: 257, context_max: 256 }
    ));
}

/// A copy of a checkpoint whose `config.json` was changed.
fn changed(name: &str, change: impl Fn(&mut serde_json::Map<String, serde_json::Value>)) -> FamilyError {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(vectors::path(&format!("families/{name}"))).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let path = folder.path().join("config.json");
    let mut config = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut config);
    std::fs::write(&path, serde_json::to_vec(&config).unwrap()).unwrap();
    Checkpoint::open(folder.path()).unwrap().decoder(4096).unwrap_err()
}

#[test]
fn a_configuration_that_does_not_fit_its_weights_is_refused() {
    use serde_json::json;
    let set = |name: &str, key: &'static str, value: serde_json::Value| {
        changed(name, |config| drop(config.insert(key.to_owned(), value.clone())))
    };
    assert!(matches!(set("qwen2", "architectures", json!(["FooForCausalLM"])), FamilyError::Unknown(_)));
    assert!(matches!(
        set("qwen2", "num_hidden_layers", json!(1_000_000_000)),
        FamilyError::Configuration { .. }
    ));
    assert!(matches!(set("qwen2", "num_attention_heads", json!(0)), FamilyError::Configuration { .. }));
    assert!(matches!(set("qwen2", "num_key_value_heads", json!(3)), FamilyError::Configuration { .. }));
    assert!(matches!(set("qwen3", "head_dim", json!(1_u64 << 40)), FamilyError::Configuration { .. }));
    assert!(matches!(set("qwen2", "hidden_size", json!("wide")), FamilyError::Json(_)));
    assert!(matches!(set("qwen2", "intermediate_size", json!(40)), FamilyError::Shape { .. }));
    assert!(matches!(set("qwen2", "hidden_act", json!("relu")), FamilyError::Feature(_)));
    assert!(matches!(set("qwen2", "num_hidden_layers", json!(3)), FamilyError::Safetensors(_)));
    assert!(matches!(
        set("llama", "rope_parameters", json!({ "rope_type": "yarn", "factor": 2.0 })),
        FamilyError::Feature(_)
    ));
    assert!(matches!(
        set("gemma3", "layer_types", json!(["full_attention"])),
        FamilyError::Configuration { .. }
    ));
    // One layer less would silently be another model; so would a bias that is not added.
    assert!(matches!(set("qwen2", "num_hidden_layers", json!(1)), FamilyError::Unread(_)));
    assert!(
        matches!(set("qwen2", "architectures", json!(["LlamaForCausalLM"])), FamilyError::Unread(name) if name.ends_with("bias"))
    );
}

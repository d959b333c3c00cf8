//! Sentence embeddings against transformers (`tests/vectors/make-embeddings.py`).

use std::path::Path;

use model_runtime::device::ComputeDevice;
use model_runtime::embedder::{Embedder, EmbedderError, Pooling, Settings};
use model_runtime::families::FamilyError;
use serde::Deserialize;

use super::vectors;

#[derive(Deserialize)]
struct Case {
    text: String,
    tokens: usize,
    vector: Vec<f64>,
}

fn cosine(a: &[f32], b: &[f64]) -> f64 {
    let dot: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * b).sum();
    let length = |squares: f64| squares.sqrt();
    dot / length(a.iter().map(|a| f64::from(*a).powi(2)).sum()) / length(b.iter().map(|b| b * b).sum())
}

fn assert_vectors(folder: &Path, cases: &[Case]) {
    let embedder = Embedder::load(folder, &ComputeDevice::cpu()).unwrap();
    assert!(cases.len() >= 7);
    for case in cases {
        let found = embedder.embed(&case.text).unwrap();
        let text: String = case.text.chars().take(40).collect();
        assert_eq!((found.tokens, found.vector.len()), (case.tokens, embedder.width()), "{text:?}");
        let cosine = cosine(&found.vector, &case.vector);
        assert!(cosine > 0.9999, "{text:?}: cosine {cosine}");
        let worst = found
            .vector
            .iter()
            .zip(&case.vector)
            .fold(0.0, |max: f64, (f, e)| max.max((f64::from(*f) - e).abs()));
        assert!(worst < 1e-4, "{text:?}: off by {worst}");
    }
}

#[test]
fn vectors_of_a_tiny_model_are_transformers_vectors() {
    assert_vectors(
        &vectors::path("embeddings/tiny"),
        &vectors::json::<Vec<Case>>("embeddings/tiny/expected.json"),
    );
}

#[test]
fn vectors_of_minilm_are_transformers_vectors() {
    let folder = vectors::model("all-MiniLM-L6-v2");
    assert_vectors(&folder, &vectors::json::<Vec<Case>>("embeddings/minilm.json"));
    let embedder = Embedder::load(&folder, &ComputeDevice::cpu()).unwrap();
    let expected = Settings { tokens_max: 256, pooling: Pooling::Mean, normalized: true };
    assert_eq!((embedder.width(), *embedder.settings()), (384, expected));
}

#[test]
fn a_folder_that_is_no_encoder_is_refused() {
    let load = |path: &str| Embedder::load(&vectors::path(path), &ComputeDevice::cpu()).unwrap_err();
    assert!(matches!(
        load("families/qwen2"),
        EmbedderError::Model(FamilyError::Json(_) | FamilyError::Unknown(_))
    ));
    assert!(matches!(load("embeddings"), EmbedderError::File(_)));
}

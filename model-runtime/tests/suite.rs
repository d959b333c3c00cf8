//! Behaviour of the runtime, seen from outside.
//!
//! `real_model`, `gemma` and one test of `embeddings` need models that `scripts/get-model` puts where the tests look (by default
//! SmolLM2; `gemma-3-270m`; `all-minilm-l6-v2`). All else makes its own small files or has them in `tests/vectors`.

#[cfg(test)]
mod suite {
    mod agreement;
    mod blocks;
    mod cpu;
    mod devices;
    mod driver;
    mod echo;
    mod embeddings;
    mod families;
    mod gemma;
    mod gguf;
    mod hub;
    mod llama;
    mod long;
    mod program;
    mod real_model;
    mod reference;
    mod rewrite;
    mod serving;
    mod templates;
    mod tiny;
    mod tokenizers;
    mod vectors;
}

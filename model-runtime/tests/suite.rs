//! Behaviour of the runtime, seen from outside.
//!
//! `real_model` needs the default model's file: `scripts/get-model` puts it where the tests look. All else makes its own small files.

#[cfg(test)]
mod suite {
    mod blocks;
    mod driver;
    mod echo;
    mod embeddings;
    mod families;
    mod gguf;
    mod llama;
    mod real_model;
    mod reference;
    mod rewrite;
    mod serving;
    mod tiny;
    mod tokenizers;
    mod vectors;
}

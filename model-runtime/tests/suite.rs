//! Behaviour of the runtime, seen from outside.
//!
//! `real_model` needs the default model's file: `scripts/get-model` puts it where the tests look. All else makes its own small files.

#[cfg(test)]
mod suite {
    mod echo;
    mod gguf;
    mod llama;
    mod real_model;
    mod reference;
    mod serving;
    mod tiny;
}

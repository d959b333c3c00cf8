//! Weights in files: the GGUF reader and what its tensor types mean.

pub mod blocks;
pub mod gguf;
mod mapping;

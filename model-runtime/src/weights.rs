//! Weights in files: the readers of GGUF and safetensors, and what their tensor types mean.

pub mod blocks;
pub mod bounded;
pub mod gguf;
mod mapping;
pub mod safetensors;

//! Where tensors live, chosen once at start.
//!
//! burn's devices are values, so a CUDA device will be one more constructor here (behind the feature that compiles its kernels) and one
//! more choice in the configuration; nothing that computes names a backend.

use burn::tensor::Device;

/// A device and its name.
#[derive(Clone, Debug)]
pub struct ComputeDevice {
    tensors: Device,
    name: String,
}

impl ComputeDevice {
    /// The processor, through burn's `flex` backend.
    #[must_use]
    pub fn cpu() -> Self {
        Self { tensors: Device::flex(), name: format!("cpu ({})", std::env::consts::ARCH) }
    }

    /// What tensors are made on.
    #[must_use]
    pub fn tensors(&self) -> &Device {
        &self.tensors
    }

    /// For people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

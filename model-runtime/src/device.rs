//! Where models are computed, chosen once at start.
//!
//! Three executors stand behind [`crate::decoder::Model`]: the processor's own kernels ([`crate::cpu`]), a card's (`crate::cube`, in
//! programs built for cards), and burn's tensors ([`crate::burn_decoder`]) on the processor, which the other two are compared with.
//!
//! CUDA is in programs built with `--features cuda`. They need nothing of it to be built or to start: the driver is looked for when a
//! device is chosen, and NVRTC compiles kernels when they are first used, for which it needs CUDA's headers.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What a configuration says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum DeviceChoice {
    /// An NVIDIA card where there is one, else the processor.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// An NVIDIA card, or no start at all.
    Cuda,
    /// The processor by the way that cards take: slow, for tests of that way.
    Flex,
}

/// A device and its name.
#[derive(Clone, Debug)]
pub struct ComputeDevice {
    tensors: Device,
    name: String,
    executor: Executor,
}

/// Who computes decoders on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Executor {
    /// [`crate::cpu`].
    Kernels,
    /// [`crate::burn_decoder`].
    Tensors,
    /// [`crate::cube`], on this card.
    #[cfg(feature = "cuda")]
    Card(usize),
}

/// A device that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The program has no CUDA in it.
    #[error(
        "this program was built without CUDA: build it with `--features cuda`, or choose the device `cpu`"
    )]
    NotBuilt,
    /// No driver, or no card.
    #[error(
        "no NVIDIA card is here: look at `nvidia-smi`, pass the card into the container (--gpus all), or choose the device `cpu`"
    )]
    NoCard,
    /// NVRTC would have nothing to include.
    #[error(
        "CUDA's headers are not here: install them (a toolkit, or only cuda-cudart-dev), set CUDA_PATH to the folder that has their `include`, or choose the device `cpu`"
    )]
    NoHeaders,
}

impl DeviceChoice {
    /// Looks for the device.
    ///
    /// # Errors
    /// When [`Self::Cuda`] was chosen and cannot be had.
    pub fn find(self) -> Result<ComputeDevice, DeviceError> {
        match self {
            Self::Cpu => Ok(ComputeDevice::cpu()),
            Self::Flex => Ok(ComputeDevice { executor: Executor::Tensors, ..ComputeDevice::named("flex") }),
            Self::Cuda => cuda(),
            Self::Auto => Ok(cuda().unwrap_or_else(|error| {
                // A program built for cards is meant to find one.
                if error != DeviceError::NotBuilt {
                    tracing::warn!(%error, "models are computed on the processor");
                }
                ComputeDevice::cpu()
            })),
        }
    }
}

impl DeviceChoice {
    /// Memory of the card that models would be computed on, in bytes; `None` where they are computed in the machine's own.
    #[must_use]
    pub fn card_memory_bytes(self) -> Option<u64> {
        #[cfg(feature = "cuda")]
        if matches!(self, Self::Auto | Self::Cuda) && cuda_headers().is_some() {
            return crate::cube::card::memory(0).ok().map(|memory| memory.all);
        }
        None
    }
}

impl ComputeDevice {
    /// The processor, through its own kernels; tensors through burn's `flex` backend.
    #[must_use]
    pub fn cpu() -> Self {
        Self::named("cpu")
    }

    fn named(name: &str) -> Self {
        let name = format!("{name} ({})", std::env::consts::ARCH);
        Self { tensors: Device::flex(), name, executor: Executor::Kernels }
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

    /// Who computes decoders.
    #[must_use]
    pub fn executor(&self) -> Executor {
        self.executor
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Result<ComputeDevice, DeviceError> {
    Err(DeviceError::NotBuilt)
}

/// The first card.
#[cfg(feature = "cuda")]
fn cuda() -> Result<ComputeDevice, DeviceError> {
    use burn::tensor::DeviceType;

    // Empty without a driver too; making a device without one panics.
    let tensors = Device::enumerate(DeviceType::Cuda).into_iter().next().ok_or(DeviceError::NoCard)?;
    if cuda_headers().is_none() {
        return Err(DeviceError::NoHeaders);
    }
    let name = tensors.identity().map_or_else(|| "unnamed".to_owned(), |identity| identity.name);
    Ok(ComputeDevice { tensors, name: format!("cuda ({name})"), executor: Executor::Card(0) })
}

/// The folder of CUDA's headers: below `CUDA_PATH` where that is set, else where toolkits are usually put.
#[cfg(feature = "cuda")]
pub(crate) fn cuda_headers() -> Option<std::path::PathBuf> {
    let given = std::env::var_os("CUDA_PATH").map(std::path::PathBuf::from);
    let usual = || ["/usr/local/cuda", "/opt/cuda", "/usr"].map(std::path::PathBuf::from).to_vec();
    let folders = given.map_or_else(usual, |given| vec![given]);
    folders
        .into_iter()
        .map(|folder| folder.join("include"))
        .find(|folder| folder.join("cuda_runtime.h").exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_that_is_not_there_is_an_error_that_says_what_to_do_and_auto_falls_back() {
        let found = DeviceChoice::Auto.find().unwrap();
        match DeviceChoice::Cuda.find() {
            Err(error) => {
                assert!(error.to_string().contains("choose the device `cpu`"), "{error}");
                assert_eq!(
                    (found.executor(), found.name()),
                    (Executor::Kernels, ComputeDevice::cpu().name())
                );
            }
            Ok(card) => assert_eq!(found.name(), card.name()),
        }
    }
}

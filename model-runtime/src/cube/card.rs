//! An NVIDIA card.
#![expect(unsafe_code, reason = "buffers are handed to kernels by their addresses")]

use std::sync::Arc;

use cubecl::ir::{DeviceProperties, TargetProperties};
use cubecl::prelude::*;
use cubecl::server::Handle;
use cubecl::{CubeKernel, Device};

use super::board::Board;

/// A card, by cubecl's client. Work goes to the stream of the thread that launches it.
pub struct Card {
    client: Client,
}

/// A buffer and its words.
#[derive(Clone)]
pub struct CardBuffer {
    handle: Handle,
    words: usize,
}

impl Card {
    /// Card `index`.
    ///
    /// # Errors
    /// When it is not there, in cubecl's words.
    pub fn new(index: usize) -> Result<Self, String> {
        let device = Device::cuda(index).map_err(|error| error.to_string())?;
        Ok(Self { client: device.client() })
    }
}

impl Board for Card {
    type Buffer = CardBuffer;

    fn properties(&self) -> Arc<DeviceProperties> {
        self.client.properties_shared()
    }

    fn target(&self) -> Arc<TargetProperties> {
        self.client.target_properties_shared()
    }

    fn buffer(&mut self, words: &[u32]) -> CardBuffer {
        CardBuffer { handle: self.client.create_from_slice(u32::as_bytes(words)), words: words.len() }
    }

    fn read(&mut self, buffer: &CardBuffer, count: usize) -> Result<Vec<u32>, String> {
        let bytes = self.client.read_one(buffer.handle.clone()).map_err(|error| error.to_string())?;
        Ok(u32::from_bytes(&bytes)[..count].to_vec())
    }

    fn launch<K: CubeKernel>(
        &mut self,
        kernel: K,
        settings: KernelSettings,
        cubes: [usize; 3],
        buffers: &[&CardBuffer],
    ) {
        let mut launcher = KernelLauncher::new(settings);
        for buffer in buffers {
            // SAFETY: the handle is of so many words.
            let argument = unsafe { BufferArg::from_raw_parts(buffer.handle.clone(), buffer.words) };
            <[u32] as LaunchArg>::register(argument, &mut launcher);
        }
        let [x, y, z] = cubes.map(|count| count as u32);
        launcher.launch(CubeCount::Static(x, y, z), kernel, &self.client);
    }
}

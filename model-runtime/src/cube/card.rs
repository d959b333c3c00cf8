//! An NVIDIA card.
#![expect(unsafe_code, reason = "buffers are handed to kernels by their addresses")]

use std::ops::Range;
use std::sync::Arc;

use cubecl::bytes::Bytes;
use cubecl::client::Graph;
use cubecl::ir::{DeviceProperties, TargetProperties};
use cubecl::prelude::*;
use cubecl::server::Handle;
use cubecl::{CubeKernel, Device};

use super::board::Board;

/// A card, by cubecl's client. Work goes to the stream of the thread that launches it, which must be one and the same.
pub struct Card {
    client: Client,
}

/// A buffer and its words.
#[derive(Clone)]
pub struct CardBuffer {
    handle: Handle,
    words: usize,
}

/// A CUDA graph. The decoder that recorded it keeps its buffers for longer.
pub struct Recording(Graph);

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
    type Recording = Recording;

    fn properties(&self) -> Arc<DeviceProperties> {
        self.client.properties_shared()
    }

    fn target(&self) -> Arc<TargetProperties> {
        self.client.target_properties_shared()
    }

    fn buffer(&mut self, words: &[u32]) -> CardBuffer {
        let client = &self.client;
        // Memory of its own, which goes back when the model does.
        let handle =
            client.memory_dedicated_allocation((), |()| client.create_from_slice(u32::as_bytes(words)));
        CardBuffer { handle, words: words.len() }
    }

    fn write(&mut self, buffer: &CardBuffer, words: &[u32]) {
        let rest = (buffer.words - words.len()) * size_of::<u32>();
        let handle = buffer.handle.clone().offset_end(rest as u64);
        self.client.write(&handle, Bytes::from_bytes_vec(u32::as_bytes(words).to_vec()));
    }

    fn read(&mut self, ranges: &[(&CardBuffer, Range<usize>)]) -> Result<Vec<Vec<u32>>, String> {
        let bytes = |words: usize| (words * size_of::<u32>()) as u64;
        let handles = ranges.iter().map(|(buffer, range)| {
            let handle = buffer.handle.clone();
            handle.offset_start(bytes(range.start)).offset_end(bytes(buffer.words - range.end))
        });
        let found = self.client.read(handles.collect()).map_err(|error| error.to_string())?;
        let words = |(bytes, (_, range)): (&Bytes, &(_, Range<usize>))| {
            u32::from_bytes(bytes)[..range.len()].to_vec()
        };
        Ok(found.iter().zip(ranges).map(words).collect())
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

    fn rehearse(&mut self, work: &mut dyn FnMut(&mut Self)) -> Result<(), String> {
        self.client.graph_prepare().map_err(|error| error.to_string())?;
        work(self);
        Ok(())
    }

    fn record(&mut self, work: &mut dyn FnMut(&mut Self)) -> Result<Option<Recording>, String> {
        self.client.start_capture().map_err(|error| error.to_string())?;
        work(self);
        self.client.stop_capture().map(|graph| Some(Recording(graph))).map_err(|error| error.to_string())
    }

    fn replay(&mut self, recording: &Recording) -> Result<(), String> {
        // SAFETY: the decoder keeps every buffer it has launched kernels on as long as its recordings, and is driven by one thread.
        unsafe { recording.0.replay() }.map_err(|error| error.to_string())
    }
}

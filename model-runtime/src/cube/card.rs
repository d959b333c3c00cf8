//! An NVIDIA card.
//!
//! Kernels are written in cubecl, and compiled and launched here, not by cubecl's runtime: so kernels begin before the one before has ended
//! ([`crate::cube::order`]), what is compiled stays compiled, memory that is not there is an error, and a pass waits for nothing but its last copy.

mod driver;
mod programs;

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use cubecl::CubeKernel;
use cubecl::ir::settings::Dim3;
use cubecl::prelude::*;

use self::driver::{Context, Function, Graph, Memory, Pinned, Stream};
pub use self::programs::usual_folder;
use self::programs::{Compiler, Program};
use super::board::{Board, Grid};
use super::order;

/// Words that are on their way to the card, or back, at most; more go in turns.
const STAGED: usize = 1 << 20;

/// A card. Work on it is done in order.
pub struct Card {
    // Dropped in this order: work has ended before anything goes.
    stream: Stream,
    kernels: HashMap<KernelId, Function>,
    sent: Pinned,
    /// Words of `sent` that copies may still read.
    sent_words: usize,
    received: Pinned,
    compiler: Compiler,
    /// The first error of a launch, which returns none.
    failed: Option<String>,
    context: Arc<Context>,
}

/// A buffer.
#[derive(Clone)]
pub struct CardBuffer(Arc<Memory>);

/// A CUDA graph. The decoder that recorded it keeps its buffers for longer.
pub struct Recording(Graph);

/// Memory of a card, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardMemory {
    /// That nobody uses.
    pub free: u64,
    /// All of it.
    pub all: u64,
}

/// What card `index` has.
///
/// # Errors
/// When it is not there, in the driver's words.
pub fn memory(index: usize) -> Result<CardMemory, String> {
    let (free, all) = Context::of_card(index)?.memory()?;
    Ok(CardMemory { free: free as u64, all: all as u64 })
}

impl Card {
    /// Card `index`. Compiled kernels are kept in `folder`.
    ///
    /// # Errors
    /// When it is not there, in the driver's words.
    pub fn new(index: usize, folder: Option<PathBuf>) -> Result<Self, String> {
        let context = Context::of_card(index)?;
        Ok(Self {
            stream: Stream::new(&context)?,
            kernels: HashMap::new(),
            sent: Pinned::new(&context, STAGED)?,
            sent_words: 0,
            received: Pinned::new(&context, STAGED)?,
            compiler: Compiler::new(context.capability, folder),
            failed: None,
            context,
        })
    }

    fn start<K: CubeKernel>(
        &mut self,
        kernel: &K,
        settings: &KernelSettings,
        grid: Grid,
        buffers: &[&CardBuffer],
    ) -> Result<(), String> {
        let id = kernel.id();
        if !self.kernels.contains_key(&id) {
            let Program { code, name, shared_bytes } = self.compiler.program(kernel, grid.together)?;
            let Dim3 { x, y, z } = settings.cube_dim;
            let function = Function::new(&self.context, &code, &name, shared_bytes, [x, y, z])?;
            self.kernels.insert(id.clone(), function);
        }
        let buffers: Vec<&Memory> = buffers.iter().map(|buffer| &*buffer.0).collect();
        let early = order::early(self.context.capability);
        self.stream.launch(&self.kernels[&id], grid.cubes.map(|count| count as u32), &buffers, early)
    }

    /// What a launch has failed with.
    fn check(&mut self) -> Result<(), String> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn wait(&mut self) -> Result<(), String> {
        self.check()?;
        self.stream.wait()?;
        self.sent_words = 0;
        Ok(())
    }
}

impl Board for Card {
    type Buffer = CardBuffer;
    type Recording = Recording;

    fn shared_bytes_max(&self) -> usize {
        self.context.shared_bytes_max
    }

    fn buffer(&mut self, words: &[u32]) -> Result<CardBuffer, String> {
        let memory = Memory::new(&self.context, size_of_val(words))?;
        self.stream.upload(&memory, words)?;
        Ok(CardBuffer(Arc::new(memory)))
    }

    fn zeros(&mut self, words: usize) -> Result<CardBuffer, String> {
        let memory = Memory::new(&self.context, words * size_of::<u32>())?;
        self.stream.clear(&memory)?;
        Ok(CardBuffer(Arc::new(memory)))
    }

    fn write(&mut self, buffer: &CardBuffer, words: &[u32]) -> Result<(), String> {
        if words.len() > STAGED {
            return self.stream.upload(&buffer.0, words);
        }
        if self.sent_words + words.len() > STAGED {
            self.wait()?;
        }
        let from = self.sent_words;
        self.sent.words()[from..from + words.len()].copy_from_slice(words);
        self.sent_words += words.len();
        self.stream.write(&buffer.0, &mut self.sent, from, words.len())
    }

    fn read(
        &mut self,
        ranges: &[(&CardBuffer, Range<usize>)],
        take: &mut dyn FnMut(usize, &[u32]),
    ) -> Result<(), String> {
        // What is on its way: which range, and how many of its words.
        let mut under_way: Vec<(usize, usize)> = Vec::new();
        let mut used = 0;
        for (index, (buffer, range)) in ranges.iter().enumerate() {
            let mut from = range.start;
            while from < range.end {
                if used == STAGED {
                    self.receive(&mut under_way, take)?;
                    used = 0;
                }
                let length = (range.end - from).min(STAGED - used);
                self.stream.read(&buffer.0, from, &mut self.received, used, length)?;
                under_way.push((index, length));
                used += length;
                from += length;
            }
        }
        self.receive(&mut under_way, take)
    }

    fn launch<K: CubeKernel>(
        &mut self,
        kernel: K,
        settings: KernelSettings,
        grid: Grid,
        buffers: &[&CardBuffer],
    ) {
        if self.failed.is_none() {
            self.failed = self.start(&kernel, &settings, grid, buffers).err();
        }
    }

    fn record(&mut self, work: &mut dyn FnMut(&mut Self)) -> Result<Option<Recording>, String> {
        self.check()?;
        self.stream.begin_recording()?;
        work(self);
        let graph = self.stream.end_recording()?;
        self.check()?;
        Ok(Some(Recording(graph)))
    }

    fn replay(&mut self, recording: &Recording) -> Result<(), String> {
        self.check()?;
        self.stream.play(&recording.0)
    }
}

impl Card {
    /// Waits for copies, and takes what came.
    fn receive(
        &mut self,
        under_way: &mut Vec<(usize, usize)>,
        take: &mut dyn FnMut(usize, &[u32]),
    ) -> Result<(), String> {
        self.wait()?;
        let mut at = 0;
        for (index, length) in under_way.drain(..) {
            take(index, &self.received.words()[at..at + length]);
            at += length;
        }
        Ok(())
    }
}

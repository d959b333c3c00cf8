//! What runs kernels: a card, and in tests the processor.

use std::ops::Range;
use std::sync::Arc;

use cubecl::CubeKernel;
use cubecl::ir::{DeviceProperties, TargetProperties};
use cubecl::prelude::*;

/// Memory of words, and kernels run in order.
pub trait Board: Send + 'static {
    /// Memory on the board. A clone is the same memory.
    type Buffer: Clone + Send + Sync;

    /// Launches that were recorded, with their buffers.
    type Recording: Send;

    /// For the compiler of kernels.
    fn properties(&self) -> Arc<DeviceProperties>;

    /// The same.
    fn target(&self) -> Arc<TargetProperties>;

    /// A buffer of these words.
    fn buffer(&mut self, words: &[u32]) -> Self::Buffer;

    /// A buffer of so many words, all zero.
    fn zeros(&mut self, words: usize) -> Self::Buffer {
        self.buffer(&vec![0; words])
    }

    /// Writes a buffer's first words, after what was launched before.
    fn write(&mut self, buffer: &Self::Buffer, words: &[u32]);

    /// Words of these ranges of buffers, once everything launched before has run. Waits once, however many they are.
    ///
    /// # Errors
    /// When something launched before has failed, in the board's own words.
    fn read(&mut self, ranges: &[(&Self::Buffer, Range<usize>)]) -> Result<Vec<Vec<u32>>, String>;

    /// Runs a kernel that checks no bounds, after those launched before. Buffers are in the order of the kernel's parameters, and as long
    /// as it needs them.
    fn launch<K: CubeKernel>(
        &mut self,
        kernel: K,
        settings: KernelSettings,
        cubes: [usize; 3],
        buffers: &[&Self::Buffer],
    );

    /// Records the launches of `work` instead of running them. Just before, the same launches must have run once inside of
    /// [`Board::rehearse`]. `None` where the board cannot.
    ///
    /// # Errors
    /// When recording failed, in the board's own words.
    fn record(&mut self, work: &mut dyn FnMut(&mut Self)) -> Result<Option<Self::Recording>, String>;

    /// Runs `work`, of which a recording is about to be made.
    ///
    /// # Errors
    /// In the board's own words.
    fn rehearse(&mut self, work: &mut dyn FnMut(&mut Self)) -> Result<(), String>;

    /// Runs what was recorded.
    ///
    /// # Errors
    /// When it could not be begun, in the board's own words.
    fn replay(&mut self, recording: &Self::Recording) -> Result<(), String>;
}

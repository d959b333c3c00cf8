//! What runs kernels: a card, and in tests the processor.

use std::sync::Arc;

use cubecl::CubeKernel;
use cubecl::ir::{DeviceProperties, TargetProperties};
use cubecl::prelude::*;

/// Memory of words, and kernels run in order.
pub trait Board: Send + 'static {
    /// Memory on the board. A clone is the same memory.
    type Buffer: Clone + Send + Sync;

    /// For the compiler of kernels.
    fn properties(&self) -> Arc<DeviceProperties>;

    /// The same.
    fn target(&self) -> Arc<TargetProperties>;

    /// A buffer of these words.
    fn buffer(&mut self, words: &[u32]) -> Self::Buffer;

    /// The first `count` words of a buffer, once everything launched before has run.
    ///
    /// # Errors
    /// When something launched before has failed, in the board's own words.
    fn read(&mut self, buffer: &Self::Buffer, count: usize) -> Result<Vec<u32>, String>;

    /// Runs a kernel that checks no bounds, after those launched before. Buffers are in the order of the kernel's parameters, and as long
    /// as it needs them.
    fn launch<K: CubeKernel>(
        &mut self,
        kernel: K,
        settings: KernelSettings,
        cubes: [usize; 3],
        buffers: &[&Self::Buffer],
    );
}

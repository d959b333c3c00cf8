//! What runs kernels: a card, and in tests the processor.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use cubecl::CubeKernel;
use cubecl::ir::features::Features;
use cubecl::ir::{
    DeviceIdentity, DeviceProperties, HardwareProperties, MemoryDeviceProperties, TargetProperties,
    VectorSize,
};
use cubecl::prelude::*;

/// How often a kernel runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Cubes in each direction.
    pub cubes: [usize; 3],
    /// Cubes that one of the card's processors must have registers for at once. With two of them the next kernel's first cubes can come
    /// while this one's last still compute; with one, a cube may have all registers.
    pub together: usize,
}

impl Grid {
    /// Cubes that may have all registers of a processor.
    #[must_use]
    pub const fn new(cubes: [usize; 3]) -> Self {
        Self { cubes, together: 1 }
    }
}

/// Memory of words, and kernels run in order.
pub trait Board: Send + 'static {
    /// Memory on the board. A clone is the same memory.
    type Buffer: Clone + Send + Sync;

    /// Launches that were recorded, with their buffers.
    type Recording: Send;

    /// Bytes of shared memory that a cube may have.
    fn shared_bytes_max(&self) -> usize;

    /// A buffer of these words.
    ///
    /// # Errors
    /// When there is no memory for it, in the board's own words.
    fn buffer(&mut self, words: &[u32]) -> Result<Self::Buffer, String>;

    /// A buffer of so many words, all zero.
    ///
    /// # Errors
    /// When there is no memory for it, in the board's own words.
    fn zeros(&mut self, words: usize) -> Result<Self::Buffer, String> {
        self.buffer(&vec![0; words])
    }

    /// Writes a buffer's first words, after what was launched before.
    ///
    /// # Errors
    /// When something before has failed, in the board's own words.
    fn write(&mut self, buffer: &Self::Buffer, words: &[u32]) -> Result<(), String>;

    /// Gives `take` the words of these ranges of buffers, with the index of their range, once everything launched before has run: in order,
    /// a long range in pieces. Waits once, however many they are, unless they are very long.
    ///
    /// # Errors
    /// When something launched before has failed, in the board's own words.
    fn read(
        &mut self,
        ranges: &[(&Self::Buffer, Range<usize>)],
        take: &mut dyn FnMut(usize, &[u32]),
    ) -> Result<(), String>;

    /// Runs a kernel that checks no bounds, after those launched before. Buffers are in the order of the kernel's parameters, and as long
    /// as it needs them.
    fn launch<K: CubeKernel>(
        &mut self,
        kernel: K,
        settings: KernelSettings,
        grid: Grid,
        buffers: &[&Self::Buffer],
    );

    /// Records the launches of `work` instead of running them. The same launches must have run once before. `None` where the board cannot.
    ///
    /// # Errors
    /// When recording failed, in the board's own words.
    fn record(&mut self, work: &mut dyn FnMut(&mut Self)) -> Result<Option<Self::Recording>, String>;

    /// Runs what was recorded.
    ///
    /// # Errors
    /// When it could not be begun, in the board's own words.
    fn replay(&mut self, recording: &Self::Recording) -> Result<(), String>;
}

/// What cubecl's compiler is told of a board: the limits of NVIDIA's cards since Ampere.
#[must_use]
pub fn properties() -> Arc<DeviceProperties> {
    static PROPERTIES: LazyLock<Arc<DeviceProperties>> = LazyLock::new(|| {
        let hardware = HardwareProperties {
            load_width: 128,
            vector_register_count: None,
            plane_size_min: 32,
            plane_size_max: 32,
            max_bindings: 32,
            max_shared_memory_size: 227 << 10,
            max_cube_count: (i32::MAX.unsigned_abs(), u16::MAX.into(), u16::MAX.into()),
            max_units_per_cube: 1024,
            max_cube_dim: (1024, 1024, 64),
            num_streaming_multiprocessors: None,
            num_tensor_cores: None,
            min_tensor_cores_dim: None,
            num_cpu_cores: None,
            last_level_cache_size: None,
            max_vector_size: VectorSize::MAX,
            cube_mma_reserved_shared_memory: 0,
        };
        let identity = DeviceIdentity { name: "board".into(), fingerprint: "board".into(), physical: None };
        Arc::new(DeviceProperties::new(
            Features::default(),
            MemoryDeviceProperties::new(u64::MAX, 256),
            hardware,
            cubecl::profile::TimingMethod::Device,
            identity,
        ))
    });
    PROPERTIES.clone()
}

/// The same.
#[must_use]
pub fn target() -> Arc<TargetProperties> {
    static TARGET: LazyLock<Arc<TargetProperties>> = LazyLock::new(|| Arc::new(TargetProperties::default()));
    TARGET.clone()
}

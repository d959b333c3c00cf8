//! Of all devices.

/// What is left of a device's features.
pub mod lowered_features {
    use cubecl_core::ir::DeviceProperties;

    /// Whose features.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum GpuTarget {
        /// NVIDIA's.
        Nvptx,
    }

    /// Would take away what LLVM does not compile. It is called only where LLVM is selected, and then compiling fails with a reason.
    pub fn restrict_features(_properties: &mut DeviceProperties, _target: GpuTarget) {}
}

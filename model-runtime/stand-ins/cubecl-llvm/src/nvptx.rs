//! Of NVIDIA's devices.

/// Versions of PTX.
pub mod ptx_version {
    use std::fmt;

    /// A version of PTX. There is none that this crate emits.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum PtxVersion {}

    impl PtxVersion {
        /// The newest that a driver loads and this crate emits.
        #[must_use]
        pub fn for_driver(_driver: i32) -> Option<Self> {
            None
        }
    }

    impl fmt::Display for PtxVersion {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            match *self {}
        }
    }
}

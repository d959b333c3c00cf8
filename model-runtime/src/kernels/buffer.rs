//! Memory for weights and caches: zero at first, taken from the system page by page as it is touched, in large pages where it offers them.

use std::io;

use memmap2::MmapMut;

/// Bytes, aligned to a page.
#[derive(Debug)]
pub(super) struct Buffer(MmapMut);

/// Below this, large pages would waste more than they save.
const LARGE_BYTES: usize = 4 << 20;

impl Buffer {
    /// # Errors
    /// When the system has no memory left to promise.
    pub(super) fn zeroed(bytes: usize) -> io::Result<Self> {
        let map = MmapMut::map_anon(bytes.max(1))?;
        #[cfg(target_os = "linux")]
        if bytes >= LARGE_BYTES {
            // A wish, not a need: kernels without large pages refuse it.
            drop(map.advise(memmap2::Advice::HugePage));
        }
        Ok(Self(map))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

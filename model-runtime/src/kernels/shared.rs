//! One buffer written by several threads, each at places of its own.
#![expect(unsafe_code, reason = "threads of a team write disjoint parts of one buffer")]

use std::marker::PhantomData;

/// A mutable slice that the tasks of a team share. Each place may be touched by one task only.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a, T> {
    start: *mut T,
    length: usize,
    borrowed: PhantomData<&'a mut [T]>,
}

// SAFETY: it stands for a `&mut [T]` whose parts go to different threads; `slice` demands that they are disjoint.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(super) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), length: slice.len(), borrowed: PhantomData }
    }

    /// The part of `count` values from `from` on.
    ///
    /// # Safety
    /// While it lives, no other task may touch any of these values.
    ///
    /// # Panics
    /// When the slice does not have them.
    #[expect(clippy::mut_from_ref, reason = "the caller promises that parts are disjoint")]
    pub(super) unsafe fn slice(&self, from: usize, count: usize) -> &mut [T] {
        assert!(from <= self.length && count <= self.length - from, "a part outside of its buffer");
        // SAFETY: inside of the slice by the assertion, and disjoint from all others by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(from), count) }
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn pointer(&self) -> *mut T {
        self.start
    }
}

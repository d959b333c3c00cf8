//! The "random" source that schnorrkel asks for, made of a value we choose. See [`super`] and
//! [`super::batch`] for why that is sound in each of the two places that use it.

use rand_core::{CryptoRng, Error, RngCore, impls};

/// Repeats 32 chosen bytes.
pub(super) struct FixedRng([u8; 32]);

impl FixedRng {
    /// All zero: adds nothing to what the transcript already holds.
    pub(super) const fn zeroes() -> Self {
        Self([0; 32])
    }

    /// A value that binds whatever the caller hashed into it.
    pub(super) const fn of(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl RngCore for FixedRng {
    fn next_u32(&mut self) -> u32 {
        impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        for (to, from) in dest.iter_mut().zip(self.0.iter().cycle()) {
            *to = *from;
        }
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

impl CryptoRng for FixedRng {}

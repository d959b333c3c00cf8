//! The arithmetic of the CPU executor: the one place with `unsafe` and `std::arch`, behind safe functions that check sizes.
//!
//! Every kernel is written once, over `lanes::Lanes` (sixteen numbers at a time), and compiled for AVX-512 with VNNI, for AVX2 with FMA,
//! for NEON with and without SDOT, and for anything else; [`Isa::detect`] picks at run time. All take the same steps in the same order with fused multiplications,
//! so they give the same bits, and a number never depends on how many rows or tokens are computed beside it: an answer is the same on
//! every machine, alone and in a batch.
//!
//! `scripts/check-neon` runs the kernels' tests as an ARM processor would, under QEMU. How fast they are on ARM has not been measured.

pub mod attention;
mod buffer;
mod elementwise;
mod float_dot;
mod integer_dot;
mod lanes;
pub(crate) mod pack;
pub mod packed;
pub mod positions;
pub mod product;
pub mod quantize;
pub mod rows;
mod shared;
pub mod team;

pub use self::attention::{AttentionShape, KvPages, KvShape, PartRows};
pub use self::lanes::Isa;
pub use self::packed::PackedMatrix;
pub use self::quantize::Activations;
pub use self::team::Team;

#[cfg(test)]
mod tests;

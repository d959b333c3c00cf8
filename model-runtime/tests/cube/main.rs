//! The card's kernels against plain f64 references and transformers' logits.
//!
//! Every test compiles its kernels as for a card, to CUDA C++, and runs that source on the processor (see `host`): what a kernel computes is
//! shown here, how fast it does and whether a card agrees is not. `scripts/check-cuda-kernels` gives the same sources to NVIDIA's own
//! compiler, which needs no card either.

#[cfg(test)]
mod decoder;
#[cfg(test)]
#[path = "../suite/driver.rs"]
mod driver;
#[cfg(test)]
mod host;
#[cfg(test)]
mod paper;
#[cfg(test)]
mod product;
#[cfg(test)]
mod random;
#[cfg(test)]
#[path = "../suite/tiny.rs"]
#[expect(dead_code, reason = "the suite uses more of it")]
mod tiny;
#[cfg(test)]
#[path = "../suite/vectors.rs"]
#[expect(dead_code, reason = "the suite uses more of it")]
mod vectors;

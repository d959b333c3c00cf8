//! The card's executor: any [`crate::decoder::DecoderSpec`] on kernels of our own, written in cubecl.
//!
//! burn has no kernel for what decoding does most (a product of one row with a quantised matrix, attention of one query over pages), and
//! launches four hundred of them a step. Here a layer is about ten launches of fixed tilings, nothing is tuned at start, and all that
//! changes from step to step (tokens, positions, block tables) lies in buffers.
//!
//! The tests in `tests/cube` (`--features cuda-on-host`) compile the CUDA C++ that cubecl writes of each kernel with the system's compiler,
//! run it on the processor, and compare with plain f64; `scripts/check-cuda-kernels` gives the same sources to NVIDIA's compiler. Nothing
//! here has run on a card yet, so the engine does not serve with it: a card computes through [`crate::burn_decoder`] until this
//! decoder has been compared with it there.
//!
//! - [`product`]: thin products with matrices as the file has them (bf16, f16, f32, Q8_0, Q4_0, Q4_1);
//! - [`rows`]: norms with the residual sum, the feed-forward's gate, the rows of the embedding, capped logits;
//! - [`place`]: biases, norms of heads, rotation, and the write to the cache's pages;
//! - [`attend`]: attention over pages, query heads that share a key head together, positions divided over cubes;
//! - [`decoder`]: the model made of them, on a [`board`]: a [`card`], or the processor in tests.

#[allow(missing_docs, reason = "cubecl's macro generates items without documentation")]
pub mod attend;
pub mod board;
pub mod card;
pub mod decoder;
#[allow(missing_docs, reason = "cubecl's macro generates items without documentation")]
pub mod place;
#[allow(missing_docs, reason = "cubecl's macro generates items without documentation")]
pub mod product;
#[allow(missing_docs, reason = "cubecl's macro generates items without documentation")]
pub mod rows;
pub mod weights;

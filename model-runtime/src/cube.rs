//! The card's executor: any [`crate::decoder::DecoderSpec`] on kernels of our own, written in cubecl.
//!
//! burn has no kernel for what decoding does most (a product of a few rows with a matrix as its file has it, attention of single queries
//! over pages), and launches four hundred of them a step. Here a layer of a Llama is five launches of fixed tilings, nothing is tuned at
//! start, all that changes from step to step lies in one buffer, and a step is recorded once and replayed.
//!
//! The tests in `tests/cube` (`--features cuda-on-host`) compile the CUDA C++ that cubecl writes of each kernel with the system's compiler,
//! run it on the processor, and compare with plain f64; `scripts/check-cuda-kernels` gives the same sources to NVIDIA's compiler;
//! `model-runtime check --device cuda` compares a card's answers with the processor's. `BENCHMARKS.md` has what was measured.
//!
//! - [`packing`]: matrices in the order in which tensor cores take them; [`fragment`]: what a unit of a plane holds of them;
//! - [`product`]: products and what is done with their sums at once: residual sums, gates, rotation and the write to the cache;
//! - [`rows`]: norms, gates and embeddings where products do not do them; [`place`]: rotation, the same;
//! - [`flash`]: attention over pages, query heads that share a key head together, positions divided over planes and cubes; [`attend`]: the
//!   same without tensor cores;
//! - [`choose`]: the likeliest token, so that logits need not leave the card;
//! - [`order`]: when a kernel begins, and what it may do before the last one has ended;
//! - [`store`] and [`decoder`]: the model made of them, on a [`board`]: a [`card`], or the processor in tests; [`inputs`]: what changes.
//!
//! # Deliberately absent
//!
//! Several cards; sampling on the card other than the likeliest token (logits of all other rows are read back whole); asynchronous passes
//! (a card waits while tokens are drawn); Hopper's own matrix instructions (`wgmma`, copies by the tensor memory accelerator), which prompts
//! would be read faster with.

#[allow(missing_docs, reason = "cubecl's macro generates items without documentation")]
pub mod attend;
pub mod board;
pub mod card;
#[allow(missing_docs, reason = "cubecl's macro generates items without documentation")]
pub mod choose;
pub mod decoder;
#[allow(missing_docs, reason = "cubecl's macro generates items without documentation")]
pub mod flash;
#[allow(missing_docs, reason = "cubecl's macro generates items without documentation")]
pub mod fragment;
pub mod inputs;
#[allow(missing_docs, reason = "cubecl's macro generates items without documentation")]
pub mod order;
pub mod packing;
#[allow(missing_docs, reason = "cubecl's macro generates items without documentation")]
pub mod place;
#[allow(missing_docs, reason = "cubecl's macro generates items without documentation")]
pub mod product;
#[allow(missing_docs, reason = "cubecl's macro generates items without documentation")]
pub mod rows;
pub mod store;

use self::packing::{CHUNK, Packing, TILE, UNITS, chunks};
use crate::decoder::{DecoderSpec, DecoderWeights, MatrixView, PAGE_TOKENS};

/// Checks that kernels can compute a model of these sizes.
///
/// # Errors
/// Says which size they cannot.
pub fn check(spec: &DecoderSpec) -> Result<(), String> {
    let sizes =
        [("width", spec.hidden, 8), ("head", spec.head_dim, 4), ("feed-forward", spec.feed_forward, 2)];
    match sizes.iter().find(|(_, size, of)| !size.is_multiple_of(*of)) {
        Some((what, size, of)) => {
            Err(format!("its {what} has {size} numbers, which are no multiple of {of}"))
        }
        None => Ok(()),
    }
}

/// Bytes that weights will take.
#[must_use]
pub fn weights_bytes(weights: &DecoderWeights<MatrixView<'_>>) -> u64 {
    weights.bytes(|view| {
        let packing = Packing::of(view.kind);
        let words = packing.vectors() * UNITS * 4 + 2 * packing.scales() * 8;
        (view.rows.div_ceil(TILE) * chunks(view.columns) * words * size_of::<u32>()) as u64
    })
}

/// Bytes that one page of a model's cache takes.
#[must_use]
pub fn page_bytes(spec: &DecoderSpec, exact: bool) -> u64 {
    (PAGE_TOKENS * spec.cache_values_per_token() * if exact { 4 } else { 2 }) as u64
}

/// Bytes that passes need beside weights and cache, about.
#[must_use]
pub fn work_bytes(spec: &DecoderSpec, exact: bool) -> u64 {
    let DecoderSpec { heads, kv_heads, head_dim, hidden, feed_forward, vocabulary, context_max, .. } = *spec;
    let row = |columns: usize| chunks(columns) * CHUNK * if exact { 4 } else { 2 };
    let plain = ((heads + 2 * kv_heads) * head_dim).max(2 * feed_forward).max(hidden);
    let rows = row(hidden) + row(heads * head_dim) + row(feed_forward);
    let floats = hidden + plain + heads * head_dim * (1 + attend::SPLITS);
    let per_row = rows + 4 * floats;
    (store::ROWS_MAX * per_row + store::PICKS_MAX * 4 * vocabulary + context_max * head_dim * 4) as u64
}

//! Both executors against a plain f64 Llama, on random weights.

use std::num::NonZeroUsize;
use std::sync::Arc;

use model_runtime::burn_decoder::BurnDecoder;
use model_runtime::checkpoint::Checkpoint;
use model_runtime::cpu::{CpuConfig, CpuModel};
use model_runtime::decoder::{BlockKind, Model};
use model_runtime::device::ComputeDevice;
use model_runtime::families::FamilyError;
use model_runtime::kernels::{Isa, Team};
use model_runtime::weights::blocks::TensorType;
use model_runtime::weights::gguf::Gguf;

use super::driver::{fed, pages_for};
use super::reference;
use super::tiny::{File, Meta, Random, SIZES, Sizes, VOCABULARY, Weights, llama};

fn checkpoint(file: &File) -> Checkpoint {
    Checkpoint::Gguf(Box::new(Gguf::from_bytes(file.bytes()).unwrap()))
}

/// The plain executor and, where it rounds nothing, the kernels'.
fn executors(file: &File, kind: BlockKind, positions: usize) -> Vec<(&'static str, Box<dyn Model>)> {
    let checkpoint = checkpoint(file);
    let decoder = checkpoint.decoder(4096).unwrap();
    let pages = pages_for(positions);
    let burn = BurnDecoder::new(decoder.spec.clone(), &decoder.weights, &ComputeDevice::cpu(), pages);
    let mut executors: Vec<(_, Box<dyn Model>)> = vec![("burn", Box::new(burn))];
    if matches!(kind, BlockKind::F32 | BlockKind::F16 | BlockKind::BF16) {
        let team = Arc::new(Team::new(NonZeroUsize::new(2).unwrap()).unwrap());
        let config = CpuConfig { pages, exact_cache: true, isa: Isa::detect() };
        let cpu = CpuModel::new(decoder.spec, &decoder.weights, config, team).unwrap();
        executors.push(("kernels", Box::new(cpu)));
    }
    executors
}

fn tokens(seed: u64, count: usize) -> Vec<u32> {
    let mut random = Random::new(seed);
    (0..count).map(|_| ((random.next() + 1.0) / 2.0 * (VOCABULARY - 1) as f32) as u32).collect()
}

/// Feeds `tokens` in pieces of the given sizes, the rest one by one, and compares the last logits with the plain ones.
fn assert_plain(file: &File, sizes: Sizes, kind: BlockKind, tokens: &[u32], pieces: &[usize]) {
    let expected = reference::logits(file, sizes, tokens);
    for (name, mut model) in executors(file, kind, tokens.len()) {
        let rows = fed(&mut *model, tokens, pieces);
        assert_close(rows.last().unwrap(), &expected, &format!("{name}, {kind:?}, pieces {pieces:?}"));
    }
}

fn assert_close(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().fold(0.0, |max: f64, logit| max.max(logit.abs()));
    let error = found.iter().zip(expected).fold(0.0, |max: f64, (f, e)| max.max((f64::from(*f) - e).abs()));
    assert!(error <= 1e-4 * size, "{what}: off by {error} where logits reach {size}");
}

#[test]
fn logits_equal_the_plain_ones_for_every_tensor_type() {
    for kind in
        [BlockKind::F32, BlockKind::F16, BlockKind::BF16, BlockKind::Q4_0, BlockKind::Q4_1, BlockKind::Q8_0]
    {
        assert_plain(&llama(3, kind, SIZES), SIZES, kind, &tokens(4, 21), &[21]);
    }
}

#[test]
fn logits_do_not_depend_on_how_a_prompt_is_cut() {
    let file = llama(5, BlockKind::F32, SIZES);
    for pieces in [&[30][..], &[1][..], &[7, 16], &[29], &[2, 2, 2, 2]] {
        assert_plain(&file, SIZES, BlockKind::F32, &tokens(6, 30), pieces);
    }
}

#[test]
fn logits_after_many_pages_equal_the_plain_ones() {
    let sizes = Sizes { layers: 1, hidden: 32, feed_forward: 32, heads: 2, kv_heads: 1, context: 2048 };
    let file = llama(7, BlockKind::F32, sizes);
    assert_plain(&file, sizes, BlockKind::F32, &tokens(8, 600), &[200, 312]);
}

#[test]
fn every_way_of_sharing_key_heads_is_right() {
    for (heads, kv_heads) in [(4, 4), (4, 1), (6, 3), (1, 1)] {
        let sizes = Sizes { layers: 2, hidden: heads * 16, feed_forward: 64, heads, kv_heads, context: 64 };
        assert_plain(&llama(9, BlockKind::F32, sizes), sizes, BlockKind::F32, &tokens(10, 12), &[5, 4]);
    }
}

#[test]
fn an_output_of_its_own_is_used_instead_of_the_embedding() {
    let mut file = llama(11, BlockKind::F32, SIZES);
    let values = Random::new(12).values(SIZES.hidden * VOCABULARY, 1.0);
    let sizes = vec![SIZES.hidden, VOCABULARY];
    file.tensors.push(Weights { name: "output.weight".into(), sizes, kind: BlockKind::F16.into(), values });
    assert_plain(&file, SIZES, BlockKind::F32, &tokens(13, 9), &[9]);
}

#[test]
fn factors_of_the_rotary_frequencies_are_used() {
    let mut file = llama(14, BlockKind::F32, SIZES);
    let values = vec![1.0, 1.5, 2.0, 3.0, 4.0, 8.0, 8.0, 8.0];
    file.tensors.push(Weights {
        name: "rope_freqs.weight".into(),
        sizes: vec![8],
        kind: BlockKind::F32.into(),
        values,
    });
    assert_plain(&file, SIZES, BlockKind::F32, &tokens(15, 40), &[40]);
}

#[test]
fn a_file_that_does_not_fit_its_configuration_is_refused() {
    let refused = |change: fn(&mut File)| {
        let mut file = llama(16, BlockKind::F32, SIZES);
        change(&mut file);
        let checkpoint = checkpoint(&file);
        checkpoint.decoder(4096).map(drop).unwrap_err()
    };
    let error = refused(|file| file.tensor("blk.1.ffn_up.weight").sizes = vec![96, 64]);
    assert!(matches!(&error, FamilyError::Shape { name, .. } if name == "blk.1.ffn_up.weight"), "{error}");
    assert!(matches!(refused(|file| file.meta("llama.block_count", Meta::U32(3))), FamilyError::Gguf(_)));
    assert!(matches!(
        refused(|file| file.meta("llama.block_count", Meta::U32(0))),
        FamilyError::Configuration { .. }
    ));
    assert!(matches!(
        refused(|file| file.meta("llama.attention.head_count_kv", Meta::U32(3))),
        FamilyError::Configuration { .. }
    ));
    assert!(matches!(
        refused(|file| file.meta("llama.embedding_length", Meta::U32(u32::MAX))),
        FamilyError::Configuration { .. }
    ));
    assert!(matches!(
        refused(|file| file.meta("llama.rope.freq_base", Meta::F32(f32::NAN))),
        FamilyError::Configuration { .. }
    ));
    assert!(matches!(
        refused(|file| file.meta("llama.rope.scaling.type", Meta::Text("yarn".into()))),
        FamilyError::Feature(_)
    ));
    assert!(matches!(refused(|file| file.meta("llama.expert_count", Meta::U32(8))), FamilyError::Feature(_)));
    assert!(matches!(
        refused(|file| file.tensor("blk.0.attn_q.weight").kind = TensorType::Other(10)),
        FamilyError::Gguf(_)
    ));
}

//! The model against a plain f64 one, on random weights.

use model_runtime::arch::llama::Llama;
use model_runtime::arch::{ArchError, Model as _};
use model_runtime::decoder::BlockKind;
use model_runtime::device::ComputeDevice;
use model_runtime::weights::blocks::TensorType;
use model_runtime::weights::gguf::Gguf;

use super::reference;
use super::tiny::{File, Meta, Random, SIZES, Sizes, VOCABULARY, Weights, llama};

fn load(file: &File) -> Result<Llama, ArchError> {
    Llama::load(&Gguf::from_bytes(file.bytes()).unwrap(), &ComputeDevice::cpu(), 4096)
}

fn tokens(seed: u64, count: usize) -> Vec<u32> {
    let mut random = Random::new(seed);
    (0..count).map(|_| ((random.next() + 1.0) / 2.0 * (VOCABULARY - 1) as f32) as u32).collect()
}

/// Logits after the last token, fed in pieces of the given sizes, the rest one by one.
fn fed(model: &Llama, tokens: &[u32], pieces: &[usize]) -> Vec<f32> {
    let mut cache = model.cache();
    let mut rest = tokens;
    let mut logits = Vec::new();
    for piece in pieces.iter().copied().chain(std::iter::repeat(1)) {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at(piece.min(rest.len()));
        logits = model.logits(&model.forward(now, &mut cache));
        rest = later;
    }
    assert_eq!(cache.len(), tokens.len());
    logits
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
        let file = llama(3, kind, SIZES);
        let tokens = tokens(4, 21);
        let model = load(&file).unwrap();
        assert_close(
            &fed(&model, &tokens, &[21]),
            &reference::logits(&file, SIZES, &tokens),
            &format!("{kind:?}"),
        );
    }
}

#[test]
fn logits_do_not_depend_on_how_a_prompt_is_cut() {
    let file = llama(5, BlockKind::F32, SIZES);
    let model = load(&file).unwrap();
    let tokens = tokens(6, 30);
    let expected = reference::logits(&file, SIZES, &tokens);
    for pieces in [&[30][..], &[1][..], &[7, 16], &[29], &[2, 2, 2, 2]] {
        assert_close(&fed(&model, &tokens, pieces), &expected, &format!("{pieces:?}"));
    }
}

#[test]
fn a_cache_that_has_grown_keeps_what_it_held() {
    let sizes = Sizes { layers: 1, hidden: 32, feed_forward: 32, heads: 2, kv_heads: 1, context: 2048 };
    let file = llama(7, BlockKind::F32, sizes);
    let model = load(&file).unwrap();
    let tokens = tokens(8, 600);
    // The first allocation holds 256 positions: this grows twice, once inside of a piece and once at a single token.
    assert_close(&fed(&model, &tokens, &[200, 312]), &reference::logits(&file, sizes, &tokens), "600 tokens");
}

#[test]
fn every_way_of_sharing_key_heads_is_right() {
    for (heads, kv_heads) in [(4, 4), (4, 1), (6, 3), (1, 1)] {
        let sizes = Sizes { layers: 2, hidden: heads * 16, feed_forward: 64, heads, kv_heads, context: 64 };
        let file = llama(9, BlockKind::F32, Sizes { ..sizes });
        let tokens = tokens(10, 12);
        let model = load(&file).unwrap();
        let what = format!("{heads} heads over {kv_heads}");
        assert_close(&fed(&model, &tokens, &[5, 4]), &reference::logits(&file, sizes, &tokens), &what);
    }
}

#[test]
fn an_output_of_its_own_is_used_instead_of_the_embedding() {
    let mut file = llama(11, BlockKind::F32, SIZES);
    let values = Random::new(12).values(SIZES.hidden * VOCABULARY, 1.0);
    let sizes = vec![SIZES.hidden, VOCABULARY];
    file.tensors.push(Weights { name: "output.weight".into(), sizes, kind: BlockKind::Q8_0.into(), values });
    let tokens = tokens(13, 9);
    assert_close(
        &fed(&load(&file).unwrap(), &tokens, &[9]),
        &reference::logits(&file, SIZES, &tokens),
        "untied",
    );
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
    let tokens = tokens(15, 40);
    assert_close(
        &fed(&load(&file).unwrap(), &tokens, &[40]),
        &reference::logits(&file, SIZES, &tokens),
        "factors",
    );
}

#[test]
fn a_file_that_does_not_fit_its_configuration_is_refused() {
    let refused = |change: fn(&mut File)| {
        let mut file = llama(16, BlockKind::F32, SIZES);
        change(&mut file);
        load(&file).unwrap_err()
    };
    let error = refused(|file| file.tensor("blk.1.ffn_up.weight").sizes = vec![96, 64]);
    assert!(matches!(&error, ArchError::Shape { name, .. } if name == "blk.1.ffn_up.weight"), "{error}");
    assert!(matches!(refused(|file| file.meta("llama.block_count", Meta::U32(3))), ArchError::Weights(_)));
    assert!(matches!(
        refused(|file| file.meta("llama.block_count", Meta::U32(0))),
        ArchError::Configuration { .. }
    ));
    assert!(matches!(
        refused(|file| file.meta("llama.attention.head_count_kv", Meta::U32(3))),
        ArchError::Configuration { .. }
    ));
    assert!(matches!(
        refused(|file| file.meta("llama.embedding_length", Meta::U32(u32::MAX))),
        ArchError::Configuration { .. }
    ));
    assert!(matches!(
        refused(|file| file.meta("llama.rope.freq_base", Meta::F32(f32::NAN))),
        ArchError::Configuration { .. }
    ));
    assert!(matches!(
        refused(|file| file.meta("llama.rope.scaling.type", Meta::Text("yarn".into()))),
        ArchError::Feature(_)
    ));
    assert!(matches!(refused(|file| file.meta("llama.expert_count", Meta::U32(8))), ArchError::Feature(_)));
    assert!(matches!(
        refused(|file| file.tensor("blk.0.attn_q.weight").kind = TensorType::Other(10)),
        ArchError::Weights(_)
    ));
}

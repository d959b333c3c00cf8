//! The decoder against transformers' logits (`tests/vectors/make-families.py`) and burn's tensors.

use std::collections::BTreeMap;

use model_runtime::burn_decoder::BurnDecoder;
use model_runtime::checkpoint::Checkpoint;
use model_runtime::cube::decoder::CubeDecoder;
use model_runtime::decoder::{BlockKind, Model, Part, Place, Step};
use model_runtime::device::ComputeDevice;
use model_runtime::sampling::argmax;
use serde::Deserialize;

use super::driver::{Sequence, fed};
use super::host::Host;
use super::random::{Random, assert_close};
use super::tiny::{Sizes, VOCABULARY, llama};
use super::vectors;

const PAGES: usize = 24;

#[derive(Deserialize)]
struct Expected {
    tokens: Vec<u32>,
    /// By the index of the token.
    logits_after: BTreeMap<usize, Vec<f64>>,
}

#[test]
fn logits_are_transformers_logits_in_every_family() {
    for name in ["llama", "qwen2", "qwen3", "gemma3"] {
        let files = Checkpoint::open(&vectors::path(&format!("families/{name}"))).unwrap();
        let decoder = files.decoder(64).unwrap();
        let Expected { tokens, logits_after } = vectors::json(&format!("families/{name}/expected.json"));
        let mut model = CubeDecoder::new(decoder.spec, &decoder.weights, Host, PAGES, true).unwrap();
        let found = fed(&mut model, &tokens, &[3, 1, 60]);
        for (after, expected) in &logits_after {
            assert_close(&found[*after], expected, 1e-4, &format!("{name}, after token {after}"));
        }
    }
}

/// A model of heads of 64 numbers, as tensor cores take them.
const SIZES: Sizes = Sizes { layers: 1, hidden: 256, feed_forward: 128, heads: 4, kv_heads: 2, context: 128 };

#[test]
fn rows_have_the_same_bits_however_a_prompt_is_cut_and_beside_others() {
    let (_folder, path) = llama(8, BlockKind::BF16, SIZES).on_disk();
    let files = Checkpoint::open(&path).unwrap();
    let decoder = files.decoder(128).unwrap();
    let mut reference =
        BurnDecoder::new(decoder.spec.clone(), &decoder.weights, &ComputeDevice::cpu(), PAGES);
    let mut random = Random(9);
    let tokens: Vec<u32> = (0..72).map(|_| random.among(0..VOCABULARY) as u32).collect();
    let expected = fed(&mut reference, &tokens, &[72]);
    let mut model = CubeDecoder::new(decoder.spec, &decoder.weights, Host, PAGES, false).unwrap();
    // More rows than a thin product has, and the last two alone.
    let whole = fed(&mut model, &tokens, &[70]);
    for (position, (found, expected)) in whole.iter().zip(&expected).enumerate() {
        let expected: Vec<f64> = expected.iter().copied().map(f64::from).collect();
        assert_close(found, &expected, 4e-2, &format!("position {position}"));
    }
    // The same in other pages, and in few rows at a time.
    let mut second = Sequence::on(10..13);
    second.feed(&mut model, &tokens[..70]);
    let mut third = Sequence::on(13..16);
    assert!(third.feed(&mut model, &tokens[..6]) == whole[..6], "few rows give other bits than many");
    let parts = [second.part(&tokens[70..71]), third.part(&tokens[6..8])];
    let rows = model.forward(&Step { parts: &parts, hidden: true }).unwrap();
    assert_eq!((rows.hidden(2).len(), rows.hidden_width), (SIZES.hidden, SIZES.hidden));
    for (row, position) in [70, 6, 7].into_iter().enumerate() {
        assert!(rows.logits(row) == whole[position], "position {position} beside others");
    }

    // The likeliest tokens alone, beside a row whose logits are wanted.
    let best = argmax(&whole[70]).unwrap();
    let mut without = whole[70].clone();
    without[best as usize] = f32::NEG_INFINITY;
    let forbidden = [best];
    let parts = [
        Part { likeliest: Some(&[]), ..second.part(&tokens[70..71]) },
        third.part(&tokens[6..7]),
        Part { likeliest: Some(&forbidden), ..second.part(&tokens[70..71]) },
    ];
    let rows = model.forward(&Step { parts: &parts, hidden: false }).unwrap();
    assert_eq!(rows.place(0), Place::Likeliest(Some(best)));
    assert!(rows.logits(1) == whole[6]);
    assert_eq!(rows.place(2), Place::Likeliest(argmax(&without)));
}

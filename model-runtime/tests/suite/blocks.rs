//! Blocks of quantised weights against the numbers gguf-py makes of them (`tests/vectors/make-blocks.py`).

use model_runtime::decoder::BlockKind;
use serde::Deserialize;

use super::vectors;

#[derive(Deserialize)]
struct Case {
    kind: String,
    bytes: String,
    weights: String,
}

#[test]
fn every_kind_of_block_expands_to_the_reference_s_numbers_to_the_bit() {
    let cases: Vec<Case> = vectors::json("blocks.json");
    let mut seen = Vec::new();
    for case in &cases {
        let kind = BlockKind::all().find(|kind| kind.name() == case.kind).unwrap();
        let expected = hex::decode(&case.weights).unwrap();
        let found: Vec<u8> = kind
            .dequantize(&hex::decode(&case.bytes).unwrap())
            .iter()
            .flat_map(|w| w.to_le_bytes())
            .collect();
        for (i, (found, expected)) in found.chunks(4).zip(expected.chunks(4)).enumerate() {
            assert_eq!(hex::encode(found), hex::encode(expected), "{} weight {i}", case.kind);
        }
        assert_eq!(found.len(), expected.len(), "{}", case.kind);
        seen.push(kind);
    }
    let missing: Vec<_> =
        BlockKind::all().filter(|kind| !seen.contains(kind) && *kind != BlockKind::F32).collect();
    assert!(missing.is_empty(), "no vectors for {missing:?}");
}

#[test]
fn large_tensors_are_expanded_in_pieces_that_fit_together() {
    // More weights than one thread expands at a time, and not a multiple of it.
    let block: Vec<u8> = (0..=209).collect();
    let bytes = block.repeat(1000);
    let all = BlockKind::Q6K.dequantize(&bytes);
    let one = BlockKind::Q6K.dequantize(&block);
    assert!(all.chunks(256).all(|chunk| chunk.iter().zip(&one).all(|(a, b)| a.to_bits() == b.to_bits())));
    assert_eq!(all.len(), 256_000);
}

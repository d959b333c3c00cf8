//! The CPU executor: transformers' logits in every family, the burn executor's on quantised weights, and the same bits however sequences
//! are cut and grouped.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use model_runtime::burn_decoder::BurnDecoder;
use model_runtime::checkpoint::Checkpoint;
use model_runtime::cpu::{CpuConfig, CpuModel};
use model_runtime::decoder::{BlockKind, ForwardError, Model as _, Part, Step};
use model_runtime::device::ComputeDevice;
use model_runtime::kernels::{Isa, Team};
use model_runtime::weights::gguf::Gguf;
use serde::Deserialize;

use super::driver::{Sequence, fed};
use super::tiny::{SIZES, llama};
use super::vectors;

#[derive(Deserialize)]
struct Expected {
    tokens: Vec<u32>,
    /// By the index of the token.
    logits_after: BTreeMap<usize, Vec<f64>>,
}

fn cpu(checkpoint: &Checkpoint, exact_cache: bool, isa: Isa) -> CpuModel {
    let decoder = checkpoint.decoder(4096).unwrap();
    let team = Arc::new(Team::new(NonZeroUsize::new(2).unwrap()).unwrap());
    CpuModel::new(decoder.spec, &decoder.weights, CpuConfig { pages: 16, exact_cache, isa }, team).unwrap()
}

fn quantised(kind: BlockKind) -> Checkpoint {
    let file = llama(21, kind, SIZES);
    Checkpoint::Gguf(Box::new(Gguf::from_bytes(file.bytes()).unwrap()))
}

#[test]
fn logits_are_transformers_logits_in_every_family() {
    for name in ["llama", "llama-tied", "mistral", "qwen2", "qwen2-windows", "qwen3", "gemma3"] {
        let expected: Expected = vectors::json(&format!("families/{name}/expected.json"));
        let checkpoint = Checkpoint::open(&vectors::path(&format!("families/{name}"))).unwrap();
        let rows = fed(&mut cpu(&checkpoint, true, Isa::detect()), &expected.tokens, &[60]);
        assert!(expected.logits_after.len() >= 5);
        for (row, expected) in &expected.logits_after {
            let size = expected.iter().fold(0.0, |max: f64, logit| max.max(logit.abs()));
            let off = rows[*row].iter().zip(expected).map(|(found, e)| (f64::from(*found) - e).abs());
            let worst = off.fold(0.0, f64::max);
            assert!(
                worst <= 1e-4 * size,
                "{name} after token {row}: off by {worst} where logits reach {size}"
            );
        }
    }
}

#[test]
fn logits_have_the_same_bits_however_a_sequence_is_cut_and_on_every_instruction_set() {
    let tokens: Vec<u32> = (0..90).map(|i| 60 + i * 7 % 200).collect();
    for kind in [BlockKind::Q4_1, BlockKind::F16, BlockKind::F32] {
        let checkpoint = quantised(kind);
        let whole = fed(&mut cpu(&checkpoint, false, Isa::detect()), &tokens, &[90]);
        for pieces in [&[1][..], &[33, 57], &[5, 60, 2]] {
            assert!(
                fed(&mut cpu(&checkpoint, false, Isa::detect()), &tokens, pieces) == whole,
                "{kind:?} {pieces:?}"
            );
        }
        for isa in Isa::all() {
            assert!(
                fed(&mut cpu(&checkpoint, false, isa), &tokens, &[90]) == whole,
                "{kind:?} {}",
                isa.name()
            );
        }
    }
}

#[test]
fn logits_have_the_same_bits_alone_and_beside_others() {
    let mut model = cpu(&quantised(BlockKind::Q8_0), false, Isa::detect());
    let prompts: Vec<Vec<u32>> =
        (0..9).map(|s| (0..20 + s).map(|i| 60 + (i * s + i) % 200).collect()).collect();
    let alone: Vec<Vec<f32>> =
        prompts.iter().map(|p| fed(&mut model, p, &[p.len()]).pop().unwrap()).collect();
    let sequences: Vec<Sequence> = (0..9).rev().map(|page| Sequence::on([page])).collect();
    let parts: Vec<Part<'_>> = sequences
        .iter()
        .zip(&prompts)
        .map(|(sequence, prompt)| Part { rows_from: prompt.len() - 1, ..sequence.part(prompt) })
        .collect();
    let rows = model.forward(&Step { parts: &parts, hidden: true }).unwrap();
    for (index, alone) in alone.iter().enumerate() {
        assert!(rows.logits(index) == alone, "sequence {index}");
        assert_eq!(rows.hidden(index).len(), SIZES.hidden);
    }
}

#[test]
fn quantised_weights_give_the_reference_executors_logits_but_for_rounded_rows() {
    let tokens: Vec<u32> = (0..40).map(|i| 60 + i * 7 % 200).collect();
    for (kind, tolerance) in
        [(BlockKind::F16, 2e-3), (BlockKind::Q8_0, 0.05), (BlockKind::Q4_0, 0.05), (BlockKind::Q4_1, 0.05)]
    {
        let checkpoint = quantised(kind);
        let decoder = checkpoint.decoder(4096).unwrap();
        let mut burn = BurnDecoder::new(decoder.spec, &decoder.weights, &ComputeDevice::cpu(), 16);
        let reference = fed(&mut burn, &tokens, &[40]);
        let rows = fed(&mut cpu(&checkpoint, false, Isa::detect()), &tokens, &[40]);
        let size = reference.iter().flatten().fold(0.0_f32, |max, logit| max.max(logit.abs()));
        let off = rows.iter().flatten().zip(reference.iter().flatten()).map(|(a, b)| (a - b).abs());
        let worst = off.fold(0.0, f32::max) / size;
        assert!(worst < tolerance, "{kind:?}: off by {worst} of the largest logit");
    }
}

#[test]
fn a_step_that_does_not_fit_is_refused() {
    let mut model = cpu(&quantised(BlockKind::Q8_0), false, Isa::detect());
    let mut refused = |tokens: &[u32], start: usize, pages: &[u32]| {
        model
            .forward(&Step {
                parts: &[Part { tokens, start, pages, rows_from: 0, likeliest: None }],
                hidden: false,
            })
            .unwrap_err()
    };
    assert!(matches!(refused(&[9999], 0, &[0]), ForwardError::UnknownToken { token: 9999, .. }));
    assert!(matches!(refused(&[70], 32, &[0]), ForwardError::Pages { positions: 33 }));
    assert!(matches!(refused(&[70], 0, &[16]), ForwardError::Pages { positions: 1 }));
    assert!(matches!(refused(&[70; 40], 2040, &[0; 80]), ForwardError::Context { positions: 2080, .. }));
}

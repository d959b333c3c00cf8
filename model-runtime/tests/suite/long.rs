//! Sequences of more than 4,096 positions, with and without windows, alone and beside others; and prompts of no length and of too great a
//! one. The reference is f64 written down plainly ([`super::reference`]).

use std::num::NonZeroUsize;
use std::sync::Arc;

use futures::StreamExt as _;
use model_runtime::burn_decoder::BurnDecoder;
use model_runtime::checkpoint::{Checkpoint, Decoder};
use model_runtime::cpu::{CpuConfig, CpuModel};
use model_runtime::decoder::{BlockKind, Model, Part, Step};
use model_runtime::device::ComputeDevice;
use model_runtime::kernels::{Isa, Team};
use model_runtime::weights::gguf::Gguf;
use model_runtime::{
    Event, FinishReason, GenerateError, GenerateRequest, ModelSource, Prompt, Runtime, RuntimeConfig,
};

use super::driver::{Sequence, fed, pages_for};
use super::reference;
use super::tiny::{self, File, Sizes};

const POSITIONS: usize = 4500;
/// Neither a multiple of a page nor of anything else.
const WINDOW: usize = 1021;

fn sizes(layers: usize) -> Sizes {
    Sizes { layers, hidden: 16, feed_forward: 16, heads: 1, kv_heads: 1, context: 8192 }
}

fn tokens(step: u32) -> Vec<u32> {
    (0..POSITIONS as u32).map(|i| i * step % tiny::VOCABULARY as u32).collect()
}

fn opened(file: &File) -> Checkpoint {
    Checkpoint::Gguf(Box::new(Gguf::from_bytes(file.bytes()).unwrap()))
}

/// GGUF has a key for windows in Gemma only; what is computed is the same for every family.
fn windowed<'a>(checkpoint: &'a Checkpoint, windows: &[Option<usize>]) -> Decoder<'a> {
    let mut decoder = checkpoint.decoder(8192).unwrap();
    for (layer, window) in decoder.spec.layers.iter_mut().zip(windows) {
        layer.window = *window;
    }
    decoder
}

fn kernels(decoder: Decoder<'_>, pages: usize) -> CpuModel {
    let team = Arc::new(Team::new(NonZeroUsize::new(2).unwrap()).unwrap());
    let config = CpuConfig { pages, exact_cache: true, isa: Isa::detect() };
    CpuModel::new(decoder.spec, &decoder.weights, config, team).unwrap()
}

/// Both executors, given 4,500 tokens in pieces of which none ends where a page or a window does, against the plain ones.
fn assert_last_logits(windows: &[Option<usize>]) {
    let sizes = sizes(windows.len());
    let file = tiny::llama(31, BlockKind::F32, sizes);
    let checkpoint = opened(&file);
    let decoder = windowed(&checkpoint, windows);
    let (tokens, pages) = (tokens(7919), pages_for(POSITIONS));
    let burn = BurnDecoder::new(decoder.spec.clone(), &decoder.weights, &ComputeDevice::cpu(), pages);
    let kernels = kernels(decoder, pages);
    let expected = reference::logits_with_windows(&file, sizes, &tokens, windows);
    let size = expected.iter().fold(0.0, |max: f64, logit| max.max(logit.abs()));
    let executors: [(_, Box<dyn Model>); 2] = [("burn", Box::new(burn)), ("kernels", Box::new(kernels))];
    for (name, mut model) in executors {
        let rows = fed(&mut *model, &tokens, &[500; 8]);
        let off = rows[POSITIONS - 1].iter().zip(&expected).map(|(found, e)| (f64::from(*found) - e).abs());
        let error = off.fold(0.0, f64::max);
        assert!(error <= 1e-4 * size, "{name}, {windows:?}: off by {error} where logits reach {size}");
    }
}

#[test]
fn logits_past_4096_positions_equal_the_plain_ones() {
    assert_last_logits(&[None]);
}

#[test]
fn logits_past_4096_positions_equal_the_plain_ones_where_layers_see_windows() {
    assert_last_logits(&[Some(WINDOW), None]);
    assert_last_logits(&[Some(4096)]);
}

#[test]
fn long_sequences_with_windows_have_the_same_bits_alone_and_beside_others() {
    let windows = [Some(WINDOW), None];
    let file = tiny::llama(37, BlockKind::Q4_1, Sizes { hidden: 32, feed_forward: 32, ..sizes(2) });
    let checkpoint = opened(&file);
    let each = pages_for(POSITIONS) as u32;
    let mut model = kernels(windowed(&checkpoint, &windows), 3 * each as usize);
    let texts = [tokens(7919), tokens(104_729), tokens(31)];
    // How far each has come when the others begin: one is past the window and past 4,096 positions from the start.
    let begun = [4200, 900, 0];
    let alone: Vec<Vec<Vec<f32>>> = texts.iter().map(|text| fed(&mut model, text, &[4000, 499])).collect();
    let mut sequences: Vec<Sequence> =
        (0..3).map(|index| Sequence::on((index * each..(index + 1) * each).rev())).collect();
    for ((sequence, text), begun) in sequences.iter_mut().zip(&texts).zip(begun) {
        text[..begun].chunks(613).for_each(|piece| drop(sequence.feed(&mut model, piece)));
    }
    let ends = [4500, 1100, 300];
    let parts: Vec<Part<'_>> = sequences
        .iter()
        .zip(&texts)
        .zip(begun.into_iter().zip(ends))
        .map(|((sequence, text), (begun, end))| sequence.part(&text[begun..end]))
        .collect();
    let rows = model.forward(&Step { parts: &parts, hidden: false }).unwrap();
    let mut row = 0;
    for (index, (begun, end)) in begun.into_iter().zip(ends).enumerate() {
        for (position, expected) in alone[index].iter().enumerate().take(end).skip(begun) {
            assert!(rows.logits(row) == expected, "sequence {index}, position {position}");
            row += 1;
        }
    }
    assert_eq!(row, 300 + 200 + 300);
}

#[tokio::test]
async fn an_empty_prompt_and_one_past_the_context_are_refused_and_the_longest_is_answered() {
    let (_folder, path) = tiny::llama(5, BlockKind::F16, sizes(1)).on_disk();
    let config = RuntimeConfig { context_tokens_max: 8192, ..RuntimeConfig::default() };
    let runtime = Runtime::start(config).unwrap();
    let model = runtime.load("tiny", ModelSource::Gguf(path)).await.unwrap();
    let ask = |prompt: Prompt| model.generate(GenerateRequest::greedy(prompt, 4));
    for empty in [Prompt::Tokens(Vec::new()), Prompt::Text(String::new())] {
        assert!(matches!(ask(empty).await.unwrap_err(), GenerateError::EmptyPrompt));
    }
    let long = |count: usize| Prompt::Tokens(vec![70; count]);
    assert!(matches!(
        ask(long(8192)).await.unwrap_err(),
        GenerateError::PromptTooLong { prompt_tokens: 8192, context_tokens: 8192 }
    ));
    // Ten megabytes are refused before they are encoded.
    let huge = ask(Prompt::Text("a b ".repeat(2_500_000))).await.unwrap_err();
    assert!(matches!(huge, GenerateError::PromptTooLong { context_tokens: 8192, .. }), "{huge:?}");
    let mut generation = ask(long(8190)).await.unwrap();
    let finished = loop {
        match generation.next().await.expect("an answer ends with Finished") {
            Event::Token { .. } => {}
            Event::Finished(finished) => break finished,
            Event::Failed(error) => panic!("{error}"),
        }
    };
    assert_eq!((finished.prompt_tokens, finished.reason), (8190, FinishReason::Length));
    assert!((1..=2).contains(&finished.completion_tokens), "{finished:?}");
}

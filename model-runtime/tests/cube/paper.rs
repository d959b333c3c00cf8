//! A board that only compiles: what a model of great sizes would launch, none of which the processor could run in time.

use std::ops::Range;

use cubecl::CubeKernel;
use cubecl::prelude::*;
use model_runtime::cube::board::{Board, Grid};
use model_runtime::cube::decoder::{CubeDecoder, Kinds};
use model_runtime::decoder::{
    Activation, BlockKind, DecoderSpec, DecoderWeights, LayerSpec, LayerWeights, MatrixView, Model, Part,
    RopePairing, RopeSpec, Step,
};

use super::host::written;

/// Bytes of shared memory of each kernel that was launched.
#[derive(Default)]
struct Paper {
    launched: std::sync::Arc<std::sync::Mutex<Vec<usize>>>,
}

impl Board for Paper {
    type Buffer = usize;
    type Recording = ();

    fn shared_bytes_max(&self) -> usize {
        227 << 10
    }

    fn buffer(&mut self, words: &[u32]) -> Result<usize, String> {
        Ok(words.len())
    }

    fn zeros(&mut self, words: usize) -> Result<usize, String> {
        Ok(words)
    }

    fn write(&mut self, buffer: &usize, words: &[u32]) -> Result<(), String> {
        assert!(words.len() <= *buffer, "written past a buffer's end");
        Ok(())
    }

    fn read(
        &mut self,
        ranges: &[(&usize, Range<usize>)],
        take: &mut dyn FnMut(usize, &[u32]),
    ) -> Result<(), String> {
        for (index, (buffer, range)) in ranges.iter().enumerate() {
            assert!(range.end <= **buffer, "read past a buffer's end");
            take(index, &vec![0; range.len()]);
        }
        Ok(())
    }

    fn launch<K: CubeKernel>(&mut self, kernel: K, settings: KernelSettings, grid: Grid, _: &[&usize]) {
        let compiled = written(&kernel, grid.together);
        assert!(grid.cubes.iter().all(|count| (1..=65_535).contains(count)), "{grid:?}");
        assert!(settings.cube_dim.num_elems() <= 1024);
        self.launched.lock().unwrap().push(compiled.shared_memory_size);
    }

    fn record(&mut self, _: &mut dyn FnMut(&mut Self)) -> Result<Option<()>, String> {
        Ok(None)
    }

    fn replay(&mut self, (): &()) -> Result<(), String> {
        unreachable!("nothing is recorded")
    }
}

/// Zeros of a matrix, at the beginning of what is given.
fn zeros(kind: BlockKind, rows: usize, columns: usize, bytes: &[u8]) -> MatrixView<'_> {
    let length = rows * columns / kind.weights() * kind.bytes();
    MatrixView::new(rows, columns, kind, &bytes[..length]).unwrap()
}

#[test]
fn kernels_of_a_model_of_a_billion_weights_fit_into_a_card_for_few_rows_and_many() {
    // A layer of Llama 3.2 1B.
    let (hidden, feed_forward, heads, kv_heads, head_dim, vocabulary) = (2048, 8192, 32, 8, 64, 512);
    let rope =
        RopeSpec { frequencies: vec![1.0; head_dim / 2], magnitude: 1.0, pairing: RopePairing::Halves };
    let spec = DecoderSpec {
        vocabulary,
        hidden,
        heads,
        kv_heads,
        head_dim,
        feed_forward,
        context_max: 1024,
        norm_epsilon: 1e-5,
        activation: Activation::Silu,
        embedding_scale: 1.0,
        attention_scale: 0.125,
        layers: vec![LayerSpec { rope, window: None }],
        final_logit_softcap: None,
    };
    let bytes = vec![0; hidden * feed_forward * 2];
    for kind in [BlockKind::BF16, BlockKind::Q8_0, BlockKind::Q4_1] {
        let matrix = |rows, columns| zeros(kind, rows, columns, &bytes);
        let norm = vec![1.0; hidden];
        let weights = DecoderWeights {
            embedding: matrix(vocabulary, hidden),
            output: None,
            output_norm: norm.clone(),
            layers: vec![LayerWeights {
                attention_norm: norm.clone(),
                q: matrix(heads * head_dim, hidden),
                k: matrix(kv_heads * head_dim, hidden),
                v: matrix(kv_heads * head_dim, hidden),
                o: matrix(hidden, heads * head_dim),
                q_bias: None,
                k_bias: None,
                v_bias: None,
                q_norm: None,
                k_norm: None,
                post_attention_norm: None,
                feed_forward_norm: norm,
                gate: matrix(feed_forward, hidden),
                up: matrix(feed_forward, hidden),
                down: matrix(hidden, feed_forward),
                post_feed_forward_norm: None,
            }],
        };
        let paper = Paper::default();
        let launched = paper.launched.clone();
        let mut model = CubeDecoder::new(spec.clone(), &weights, paper, 64, false).unwrap();
        let pages: Vec<u32> = (0..64).collect();
        for rows in [1, 8, 32, 64, 128, 512] {
            let tokens = vec![2; rows];
            let part =
                Part { tokens: &tokens, start: 0, pages: &pages, rows_from: rows - 1, likeliest: None };
            model.forward(&Step { parts: &[part], hidden: false }).unwrap();
        }
        for division in 1..=4 {
            model.restrict(Kinds { division, ..Kinds::all() });
            let part = Part { tokens: &[2], start: 0, pages: &pages, rows_from: 0, likeliest: None };
            model.forward(&Step { parts: &[part], hidden: false }).unwrap();
        }
        let launched = launched.lock().unwrap();
        assert!(launched.len() >= 6 * 8 && launched.iter().all(|bytes| *bytes <= 227 << 10), "{launched:?}");
    }
}

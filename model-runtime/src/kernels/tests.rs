//! Every kernel on every instruction set against plain f64, on random sizes; and all of them against each other, bit by bit.

use std::num::NonZeroUsize;

use half::{bf16, f16};

use super::attention::attend;
use super::positions::{Placing, Turns, place};
use super::product::multiply;
use super::rows::{Norm, add, gate, norm};
use super::*;
use crate::decoder::{Activation, BlockKind, MatrixView, PAGE_TOKENS, RopePairing, RopeScaling, RopeSpec};

const KINDS: [BlockKind; 11] = [
    BlockKind::F32,
    BlockKind::F16,
    BlockKind::BF16,
    BlockKind::Q4_0,
    BlockKind::Q4_1,
    BlockKind::Q5_0,
    BlockKind::Q5_1,
    BlockKind::Q8_0,
    BlockKind::Q4K,
    BlockKind::Q5K,
    BlockKind::Q6K,
];

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    fn number(&mut self) -> f32 {
        self.below(2_000_001) as f32 / 1e6 - 1.0
    }

    fn numbers(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.number()).collect()
    }
}

fn team() -> Team {
    Team::new(NonZeroUsize::new(3).unwrap()).unwrap()
}

/// Random bytes of a kind: any block is a valid one, but its f16 scales must be of a sane size.
fn bytes(random: &mut Random, kind: BlockKind, weights: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..weights / kind.weights() {
        let mut block: Vec<u8> = (0..kind.bytes()).map(|_| random.below(256) as u8).collect();
        let scale = |block: &mut [u8], at: usize, value: f32| {
            block[at..at + 2].copy_from_slice(&f16::from_f32(value).to_le_bytes());
        };
        match kind {
            BlockKind::F32 => block = random.number().to_le_bytes().to_vec(),
            BlockKind::F16 => block = f16::from_f32(random.number()).to_le_bytes().to_vec(),
            BlockKind::BF16 => block = bf16::from_f32(random.number()).to_le_bytes().to_vec(),
            BlockKind::Q6K => scale(&mut block, 208, random.number() / 500.0),
            _ => {
                scale(&mut block, 0, random.number() / 20.0);
                if matches!(kind, BlockKind::Q4_1 | BlockKind::Q5_1 | BlockKind::Q4K | BlockKind::Q5K) {
                    scale(&mut block, 2, random.number() / 20.0);
                }
            }
        }
        out.extend(block);
    }
    out
}

/// What the rows are after rounding to 8 bits, in f64; as they are where the kind is a float's.
fn rounded(kind: BlockKind, row: &[f32]) -> Vec<f64> {
    if matches!(kind, BlockKind::F32 | BlockKind::F16 | BlockKind::BF16) {
        return row.iter().map(|x| f64::from(*x)).collect();
    }
    let mut out = Vec::new();
    for block in row.chunks(32) {
        let most = block.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        for x in block {
            let q = (x * (127.0 / most)).round_ties_even();
            out.push(f64::from(q) * f64::from(most / 127.0));
        }
    }
    out
}

#[test]
fn products_are_those_of_the_weights_and_the_same_on_every_instruction_set() {
    let mut random = Random(7);
    let team = team();
    for kind in KINDS {
        for tokens in [1, 2, 3, 5, 8, 13] {
            let (rows, columns) = (1 + random.below(70), (1 + random.below(3)) * kind.weights().max(32));
            let bytes = bytes(&mut random, kind, rows * columns);
            let view = MatrixView::new(rows, columns, kind, &bytes).unwrap();
            let matrix = PackedMatrix::pack(&view).unwrap();
            let x = random.numbers(tokens * columns);
            let mut weights = vec![0.0; rows * columns];
            for (row, out) in weights.chunks_exact_mut(columns).enumerate() {
                matrix.read_row(row, out);
            }
            let mut answers = Vec::new();
            for isa in Isa::all() {
                let mut turn = team.enter();
                let mut input = Activations::default();
                input.rows(tokens, columns).copy_from_slice(&x);
                input.quantize(&mut turn, isa);
                let mut out = Vec::new();
                multiply(&mut turn, isa, &input, &[&matrix, &matrix], &mut out);
                for (token, x) in x.chunks_exact(columns).enumerate() {
                    let x = rounded(kind, x);
                    for (row, weights) in weights.chunks_exact(columns).enumerate() {
                        let products: Vec<f64> =
                            weights.iter().zip(&x).map(|(w, x)| f64::from(*w) * x).collect();
                        let (expected, size) =
                            (products.iter().sum::<f64>(), products.iter().map(|p| p.abs()).sum::<f64>());
                        for at in [row, rows + row] {
                            let found = f64::from(out[token * 2 * rows + at]);
                            // Rounding to even and the order of sums leave a difference; half a step of a rounded input is more.
                            assert!(
                                (found - expected).abs() <= size * 2e-6 + 1e-6,
                                "{kind:?} {}: {found} {expected}",
                                isa.name()
                            );
                        }
                    }
                }
                answers.push(out);
            }
            assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{kind:?}");
        }
    }
}

#[test]
fn a_row_gets_the_same_bits_alone_and_among_others() {
    let mut random = Random(11);
    let team = team();
    for kind in [BlockKind::F16, BlockKind::Q4_1, BlockKind::Q8_0, BlockKind::Q6K] {
        let (rows, columns, tokens) = (37, 512, 11);
        let bytes = bytes(&mut random, kind, rows * columns);
        let matrix = PackedMatrix::pack(&MatrixView::new(rows, columns, kind, &bytes).unwrap()).unwrap();
        let x = random.numbers(tokens * columns);
        let product = |x: &[f32]| {
            let mut turn = team.enter();
            let mut input = Activations::default();
            input.rows(x.len() / columns, columns).copy_from_slice(x);
            input.quantize(&mut turn, Isa::detect());
            let mut out = Vec::new();
            multiply(&mut turn, Isa::detect(), &input, &[&matrix], &mut out);
            out
        };
        let together = product(&x);
        for (token, x) in x.chunks_exact(columns).enumerate() {
            assert_eq!(product(x), together[token * rows..(token + 1) * rows], "{kind:?} token {token}");
        }
    }
}

#[test]
fn norms_residuals_and_gates_are_their_formulas() {
    let mut random = Random(3);
    let team = team();
    for width in [1, 16, 40, 576] {
        let tokens = 6;
        let (x, y, weight) =
            (random.numbers(tokens * width), random.numbers(tokens * width), random.numbers(width));
        let both: Vec<f32> = random.numbers(tokens * 2 * width).iter().map(|x| x * 8.0).collect();
        let mut seen = Vec::new();
        for isa in Isa::all() {
            let mut turn = team.enter();
            let layer = Norm { weight: &weight, epsilon: 1e-5 };
            let mut normed = vec![0.0; tokens * width];
            norm(&mut turn, isa, layer, &x, &mut normed);
            let mut sum = x.clone();
            add(&mut turn, isa, Some(layer), width, &y, &mut sum);
            let mut gated = [Activation::Silu, Activation::GeluTanh].map(|_| vec![0.0; tokens * width]);
            gate(&mut turn, isa, Activation::Silu, width, &both, &mut gated[0]);
            gate(&mut turn, isa, Activation::GeluTanh, width, &both, &mut gated[1]);
            for i in 0..tokens * width {
                let (row, at) = (i / width, i % width);
                let scale = |x: &[f32]| {
                    let row = &x[row * width..(row + 1) * width];
                    let mean = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / width as f64;
                    f64::from(weight[at]) / (mean + f64::from(1e-5_f32)).sqrt()
                };
                let near = |found: f32, expected: f64| {
                    assert!(
                        (f64::from(found) - expected).abs() < 1e-5 * expected.abs().max(1.0),
                        "{found} {expected}"
                    );
                };
                near(normed[i], f64::from(x[i]) * scale(&x));
                near(sum[i], f64::from(x[i]) + f64::from(y[i]) * scale(&y));
                let (g, up) =
                    (f64::from(both[2 * row * width + at]), f64::from(both[(2 * row + 1) * width + at]));
                near(gated[0][i], g / (1.0 + (-g).exp()) * up);
                let u = (2.0 / std::f64::consts::PI).sqrt() * (g + 0.044_715 * g.powi(3));
                near(gated[1][i], g / 2.0 * (1.0 + u.tanh()) * up);
            }
            seen.push((normed, sum, gated));
        }
        assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "width {width}");
    }
}

/// Attention of the last of `tokens` positions, from all keys and values, in f64.
fn attention(
    q: &[f32],
    keys: &[Vec<f32>],
    values: &[Vec<f32>],
    scale: f64,
    window: Option<usize>,
) -> Vec<f64> {
    let from = window.map_or(0, |window| keys.len().saturating_sub(window));
    let score =
        |key: &Vec<f32>| q.iter().zip(key).map(|(q, k)| f64::from(*q) * f64::from(*k)).sum::<f64>() * scale;
    let weights: Vec<f64> = keys[from..].iter().map(|key| score(key).exp()).collect();
    let total: f64 = weights.iter().sum();
    let mixed =
        |d: usize| weights.iter().zip(&values[from..]).map(|(w, v)| w * f64::from(v[d])).sum::<f64>() / total;
    (0..q.len()).map(mixed).collect()
}

#[test]
fn attention_over_pages_is_attention_whatever_the_pieces() {
    let team = team();
    let mut random = Random(5);
    for (heads, kv_heads, head_dim, window) in
        [(4, 2, 16, None), (3, 1, 64, None), (6, 2, 24, Some(7)), (2, 2, 80, Some(40))]
    {
        let (tokens, pages) = (75, 8);
        let stride = (heads + 2 * kv_heads) * head_dim;
        let rows = random.numbers(tokens * stride);
        let rope = RopeSpec::new(10_000.0, head_dim, RopePairing::Halves, &RopeScaling::None);
        let table = [5, 0, 3, 7];
        let mut results: Vec<Vec<f32>> = Vec::new();
        for isa in Isa::all() {
            for pieces in [vec![75], vec![1; 75], vec![40, 3, 32]] {
                let shape = KvShape { layers: 1, pages, kv_heads, head_dim, exact: true };
                let mut cache = KvPages::new(shape).unwrap();
                let mut out = vec![0.0; tokens * heads * head_dim];
                let mut placed = rows.clone();
                let mut start = 0;
                for count in pieces {
                    let mut turns = Turns::default();
                    turns.fill(&rope, start..start + count);
                    let placing = Placing {
                        heads,
                        biases: [None; 3],
                        norms: [None; 2],
                        epsilon: 0.0,
                        turns: &turns,
                        pairing: RopePairing::Halves,
                    };
                    let parts = [PartRows { pages: &table, start, tokens: count, row: 0 }];
                    let piece = &mut placed[start * stride..(start + count) * stride];
                    let mut turn = team.enter();
                    place(&mut turn, isa, (&mut cache, 0), placing, &parts, piece);
                    let layer = AttentionShape { heads, query_stride: stride, scale: 0.25, window };
                    let width = heads * head_dim;
                    attend(
                        &mut turn,
                        isa,
                        (&cache, 0),
                        layer,
                        &parts,
                        piece,
                        &mut out[start * width..(start + count) * width],
                    );
                    start += count;
                }
                if results.is_empty() {
                    check_attention(&placed, &out, (heads, kv_heads, head_dim), window);
                }
                results.push(out);
            }
        }
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{heads} heads of {head_dim}");
    }
}

fn check_attention(
    rows: &[f32],
    out: &[f32],
    (heads, kv_heads, head_dim): (usize, usize, usize),
    window: Option<usize>,
) {
    let stride = (heads + 2 * kv_heads) * head_dim;
    for token in [0, 1, 31, 32, 33, 74] {
        for head in 0..heads {
            let of = |row: usize, head: usize| rows[row * stride + head * head_dim..][..head_dim].to_vec();
            let shared = head / (heads / kv_heads);
            let keys: Vec<_> = (0..=token).map(|row| of(row, heads + shared)).collect();
            let values: Vec<_> = (0..=token).map(|row| of(row, heads + kv_heads + shared)).collect();
            let expected = attention(&of(token, head), &keys, &values, 0.25, window);
            for (d, expected) in expected.iter().enumerate() {
                let found = f64::from(out[token * heads * head_dim + head * head_dim + d]);
                assert!((found - expected).abs() < 1e-5, "token {token} head {head}: {found} {expected}");
            }
        }
    }
}

#[test]
fn positions_turn_pairs_by_their_angles_and_fill_the_right_place() {
    let team = team();
    for pairing in [RopePairing::Adjacent, RopePairing::Halves] {
        let rope = RopeSpec::new(100.0, 4, pairing, &RopeScaling::None);
        let mut turns = Turns::default();
        turns.fill(&rope, std::iter::once(33));
        let shape = KvShape { layers: 1, pages: 4, kv_heads: 1, head_dim: 6, exact: false };
        let mut cache = KvPages::new(shape).unwrap();
        let mut row: Vec<f32> = (1..=18).map(|x| x as f32).collect();
        let bias = [0.5; 6];
        let placing = Placing {
            heads: 1,
            biases: [Some(&bias), None, None],
            norms: [None; 2],
            epsilon: 0.0,
            turns: &turns,
            pairing,
        };
        let parts = [PartRows { pages: &[2, 1], start: 33, tokens: 1, row: 0 }];
        place(&mut team.enter(), Isa::detect(), (&mut cache, 0), placing, &parts, &mut row);
        let pairs = if pairing == RopePairing::Adjacent { [(0, 1), (2, 3)] } else { [(0, 2), (1, 3)] };
        for (i, (a, b)) in pairs.into_iter().enumerate() {
            let (sin, cos) = (33.0 * 100.0_f64.powf(-(i as f64) / 2.0)).sin_cos();
            let (x, y) = (a as f64 + 1.5, b as f64 + 1.5);
            assert!((f64::from(row[a]) - (x * cos - y * sin)).abs() < 1e-5);
            assert!((f64::from(row[b]) - (y * cos + x * sin)).abs() < 1e-5);
        }
        assert_eq!(row[4..6], [5.5, 6.5], "numbers beyond the rotated ones stay");
        // Position 33 is the second place of page 1; a value's place is `position * 16 + d`.
        let values = cache.layer_mut(0).values.bytes();
        let at = (PAGE_TOKENS + 1) * 16 * 2;
        assert_eq!(values[at..at + 2], f16::from_f32(13.0).to_le_bytes());
    }
}

#[test]
fn a_team_runs_every_task_once_and_survives_a_panic() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let team = team();
    for round in 0..2000 {
        let counts: Vec<AtomicUsize> = (0..round % 37).map(|_| AtomicUsize::new(0)).collect();
        team.enter().run(counts.len(), &|task| {
            counts[task].fetch_add(1, Ordering::Relaxed);
        });
        assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
    }
    let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        team.enter().run(50, &|task| assert_ne!(task, 33, "as the test wants it"));
    }));
    assert!(panics.is_err());
    let sum = AtomicUsize::new(0);
    team.enter().run(50, &|task| {
        sum.fetch_add(task, Ordering::Relaxed);
    });
    assert_eq!(sum.into_inner(), 49 * 50 / 2);
}

#[test]
fn packing_keeps_every_weight_of_the_file() {
    let mut random = Random(13);
    for kind in KINDS {
        let (rows, columns) = (21, 2 * kind.weights().max(32));
        let bytes = bytes(&mut random, kind, rows * columns);
        let view = MatrixView::new(rows, columns, kind, &bytes).unwrap();
        let matrix = PackedMatrix::pack(&view).unwrap();
        assert_eq!(matrix.bytes(), PackedMatrix::bytes_of(&view));
        let mut row = vec![0.0; columns];
        for (index, expected) in kind.dequantize(&bytes).chunks_exact(columns).enumerate() {
            matrix.read_row(index, &mut row);
            for (found, expected) in row.iter().zip(expected) {
                assert!(
                    (found - expected).abs() <= 1e-6 * expected.abs().max(1e-3),
                    "{kind:?}: {found} {expected}"
                );
            }
        }
    }
}

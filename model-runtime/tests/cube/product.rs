use half::{bf16, f16};
use model_runtime::cube::inputs::TABLES;
use model_runtime::cube::packing::{Packed, Packing, UNITS, fragments};
use model_runtime::cube::product::{Form, PlainShape, ProductShape, plain};
use model_runtime::cube::rows::{EmbedShape, ROW_PLANES, embed};
use model_runtime::cube::store::ROWS_MAX;
use model_runtime::decoder::{BlockKind, MatrixView};

use model_runtime::cube::board::{properties, target};

use super::host::{Grid, buffer, run};
use super::random::{Random, assert_close, numbers, unwritten, words};

/// A matrix as files have it.
fn matrix(random: &mut Random, kind: BlockKind, rows: usize, columns: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..rows * columns / kind.weights() {
        let number = random.number();
        match kind {
            BlockKind::F32 => bytes.extend(number.to_le_bytes()),
            BlockKind::F16 => bytes.extend(f16::from_f32(number * 1.0e-3).to_le_bytes()),
            BlockKind::BF16 => bytes.extend(bf16::from_f32(number).to_le_bytes()),
            BlockKind::Q4K | BlockKind::Q5K | BlockKind::Q6K => {
                // Scales first, or last; everything else is bits of numbers.
                let begin = bytes.len();
                bytes.extend((0..kind.bytes()).map(|_| random.bits() as u8));
                let scales = if kind == BlockKind::Q6K { vec![kind.bytes() - 2] } else { vec![0, 2] };
                for at in scales {
                    let scale = f16::from_f32(random.number() / 64.0).to_le_bytes();
                    bytes[begin + at..begin + at + 2].copy_from_slice(&scale);
                }
            }
            _ => {
                let scales = if matches!(kind, BlockKind::Q4_1 | BlockKind::Q5_1) { 2 } else { 1 };
                for _ in 0..scales {
                    bytes.extend(f16::from_f32(random.number()).to_le_bytes());
                }
                bytes.extend((0..kind.bytes() - 2 * scales).map(|_| random.bits() as u8));
            }
        }
    }
    bytes
}

const KINDS: [BlockKind; 11] = [
    BlockKind::F32,
    BlockKind::F16,
    BlockKind::BF16,
    BlockKind::Q8_0,
    BlockKind::Q4_0,
    BlockKind::Q4_1,
    BlockKind::Q5_0,
    BlockKind::Q5_1,
    BlockKind::Q4K,
    BlockKind::Q5K,
    BlockKind::Q6K,
];

/// Rows times a packed matrix, by planes that share columns, or that have tiles of their own.
fn multiplied(packed: &Packed, view: &MatrixView<'_>, x: &[f32], split: usize, wide: bool) -> Vec<f32> {
    let rows = x.len() / view.columns;
    let (form, plane_eights) = if wide { (Form::Staged { rows: 2, tokens: 1 }, 2) } else { (Form::Thin, 1) };
    let shape = ProductShape {
        packing: packed.packing,
        tiles: packed.tiles,
        chunks: packed.chunks,
        x_parts: 2,
        split,
        groups: if split.is_multiple_of(2) { 2 } else { 1 },
        ahead: 1,
        plane_tiles: 1,
        plane_eights,
        form,
        rows: rows.min(8),
        squares: (0, 0),
        epsilon: 0,
    };
    let to = PlainShape { outputs: view.rows, stride: view.rows + 3, offset: 2, cap: 0 };
    let eights = rows.div_ceil(8).div_ceil(shape.cube_eights());
    let grid = Grid {
        cubes: [eights as u32, packed.tiles.div_ceil(shape.cube_tiles()) as u32, 1],
        units: [UNITS as u32, shape.planes() as u32, 1],
    };
    let kernel = plain::Plain::new(
        grid.settings(),
        properties(),
        target(),
        buffer(),
        buffer(),
        buffer(),
        buffer(),
        buffer(),
        shape,
        to,
    );
    let mut x = fragments(x, view.columns, 2);
    // As many as a decoder has: kernels copy without looking how many are wanted.
    x.resize(ROWS_MAX / 8 * packed.chunks * 2 * 2 * UNITS * 4, 0);
    let mut y = unwritten(eights * shape.cube_eights() * 8 * to.stride);
    let (mut words, mut scales) = (packed.words.clone(), packed.scales.clone());
    run(&kernel, grid, &mut [&mut words, &mut scales, &mut x, &mut vec![0], &mut y]);
    let (mut found, mut untouched) = (Vec::new(), Vec::new());
    for row in numbers(&y)[..rows * to.stride].chunks_exact(to.stride) {
        let outputs = to.offset..to.offset + to.outputs;
        found.extend_from_slice(&row[outputs.clone()]);
        untouched.extend([&row[..outputs.start], &row[outputs.end..]].concat());
    }
    assert!(untouched.iter().all(|number| number.is_nan()), "written beside the outputs");
    found
}

#[test]
fn products_with_every_packing_are_the_references_and_the_same_bits_for_few_rows_and_many() {
    let mut random = Random(1);
    for (kind, split) in KINDS.into_iter().zip([1, 2, 3, 4, 2, 4, 1, 2, 1, 3, 2]) {
        // Neither whole tiles nor whole chunks.
        let columns = (32 * (2 * split + 1usize)).next_multiple_of(kind.weights().max(32));
        let outputs = random.among(33..60);
        let bytes = matrix(&mut random, kind, outputs, columns);
        let view = MatrixView::new(outputs, columns, kind, &bytes).unwrap();
        let packed = Packed::natural(&view);
        let x = random.numbers(16 * columns);
        let many = multiplied(&packed, &view, &x, split, true);
        let one = multiplied(&packed, &view, &x[..columns], split, false);
        let some = multiplied(&packed, &view, &x[..3 * columns], split, false);
        assert!(one == many[..outputs] && some == many[..3 * outputs], "{kind:?}");
        let weights: Vec<f64> = kind.dequantize(&bytes).into_iter().map(f64::from).collect();
        for (x, y) in x.chunks_exact(columns).zip(many.chunks_exact(outputs)) {
            let expected: Vec<f64> = weights
                .chunks_exact(columns)
                .map(|row| row.iter().zip(x).map(|(w, x)| w * f64::from(*x)).sum())
                .collect();
            assert_close(y, &expected, 3e-5, &format!("{kind:?}"));
        }
    }
}

#[test]
fn rows_of_the_embedding_are_the_files() {
    let mut random = Random(2);
    for kind in KINDS {
        let (rows, columns) = (random.among(2..40), kind.weights().max(32) * random.among(1..4));
        let bytes = matrix(&mut random, kind, rows, columns);
        let view = MatrixView::new(rows, columns, kind, &bytes).unwrap();
        let Packed { packing, chunks, words: mut matrix, mut scales, .. } = Packed::natural(&view);
        let mut tokens: Vec<u32> = (0..5).map(|_| random.among(0..rows) as u32).collect();
        tokens.resize(TABLES * 5, 0);
        let weight = random.numbers(columns);
        let shape = EmbedShape { packing, columns, chunks, scale: 2.5f32.to_bits(), squares: 3, parts: 2 };
        let grid = Grid { cubes: [5, 1, 1], units: [UNITS as u32, ROW_PLANES as u32, 1] };
        let kernel = embed::Embed::new(
            grid.settings(),
            properties(),
            target(),
            buffer(),
            buffer(),
            buffer(),
            buffer(),
            buffer(),
            buffer(),
            buffer(),
            shape,
        );
        let (mut x, mut squares) = (unwritten(5 * columns), unwritten(5 * 3));
        let all = kind.dequantize(&bytes);
        let expected: Vec<f64> = tokens[..5]
            .iter()
            .flat_map(|token| &all[*token as usize * columns..(*token as usize + 1) * columns])
            .map(|number| f64::from(*number) * 2.5)
            .collect();
        let weighed: Vec<f32> =
            expected.iter().zip(weight.iter().cycle()).map(|(x, weight)| *x as f32 * weight).collect();
        let expected_next = fragments(&weighed, columns, 2);
        let mut next = vec![0; expected_next.len()];
        let mut weight = words(&weight);
        let mut buffers =
            [&mut matrix, &mut scales, &mut tokens, &mut weight, &mut x, &mut next, &mut squares];
        run(&kernel, grid, &mut buffers);
        assert_close(&numbers(&x), &expected, 1e-6, &format!("{shape:?}"));
        // Zeros have either sign.
        let unsigned = |words: &[u32]| -> Vec<[u32; 2]> {
            let half = |half: u32| if half == 0x8000 { 0 } else { half };
            words.iter().map(|word| [half(word & 0xffff), half(word >> 16)]).collect()
        };
        assert!(unsigned(&next) == unsigned(&expected_next), "{shape:?}");
        for (row, squares) in expected.chunks_exact(columns).zip(numbers(&squares).chunks_exact(3)) {
            let expected: f64 = row.iter().map(|x| x * x).sum();
            assert_close(squares, &[expected, 0.0, 0.0], 1e-5, &format!("{shape:?}"));
        }
        assert!(packing != Packing::F32 || kind == BlockKind::F32);
    }
}

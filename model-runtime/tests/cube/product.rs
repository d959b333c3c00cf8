use half::{bf16, f16};
use model_runtime::cube::product::{PLANES, Packing, ProductShape, TOKENS_MAX, UNITS, product};
use model_runtime::cube::rows::{EmbedShape, embed};
use model_runtime::cube::weights::Packed;
use model_runtime::decoder::{BlockKind, MatrixView};

use super::host::{Grid, buffer, properties, run, target};
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
            _ => {
                let scales = if kind == BlockKind::Q4_1 { 2 } else { 1 };
                for _ in 0..scales {
                    bytes.extend(f16::from_f32(random.number()).to_le_bytes());
                }
                bytes.extend((0..kind.bytes() - 2 * scales).map(|_| random.bits() as u8));
            }
        }
    }
    bytes
}

const KINDS: [BlockKind; 7] = [
    BlockKind::F32,
    BlockKind::F16,
    BlockKind::BF16,
    BlockKind::Q8_0,
    BlockKind::Q4_0,
    BlockKind::Q4_1,
    // No packing of its own.
    BlockKind::Q5_0,
];

#[test]
fn products_with_every_packing_are_the_references_for_one_row_and_many() {
    let mut random = Random(1);
    for kind in KINDS {
        for tokens in [1, 2, TOKENS_MAX] {
            let (outputs, columns) = (random.among(1..40), 32 * random.among(1..40));
            let bytes = matrix(&mut random, kind, outputs, columns);
            let view = MatrixView::new(outputs, columns, kind, &bytes).unwrap();
            let Packed { packing, words: mut matrix, mut scales } = Packed::new(&view);
            let chunks = random.among(1..3);
            let x = random.numbers(chunks * tokens * columns);
            let (offset, stride) = (random.among(0..5), outputs + 7);
            let shape = ProductShape { packing, outputs, columns, stride, offset, tokens };
            let grid = Grid {
                cubes: [outputs.div_ceil(PLANES) as u32, chunks as u32, 1],
                units: [UNITS as u32, PLANES as u32, 1],
            };
            let kernel = product::Product::new(
                grid.settings(),
                properties(),
                target(),
                buffer(),
                buffer(),
                buffer(),
                buffer(),
                shape,
            );
            let mut y = unwritten(chunks * tokens * stride);
            run(&kernel, grid, &mut [&mut matrix, &mut scales, &mut words(&x), &mut y]);

            let weights: Vec<f64> = kind.dequantize(&bytes).into_iter().map(f64::from).collect();
            let y = numbers(&y);
            for (x, y) in x.chunks_exact(columns).zip(y.chunks_exact(stride)) {
                let expected: Vec<f64> = weights
                    .chunks_exact(columns)
                    .map(|row| row.iter().zip(x).map(|(w, x)| w * f64::from(*x)).sum())
                    .collect();
                assert_close(&y[offset..offset + outputs], &expected, 1e-5, &format!("{shape:?}"));
                let mut untouched = y[..offset].iter().chain(&y[offset + outputs..]);
                assert!(untouched.all(|number| number.is_nan()), "{shape:?}");
            }
        }
    }
}

#[test]
fn rows_of_the_embedding_are_the_files() {
    let mut random = Random(2);
    for kind in KINDS {
        let (rows, columns) = (random.among(2..9), 32 * random.among(1..12));
        let bytes = matrix(&mut random, kind, rows, columns);
        let view = MatrixView::new(rows, columns, kind, &bytes).unwrap();
        let Packed { packing, words: mut matrix, mut scales } = Packed::new(&view);
        let mut tokens: Vec<u32> = (0..5).map(|_| random.among(0..rows) as u32).collect();
        let shape = EmbedShape { packing, columns, scale: 2.5f32.to_bits() };
        let grid = Grid { cubes: [5, 1, 1], units: [256, 1, 1] };
        let kernel = embed::Embed::new(
            grid.settings(),
            properties(),
            target(),
            buffer(),
            buffer(),
            buffer(),
            buffer(),
            shape,
        );
        let mut out = unwritten(5 * columns);
        run(&kernel, grid, &mut [&mut matrix, &mut scales, &mut tokens, &mut out]);
        let all = kind.dequantize(&bytes);
        let expected: Vec<f64> = tokens
            .iter()
            .flat_map(|token| &all[*token as usize * columns..(*token as usize + 1) * columns])
            .map(|number| f64::from(*number) * 2.5)
            .collect();
        assert_close(&numbers(&out), &expected, 1e-6, &format!("{shape:?}"));
        assert!(packing != Packing::F32 || matches!(kind, BlockKind::F32 | BlockKind::Q5_0));
    }
}

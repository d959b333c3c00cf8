use model_runtime::cube::product::UNITS;
use model_runtime::cube::rows::{Before, GateKind, NormShape, ROW_PLANES, cap, gate, norm};

use super::host::{Grid, buffer, properties, run, target};
use super::random::{Random, assert_close, numbers, unwritten, words};

const EPSILON: f32 = 1.0e-5;

/// `row / rms(row) * weight`.
fn normed(row: &[f64], weight: &[f32]) -> Vec<f64> {
    let mean = row.iter().map(|number| number * number).sum::<f64>() / row.len() as f64;
    let scale = (mean + f64::from(EPSILON)).sqrt().recip();
    row.iter().zip(weight).map(|(number, weight)| number * scale * f64::from(*weight)).collect()
}

fn wide(row: &[f32]) -> Vec<f64> {
    row.iter().copied().map(f64::from).collect()
}

#[test]
fn norms_with_what_comes_before_them_are_the_references() {
    let mut random = Random(3);
    for before in [Before::Nothing, Before::Pick, Before::Add, Before::NormAdd] {
        let (rows, width) = (random.among(1..4), random.among(1..700));
        let (x, y) = (random.numbers(rows * width), random.numbers(rows * width));
        let (weight, after) = (random.numbers(width), random.numbers(width));
        let picks: Vec<u32> = (0..rows).map(|_| random.among(0..rows) as u32).collect();
        let shape = NormShape { width, epsilon: EPSILON.to_bits(), before };
        let grid = Grid { cubes: [rows as u32, 1, 1], units: [UNITS as u32, ROW_PLANES as u32, 1] };
        let kernel = norm::Norm::new(
            grid.settings(),
            properties(),
            target(),
            buffer(),
            buffer(),
            buffer(),
            buffer(),
            buffer(),
            buffer(),
            shape,
        );
        let (mut sum, mut out) = (words(&x), unwritten(rows * width));
        let (mut y_words, mut after_words, mut weight_words, mut picks_words) =
            (words(&y), words(&after), words(&weight), picks.clone());
        run(
            &kernel,
            grid,
            &mut [&mut sum, &mut y_words, &mut after_words, &mut weight_words, &mut picks_words, &mut out],
        );

        let mut sums: Vec<Vec<f64>> = x.chunks_exact(width).map(wide).collect();
        for (row, y) in sums.iter_mut().zip(y.chunks_exact(width)) {
            let more = match before {
                Before::Nothing | Before::Pick => vec![0.0; width],
                Before::Add => wide(y),
                Before::NormAdd => normed(&wide(y), &after),
            };
            row.iter_mut().zip(more).for_each(|(number, more)| *number += more);
        }
        assert_close(&numbers(&sum), &sums.concat(), 1e-6, &format!("sums, {shape:?}"));
        let of = |row: usize| if before == Before::Pick { picks[row] as usize } else { row };
        let expected: Vec<f64> = (0..rows).flat_map(|row| normed(&sums[of(row)], &weight)).collect();
        assert_close(&numbers(&out), &expected, 1e-5, &format!("{shape:?}"));
    }
}

#[test]
fn gates_are_the_references() {
    let mut random = Random(4);
    for kind in [GateKind::Silu, GateKind::GeluTanh] {
        let (rows, width) = (random.among(1..4), random.among(200..600));
        let both: Vec<f32> = random.numbers(rows * 2 * width).into_iter().map(|x| 6.0 * x).collect();
        let grid = Grid { cubes: [width.div_ceil(256) as u32, rows as u32, 1], units: [256, 1, 1] };
        let kernel =
            gate::Gate::new(grid.settings(), properties(), target(), buffer(), buffer(), width, kind);
        let mut out = unwritten(rows * width);
        run(&kernel, grid, &mut [&mut words(&both), &mut out]);
        let activation = |x: f64| match kind {
            GateKind::Silu => x / (1.0 + (-x).exp()),
            GateKind::GeluTanh => {
                0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh())
            }
        };
        let row = |row: &[f32]| -> Vec<f64> {
            let (g, u) = row.split_at(width);
            g.iter().zip(u).map(|(g, u)| activation(f64::from(*g)) * f64::from(*u)).collect()
        };
        let expected: Vec<f64> = both.chunks_exact(2 * width).flat_map(row).collect();
        assert_close(&numbers(&out), &expected, 1e-6, &format!("{kind:?}"));
    }
}

#[test]
fn capped_logits_are_the_references() {
    let mut random = Random(5);
    let (rows, width) = (2, 300);
    let x: Vec<f32> = random.numbers(rows * width).into_iter().map(|x| 100.0 * x).collect();
    let grid = Grid { cubes: [2, rows as u32, 1], units: [256, 1, 1] };
    let kernel = cap::Cap::new(grid.settings(), properties(), target(), buffer(), width, 30.0f32.to_bits());
    let mut out = words(&x);
    run(&kernel, grid, &mut [&mut out]);
    let expected: Vec<f64> = x.iter().map(|x| 30.0 * (f64::from(*x) / 30.0).tanh()).collect();
    assert_close(&numbers(&out), &expected, 1e-6, "capped");
}

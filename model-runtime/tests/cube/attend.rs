use half::f16;
use model_runtime::cube::attend::{AttendShape, attend, merge};
use model_runtime::cube::place::{PlaceShape, place};
use model_runtime::cube::product::UNITS;
use model_runtime::decoder::PAGE_TOKENS;

use super::host::{Grid, buffer, properties, run, target};
use super::random::{Random, assert_close, numbers, unwritten, words};

fn halves(numbers: &[f32]) -> Vec<u32> {
    let half = |number: f32| u32::from(f16::from_f32(number).to_bits());
    numbers.chunks_exact(2).map(|two| half(two[0]) | half(two[1]) << 16).collect()
}

fn of_halves(words: &[u32]) -> Vec<f32> {
    words
        .iter()
        .flat_map(|word| [*word as u16, (*word >> 16) as u16])
        .map(|bits| f16::from_bits(bits).into())
        .collect()
}

struct Case {
    shape: AttendShape,
    window: Option<usize>,
    exact: bool,
}

#[test]
fn attention_over_pages_is_the_references_with_windows_groups_and_splits() {
    let mut random = Random(6);
    let shape = |heads, kv_heads, head_dim, splits| AttendShape { heads, kv_heads, head_dim, splits };
    let cases = [
        Case { shape: shape(4, 2, 64, 1), window: None, exact: true },
        Case { shape: shape(9, 3, 64, 3), window: None, exact: false },
        Case { shape: shape(4, 1, 80, 2), window: Some(40), exact: true },
        Case { shape: shape(2, 2, 256, 4), window: Some(5), exact: false },
    ];
    for Case { shape, window, exact } in cases {
        let AttendShape { heads, kv_heads, head_dim, splits } = shape;
        // Sequences' lengths; the last row fills a bucket and sees nothing.
        let ends = [1, PAGE_TOKENS, 3 * PAGE_TOKENS + 5, 0];
        let pages = 12;
        let (mut tables, mut spans) = (Vec::new(), Vec::new());
        let mut free: Vec<u32> = (0..pages).collect();
        for end in ends {
            let first = window.map_or(0, |window| end.saturating_sub(window));
            spans.extend([first as u32, end as u32, tables.len() as u32]);
            for _ in 0..end.div_ceil(PAGE_TOKENS) {
                tables.push(free.swap_remove(random.among(0..free.len())));
            }
        }
        let tokens = ends.len();
        let queries = random.numbers(tokens * heads * head_dim);
        let store = |numbers: Vec<f32>| if exact { words(&numbers) } else { halves(&numbers) };
        let load = |stored: &[u32]| if exact { numbers(stored) } else { of_halves(stored) };
        let cached = pages as usize * PAGE_TOKENS * kv_heads * head_dim;
        let (mut keys, mut values) = (store(random.numbers(cached)), store(random.numbers(cached)));

        let grid = Grid {
            cubes: [tokens as u32, kv_heads as u32, splits as u32],
            units: [UNITS as u32, (heads / kv_heads) as u32, 1],
        };
        let mut mixed = unwritten(tokens * heads * splits * head_dim);
        let mut sums = unwritten(tokens * heads * splits * 2);
        let (mut query_words, mut span_words, mut table_words) =
            (words(&queries), spans.clone(), tables.clone());
        let mut buffers = [
            &mut query_words,
            &mut keys,
            &mut values,
            &mut span_words,
            &mut table_words,
            &mut mixed,
            &mut sums,
        ];
        macro_rules! of {
            ($number:ty) => {
                attend::Attend::<$number>::new(
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
                )
            };
        }
        if exact {
            run(&of!(f32), grid, &mut buffers)
        } else {
            run(&of!(f16), grid, &mut buffers)
        }
        let found = if splits == 1 {
            numbers(&mixed)
        } else {
            let grid = Grid { cubes: [tokens as u32, heads as u32, 1], units: [UNITS as u32, 1, 1] };
            let kernel = merge::Merge::new(
                grid.settings(),
                properties(),
                target(),
                buffer(),
                buffer(),
                buffer(),
                shape,
            );
            let mut out = unwritten(tokens * heads * head_dim);
            run(&kernel, grid, &mut [&mut mixed, &mut sums, &mut out]);
            numbers(&out)
        };

        let (keys, values) = (load(&keys), load(&values));
        let mut expected = Vec::new();
        for (token, span) in spans.chunks_exact(3).enumerate() {
            for head in 0..heads {
                let query = &queries[(token * heads + head) * head_dim..][..head_dim];
                let at = |position: u32| {
                    let (page, place) = (position as usize / PAGE_TOKENS, position as usize % PAGE_TOKENS);
                    let slot = tables[span[2] as usize + page] as usize * PAGE_TOKENS + place;
                    (slot * kv_heads + head / (heads / kv_heads)) * head_dim
                };
                let score = |position: u32| -> f64 {
                    let key = &keys[at(position)..][..head_dim];
                    query.iter().zip(key).map(|(q, k)| f64::from(*q) * f64::from(*k)).sum()
                };
                let weights: Vec<f64> = (span[0]..span[1]).map(|position| score(position).exp()).collect();
                let sum: f64 = weights.iter().sum();
                expected.extend((0..head_dim).map(|d| {
                    let mixed = (span[0]..span[1]).zip(&weights);
                    let mixed: f64 = mixed.map(|(p, weight)| weight * f64::from(values[at(p) + d])).sum();
                    if sum == 0.0 { 0.0 } else { mixed / sum }
                }));
            }
        }
        assert_close(&found, &expected, 1e-5, &format!("{shape:?}, window {window:?}"));
    }
}

#[test]
fn queries_are_turned_and_keys_and_values_placed_as_the_reference_does() {
    let mut random = Random(7);
    for (adjacent, biased, normed, exact) in
        [(true, false, false, true), (false, true, false, false), (false, false, true, true)]
    {
        let (heads, kv_heads, head_dim, tokens) = (4, 2, 2 * random.among(9..50), 3);
        let pairs = random.among(1..head_dim / 2 + 1);
        let all = heads + 2 * kv_heads;
        let rows = random.numbers(tokens * all * head_dim);
        let bias = random.numbers(all * head_dim);
        let (query_weight, key_weight) = (random.numbers(head_dim), random.numbers(head_dim));
        let angles = random.numbers(tokens * pairs * 2);
        let slots = [70, 3, 32];
        let (epsilon, scale) = (1.0e-6f32, 0.125f32);
        let shape = PlaceShape {
            heads,
            kv_heads,
            head_dim,
            pairs,
            adjacent,
            biased,
            query_norm: normed,
            key_norm: normed,
            epsilon: epsilon.to_bits(),
            scale: scale.to_bits(),
        };
        let grid = Grid { cubes: [tokens as u32, all as u32, 1], units: [UNITS as u32, 1, 1] };
        let cached = 96 * kv_heads * head_dim / if exact { 1 } else { 2 };
        let mut queries = unwritten(tokens * heads * head_dim);
        let (mut keys, mut values) = (vec![0; cached], vec![0; cached]);
        let mut inputs = [&rows, &bias, &query_weight, &key_weight, &angles].map(|numbers| words(numbers));
        let mut slot_words = slots.to_vec();
        let [rows_words, bias_words, query_words, key_words, angle_words] = &mut inputs;
        let mut buffers = [
            rows_words,
            bias_words,
            query_words,
            key_words,
            angle_words,
            &mut slot_words,
            &mut queries,
            &mut keys,
            &mut values,
        ];
        macro_rules! of {
            ($number:ty) => {
                place::Place::<$number>::new(
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
                    buffer(),
                    buffer(),
                    shape,
                )
            };
        }
        if exact {
            run(&of!(f32), grid, &mut buffers)
        } else {
            run(&of!(f16), grid, &mut buffers)
        }

        let head_of = |token: usize, head: usize| -> Vec<f64> {
            let row = &rows[(token * all + head) * head_dim..][..head_dim];
            let with = |d: usize| if biased { f64::from(bias[head * head_dim + d]) } else { 0.0 };
            let mut row: Vec<f64> = row.iter().enumerate().map(|(d, x)| f64::from(*x) + with(d)).collect();
            let is_value = head >= heads + kv_heads;
            if normed && !is_value {
                let mean = row.iter().map(|x| x * x).sum::<f64>() / head_dim as f64;
                let weight = if head < heads { &query_weight } else { &key_weight };
                let scale = (mean + f64::from(epsilon)).sqrt().recip();
                row.iter_mut().zip(weight).for_each(|(x, w)| *x *= scale * f64::from(*w));
            }
            for pair in 0..if is_value { 0 } else { pairs } {
                let (a, b) = if adjacent { (2 * pair, 2 * pair + 1) } else { (pair, pair + pairs) };
                let angle = |i: usize| f64::from(angles[(token * pairs + pair) * 2 + i]);
                let (x, y) = (row[a], row[b]);
                row[a] = x * angle(0) - y * angle(1);
                row[b] = y * angle(0) + x * angle(1);
            }
            row
        };
        let mut expected_queries = Vec::new();
        let mut expected = [vec![0.0; 96 * kv_heads * head_dim], vec![0.0; 96 * kv_heads * head_dim]];
        for (token, slot) in slots.iter().enumerate() {
            for head in 0..heads {
                expected_queries.extend(head_of(token, head).iter().map(|x| x * f64::from(scale)));
            }
            for (which, cache) in expected.iter_mut().enumerate() {
                for kv in 0..kv_heads {
                    let row = head_of(token, heads + which * kv_heads + kv);
                    let at = (*slot as usize * kv_heads + kv) * head_dim;
                    cache[at..at + head_dim].copy_from_slice(&row);
                }
            }
        }
        let load = |stored: &[u32]| if exact { numbers(stored) } else { of_halves(stored) };
        let close = if exact { 1e-6 } else { 1e-3 };
        assert_close(&numbers(&queries), &expected_queries, 1e-6, &format!("queries, {shape:?}"));
        assert_close(&load(&keys), &expected[0], close, &format!("keys, {shape:?}"));
        assert_close(&load(&values), &expected[1], close, &format!("values, {shape:?}"));
    }
}

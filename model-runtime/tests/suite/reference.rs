//! A Llama written down as plainly as possible in f64: no cache, no batching, no shared code with the crate.

use model_runtime::decoder::BlockKind;

use super::tiny::{File, Sizes, encode};

/// Weights as the file stores them, rounded by their type, in f64.
struct Matrix {
    width: usize,
    values: Vec<f64>,
}

impl Matrix {
    fn of(file: &File, name: &str) -> Option<Self> {
        let tensor = file.tensors.iter().find(|tensor| tensor.name == name)?;
        let kind = tensor.kind.known().unwrap();
        let bytes = encode(kind, &tensor.values);
        let values = (0..tensor.values.len()).map(|i| weight(kind, &bytes, i)).collect();
        Some(Self { width: tensor.sizes[0], values })
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    fn times(&self, x: &[f64]) -> Vec<f64> {
        self.values.chunks(self.width).map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum()).collect()
    }
}

/// Weight `i` of a tensor's bytes, by the format's own formula for one weight.
pub fn weight(kind: BlockKind, bytes: &[u8], i: usize) -> f64 {
    let half = |at: usize| half_value(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let nibble = |quants: usize| {
        let byte = bytes[quants + i % 16];
        f64::from(if i % 32 < 16 { byte % 16 } else { byte / 16 })
    };
    match kind {
        BlockKind::F32 => f64::from(f32::from_le_bytes(bytes[4 * i..4 * i + 4].try_into().unwrap())),
        BlockKind::F16 => half(2 * i),
        BlockKind::BF16 => {
            f64::from(f32::from_bits(u32::from(u16::from_le_bytes([bytes[2 * i], bytes[2 * i + 1]])) << 16))
        }
        BlockKind::Q8_0 => half(i / 32 * 34) * f64::from(bytes[i / 32 * 34 + 2 + i % 32] as i8),
        BlockKind::Q4_0 => half(i / 32 * 18) * (nibble(i / 32 * 18 + 2) - 8.0),
        BlockKind::Q4_1 => half(i / 32 * 20) * nibble(i / 32 * 20 + 4) + half(i / 32 * 20 + 2),
        _ => unreachable!("tests write no other type"),
    }
}

/// The value of a 16-bit float, from its fields.
fn half_value(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023) / 1024.0);
    match exponent {
        0 => sign * fraction * 2_f64.powi(-14),
        _ => sign * (1.0 + fraction) * 2_f64.powi(exponent - 15),
    }
}

/// Logits after the last of `tokens`.
pub fn logits(file: &File, sizes: Sizes, tokens: &[u32]) -> Vec<f64> {
    logits_with_windows(file, sizes, tokens, &vec![None; sizes.layers])
}

/// The same, where a token of some layers sees only itself and the tokens just before it, so many in all.
pub fn logits_with_windows(file: &File, sizes: Sizes, tokens: &[u32], windows: &[Option<usize>]) -> Vec<f64> {
    let named = |name: &str| Matrix::of(file, name).unwrap();
    let embedding = named("token_embd.weight");
    let head = sizes.hidden / sizes.heads;
    let factors = Matrix::of(file, "rope_freqs.weight");
    let mut rows: Vec<Vec<f64>> =
        tokens.iter().map(|token| embedding.row(*token as usize).to_vec()).collect();
    for (layer, window) in windows.iter().enumerate() {
        let of = |name: &str| named(&format!("blk.{layer}.{name}.weight"));
        let normed: Vec<_> = rows.iter().map(|x| norm(x, &of("attn_norm"))).collect();
        let turned = |matrix: Matrix| {
            let turn =
                |(position, x): (usize, &Vec<f64>)| rope(&matrix.times(x), position, head, factors.as_ref());
            normed.iter().enumerate().map(turn).collect::<Vec<_>>()
        };
        let (queries, keys) = (turned(of("attn_q")), turned(of("attn_k")));
        let values: Vec<_> = normed.iter().map(|x| of("attn_v").times(x)).collect();
        for (position, x) in rows.iter_mut().enumerate() {
            let seen = window.map_or(0, |window| (position + 1).saturating_sub(window))..=position;
            let mixed: Vec<f64> = (0..sizes.heads)
                .flat_map(|h| {
                    let shared = h / (sizes.heads / sizes.kv_heads);
                    attend(&queries[position], h, &keys[seen.clone()], &values[seen.clone()], shared, head)
                })
                .collect();
            add(x, &of("attn_output").times(&mixed));
            let normed = norm(x, &of("ffn_norm"));
            let (gate, up) = (of("ffn_gate").times(&normed), of("ffn_up").times(&normed));
            let inner: Vec<f64> =
                gate.iter().zip(up).map(|(gate, up)| gate / (1.0 + (-gate).exp()) * up).collect();
            add(x, &of("ffn_down").times(&inner));
        }
    }
    let output = Matrix::of(file, "output.weight").unwrap_or(embedding);
    output.times(&norm(rows.last().unwrap(), &named("output_norm.weight")))
}

fn attend(
    query: &[f64],
    h: usize,
    keys: &[Vec<f64>],
    values: &[Vec<f64>],
    shared: usize,
    head: usize,
) -> Vec<f64> {
    let query = &query[h * head..(h + 1) * head];
    let part = |x: &Vec<f64>| x[shared * head..(shared + 1) * head].to_vec();
    let scores: Vec<f64> = keys
        .iter()
        .map(|key| query.iter().zip(part(key)).map(|(q, k)| q * k).sum::<f64>() / (head as f64).sqrt())
        .map(f64::exp)
        .collect();
    let total: f64 = scores.iter().sum();
    let mut mixed = vec![0.0; head];
    for (score, value) in scores.iter().zip(values) {
        mixed.iter_mut().zip(part(value)).for_each(|(sum, v)| *sum += score / total * v);
    }
    mixed
}

/// Neighbours (0, 1), (2, 3), ... of each head are turned together.
fn rope(x: &[f64], position: usize, head: usize, factors: Option<&Matrix>) -> Vec<f64> {
    let mut out = x.to_vec();
    for (i, pair) in out.chunks_mut(2).enumerate() {
        let within = i % (head / 2);
        let factor = factors.map_or(1.0, |factors| factors.values[within]);
        let angle = position as f64 * 10_000_f64.powf(-2.0 * within as f64 / head as f64) / factor;
        let (a, b) = (pair[0], pair[1]);
        pair[0] = a * angle.cos() - b * angle.sin();
        pair[1] = a * angle.sin() + b * angle.cos();
    }
    out
}

fn norm(x: &[f64], weight: &Matrix) -> Vec<f64> {
    let mean = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
    x.iter().zip(&weight.values).map(|(x, w)| x / (mean + f64::from(1e-5_f32)).sqrt() * w).collect()
}

fn add(x: &mut [f64], y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

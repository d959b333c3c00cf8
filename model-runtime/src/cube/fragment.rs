//! What a plane's units hold of matrices and rows: tensor cores' operands, and the way into and out of memory.

use cubecl::prelude::*;

use super::packing::{Packing, UNITS};

/// Four words of a matrix or of rows.
pub type Words = Vector<u32, Const<4>>;

/// Two words of rows.
pub type Pair = Vector<u32, Const<2>>;

/// Four sums.
pub type Four = Vector<f32, Const<4>>;

/// `a b + c` of 16 rows, 16 columns and 8 tokens, by a whole plane. Source: PTX ISA, `mma.m16n8k16`.
///
/// Unit `4 g + t`: `a` has rows `g`, `g + 8`, `g`, `g + 8`, two columns a word; `b` token `g`; `c` rows `g`, `g`, `g + 8`, `g + 8` of
/// tokens `2 t`, `2 t + 1`, `2 t`, `2 t + 1`.
#[cube]
pub fn multiply(a: Words, b: Pair, c: Four) -> Four {
    // The assembler takes values; of vectors that were put together it would take addresses.
    let a0 = a.extract(0usize);
    let a1 = a.extract(1usize);
    let a2 = a.extract(2usize);
    let a3 = a.extract(3usize);
    let b0 = b.extract(0usize);
    let b1 = b.extract(1usize);
    let c0 = c.extract(0usize);
    let c1 = c.extract(1usize);
    let c2 = c.extract(2usize);
    let c3 = c.extract(3usize);
    let d: Four;
    gpu_asm!(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {d}, {{{a0}, {a1}, {a2}, {a3}}}, {{{b0}, {b1}}}, {{{c0}, {c1}, {c2}, {c3}}};",
        a0 = in(_) a0, a1 = in(_) a1, a2 = in(_) a2, a3 = in(_) a3, b0 = in(_) b0, b1 = in(_) b1,
        c0 = in(_) c0, c1 = in(_) c1, c2 = in(_) c2, c3 = in(_) c3, d = out(_) d,
        options(pure, nomem),
    );
    d
}

/// [`multiply()`] of numbers of 16 bits.
#[cube]
pub fn multiply_halves(a: Words, b: Pair, c: Four) -> Four {
    let a0 = a.extract(0usize);
    let a1 = a.extract(1usize);
    let a2 = a.extract(2usize);
    let a3 = a.extract(3usize);
    let b0 = b.extract(0usize);
    let b1 = b.extract(1usize);
    let c0 = c.extract(0usize);
    let c1 = c.extract(1usize);
    let c2 = c.extract(2usize);
    let c3 = c.extract(3usize);
    let d: Four;
    gpu_asm!(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {d}, {{{a0}, {a1}, {a2}, {a3}}}, {{{b0}, {b1}}}, {{{c0}, {c1}, {c2}, {c3}}};",
        a0 = in(_) a0, a1 = in(_) a1, a2 = in(_) a2, a3 = in(_) a3, b0 = in(_) b0, b1 = in(_) b1,
        c0 = in(_) c0, c1 = in(_) c1, c2 = in(_) c2, c3 = in(_) c3, d = out(_) d,
        options(pure, nomem),
    );
    d
}

/// Sums of two words' numbers of 8 significant bits, exact where they have no more.
#[cube]
fn sum_of_halves(a: u32, b: u32) -> u32 {
    let one = 0x3f80_3f80u32;
    let word: u32;
    gpu_asm!(
        "fma.rn.bf16x2 {word}, {a}, {one}, {b};",
        a = in(_) a, one = in(_) one, b = in(_) b, word = out(_) word,
        options(pure, nomem),
    );
    word
}

/// `word & mask | bits` in one instruction. Of two constants NVIDIA's compiler makes two by itself, which is a quarter of what is done for
/// weights of 8 bits.
#[cube]
fn masked(word: u32, mask: u32, bits: u32) -> u32 {
    let out: u32;
    gpu_asm!(
        "lop3.b32 {out}, {word}, {mask}, {bits}, 234;",
        word = in(_) word, mask = in(_) mask, bits = in(_) bits, out = out(_) out,
        options(pure, nomem),
    );
    out
}

/// Two numbers of 16 bits in a word, the first in its low half.
#[cube]
pub fn halves(first: f32, second: f32) -> u32 {
    let word: u32;
    gpu_asm!(
        "cvt.rn.f16x2.f32 {word}, {second}, {first};",
        second = in(_) second, first = in(_) first, word = out(_) word,
        options(pure, nomem),
    );
    word
}

/// Columns `first` (0 or 1) of the two 16 that a unit's eight columns of rows of `x` belong to.
#[cube]
pub fn pair(b: Words, #[comptime] first: usize) -> Pair {
    let mut two = Pair::empty();
    two.insert(0usize, b.extract(comptime!(2 * first)));
    two.insert(1usize, b.extract(comptime!(2 * first + 1)));
    two
}

/// A unit's numbers of block `block` of a chunk, as tensor cores take them: part by part, an operand of 16 columns and one of the others. Of
/// quantised kinds these are the integers without scale; 4-bit ones have 128 added, since those bits are a number by themselves.
#[cube]
pub fn operands(
    vectors: &Array<Words>,
    out: &mut Array<Words>,
    #[comptime] packing: Packing,
    #[comptime] tile: usize,
    #[comptime] block: usize,
) {
    let begin = comptime!(tile * packing.vectors());
    // Word `w` of an operand is of row `g + 8 (w % 2)`, and has numbers `2 pair` and `2 pair + 1` of the unit's eight.
    #[unroll]
    for first in 0..2usize {
        if comptime!(packing == Packing::Bf16) {
            out[first] = vectors[comptime!(begin + 2 * block + first)];
        } else if comptime!(packing == Packing::F16) {
            let words = vectors[comptime!(begin + 2 * block + first)];
            let mut high = Words::empty();
            let mut low = Words::empty();
            #[unroll]
            for w in 0..4usize {
                let word = words.extract(w);
                let a = half_number(word & 0xffffu32);
                let b = half_number(word >> 16u32);
                let high_a = top(a);
                let high_b = top(b);
                high.insert(w, join(high_a, high_b));
                low.insert(w, join(a - high_a, b - high_b));
            }
            out[first] = high;
            out[comptime!(2 + first)] = low;
        } else if comptime!(packing == Packing::F32) {
            let mut high = Words::empty();
            let mut middle = Words::empty();
            let mut low = Words::empty();
            #[unroll]
            for w in 0..4usize {
                let half = comptime!(w % 2);
                let words = vectors[comptime!(begin + (2 * block + half) * 2 + first)];
                let a = f32::reinterpret(words.extract(comptime!(w / 2 * 2)));
                let b = f32::reinterpret(words.extract(comptime!(w / 2 * 2 + 1)));
                let high_a = top(a);
                let high_b = top(b);
                let middle_a = top(a - high_a);
                let middle_b = top(b - high_b);
                high.insert(w, join(high_a, high_b));
                middle.insert(w, join(middle_a, middle_b));
                low.insert(w, join(a - high_a - middle_a, b - high_b - middle_b));
            }
            out[first] = high;
            out[comptime!(2 + first)] = middle;
            out[comptime!(4 + first)] = low;
        } else if comptime!(packing.vectors() == 2) {
            let words = vectors[comptime!(begin + block)];
            let mut operand = Words::empty();
            #[unroll]
            for w in 0..4usize {
                let bytes = words.extract(comptime!(2 * (w % 2) + first)) >> comptime!(8 * (w / 2) as u32);
                // Seven bits behind 128, which are a number by themselves, less 128, or 256 where the sign is set.
                // Through a vector: the assembler takes values, and of what it has given itself it would take addresses.
                let mut both = Pair::empty();
                both.insert(0usize, masked(bytes, 0x007f_007fu32, 0x4300_4300u32));
                both.insert(1usize, masked(bytes, 0x0080_0080u32, 0xc300_c300u32));
                operand.insert(w, sum_of_halves(both.extract(0usize), both.extract(1usize)));
            }
            out[first] = operand;
        } else {
            let words = vectors[begin];
            let mut operand = Words::empty();
            #[unroll]
            for w in 0..4usize {
                let word = words.extract(comptime!(2 * block + w % 2));
                let down = word >> comptime!(4 * (2 * first + w / 2) as u32);
                operand.insert(w, masked(down, 0x000f_000fu32, 0x4300_4300u32));
            }
            out[first] = operand;
        }
    }
}

/// The number of a value's first 8 significant bits, towards zero.
#[cube]
fn top(value: f32) -> f32 {
    f32::reinterpret(u32::reinterpret(value) & 0xffff_0000u32)
}

/// Two numbers of 8 significant bits in a word.
#[cube]
fn join(a: f32, b: f32) -> u32 {
    (u32::reinterpret(a) >> 16u32) | (u32::reinterpret(b) & 0xffff_0000u32)
}

/// A number of 16 bits: its exponent and mantissa moved to where f32 has them, and the exponents' difference multiplied in, which is exact
/// for small numbers without a leading one too. Weights are finite.
#[cube]
pub fn half_number(bits: u32) -> f32 {
    let positive = f32::reinterpret((bits & 0x7fffu32) << 13u32) * 5.192_297e33f32;
    f32::reinterpret(u32::reinterpret(positive) | ((bits & 0x8000u32) << 16u32))
}

/// Eight numbers of a row: those from `8 * eight` on.
#[cube]
pub fn eight_numbers(
    words: &[Words],
    scales: &[u32],
    row: usize,
    eight: usize,
    numbers: &mut Array<f32>,
    #[comptime] packing: Packing,
    #[comptime] chunks: usize,
) {
    let vectors = comptime!(packing.vectors());
    let half = row % 16 / 8;
    let g = row % 8;
    let chunk = eight / 8;
    let block = eight / 4 % 2;
    let place = row / 16 * chunks + chunk;
    let unit = 4 * g + eight % 4;
    if comptime!(packing == Packing::Bf16 || packing == Packing::F16) {
        #[unroll]
        for w in 0..4usize {
            let found = words[(place * vectors + 2 * block + comptime!(w / 2)) * UNITS + unit];
            let of = comptime!(2 * (w % 2));
            let word = select(half == 0, found.extract(of), found.extract(comptime!(of + 1)));
            if comptime!(packing == Packing::Bf16) {
                numbers[comptime!(2 * w)] = f32::reinterpret(word << 16u32);
                numbers[comptime!(2 * w + 1)] = f32::reinterpret(word & 0xffff_0000u32);
            } else {
                numbers[comptime!(2 * w)] = half_number(word & 0xffffu32);
                numbers[comptime!(2 * w + 1)] = half_number(word >> 16u32);
            }
        }
    } else if comptime!(packing == Packing::F32) {
        #[unroll]
        for part in 0..2usize {
            let found = words[(place * vectors + (2 * block + half) * 2 + part) * UNITS + unit];
            #[unroll]
            for w in 0..4usize {
                numbers[comptime!(4 * part + w)] = f32::reinterpret(found.extract(w));
            }
        }
    } else {
        let kinds = comptime!(packing.scales());
        let at = (place * 2 + block) * kinds * 8 + g;
        let down = 16u32 * half as u32;
        let mut kind = 0usize;
        if comptime!(packing == Packing::HalfBytes) {
            // The last 16 numbers have a scale of their own.
            kind = half + eight % 4 / 2 * 2;
        } else if comptime!(kinds == 4) {
            kind = half;
        }
        let word = scales[at + kind * 8];
        let mut scale = f32::reinterpret(word);
        if comptime!(kinds < 4) {
            scale = half_number((word >> down) & 0xffffu32);
        }
        let mut least = 0.0f32;
        if comptime!(packing == Packing::Q4_0) {
            least = scale * -8.0f32;
        } else if comptime!(packing == Packing::Q4_1) {
            least = half_number((scales[at + 8] >> down) & 0xffffu32);
        } else if comptime!(packing.has_least()) {
            least = f32::reinterpret(scales[at + (half + 2) * 8]);
        }
        if comptime!(packing.vectors() == 2) {
            let found = words[(place * vectors + block) * UNITS + unit];
            #[unroll]
            for w in 0..2usize {
                let word = select(half == 0, found.extract(w), found.extract(comptime!(w + 2)));
                #[unroll]
                for b in 0..4usize {
                    let value = i32::reinterpret(word << comptime!([24u32, 16, 8, 0][b])) >> 24i32;
                    numbers[comptime!(4 * w + [0, 2, 1, 3][b])] = f32::cast_from(value) * scale + least;
                }
            }
        } else {
            let found = words[place * UNITS + unit];
            let low = select(half == 0, found.extract(0usize), found.extract(1usize));
            let high = select(half == 0, found.extract(2usize), found.extract(3usize));
            let word = select(block == 0, low, high);
            #[unroll]
            for i in 0..8usize {
                let down = comptime!(4 * (i / 2) as u32 + 16 * (i % 2) as u32);
                numbers[i] = f32::cast_from((word >> down) & 15u32) * scale + least;
            }
        }
    }
}

/// Writes numbers `k` (even) and `k + 1` of row `row`; see [`crate::cube::packing::fragments`].
#[cube]
pub fn put(
    out: &mut [u32],
    row: usize,
    k: usize,
    a: f32,
    b: f32,
    #[comptime] chunks: usize,
    #[comptime] parts: usize,
) {
    let block = (row / 8 * chunks + k / 64) * 2 + k / 32 % 2;
    let word = (row % 8 * 4 + k / 8 % 4) * 4 + k % 8 / 2;
    let first_a = rounded(a);
    let first_b = rounded(b);
    out[block * comptime!(parts * UNITS * 4) + word] = join(first_a, first_b);
    if comptime!(parts == 2) {
        out[(block * parts + 1) * comptime!(UNITS * 4) + word] =
            join(rounded(a - first_a), rounded(b - first_b));
    }
}

/// The nearest number of 8 significant bits, of two the even one.
#[cube]
fn rounded(value: f32) -> f32 {
    let bits = u32::reinterpret(value);
    f32::reinterpret((bits + 0x7fffu32 + ((bits >> 16u32) & 1u32)) & 0xffff_0000u32)
}

//! A few rows times a matrix: `y[t, o] = sum over c of w[o, c] x[t, c]`.
//!
//! A plane computes one output for up to [`TOKENS_MAX`] rows. Its units read the matrix 16 bytes at a time, side by side, and turn them
//! into numbers in registers, so that a matrix costs the bytes of its file and no more. Bits are decoded by integer operations only: the
//! kernel needs no type the device might lack.

use cubecl::prelude::*;

/// Rows that one reading of the matrix serves.
pub const TOKENS_MAX: usize = 8;

/// Planes, and with them outputs, of a cube.
pub const PLANES: usize = 4;

/// Units of a plane: NVIDIA's warps.
pub const UNITS: usize = 32;

/// How the numbers of a matrix lie in words of 32 bits, little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Packing {
    /// One a word.
    F32,
    /// Two a word.
    F16,
    /// Two a word.
    Bf16,
    /// Four a word, signed; the scale of 32 of them is half a word of `scales`.
    Q8_0,
    /// 32 in four words: word `w` has numbers `4 w..4 w + 4` in its bytes' low halves and those 16 further in the high ones, each with 8
    /// added. The scale of 32 is half a word of `scales`.
    Q4_0,
    /// The same with nothing added; scale and minimum of 32 are the halves of a word of `scales`.
    Q4_1,
}

impl Packing {
    /// Numbers in 16 bytes.
    #[must_use]
    pub fn per_vector(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 8,
            Self::Q8_0 => 16,
            Self::Q4_0 | Self::Q4_1 => 32,
        }
    }
}

/// Sizes of a product, known when it is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProductShape {
    /// How the matrix lies.
    pub packing: Packing,
    /// Rows of the matrix.
    pub outputs: usize,
    /// Columns of the matrix; whole vectors of its packing.
    pub columns: usize,
    /// Numbers of a row of `y`, and where in it the outputs begin.
    pub stride: usize,
    /// See above.
    pub offset: usize,
    /// Rows of `x` per cube: at most [`TOKENS_MAX`].
    pub tokens: usize,
}

/// Sixteen bytes of a matrix.
pub(super) type Words = Vector<u32, Const<4>>;

/// Four numbers of a row.
pub(super) type Four = Vector<f32, Const<4>>;

/// Cubes: (outputs / [`PLANES`], rows of `x` / `shape.tokens`). Units: ([`UNITS`], [`PLANES`]).
///
/// - `words`: [outputs, columns / numbers in a vector];
/// - `scales`: see [`Packing`]; not read by floats;
/// - `x`: [rows, columns / 4]; `y`: [rows, stride].
#[cube(launch_unchecked)]
pub fn product(words: &[Words], scales: &[u32], x: &[Four], y: &mut [f32], #[comptime] shape: ProductShape) {
    let output = CUBE_POS_X as usize * PLANES + UNIT_POS_Y as usize;
    if output < shape.outputs {
        let per_vector = comptime!(shape.packing.per_vector());
        let vectors = comptime!(shape.columns / per_vector);
        let fours = comptime!(shape.columns / 4);
        let per_four = comptime!(per_vector / 4);
        let first = CUBE_POS_Y as usize * shape.tokens;
        let mut sums = Array::<f32>::new(shape.tokens);
        #[unroll]
        for t in 0..shape.tokens {
            sums[t] = 0.0;
        }
        let mut numbers = Array::<f32>::new(per_vector);
        let mut at = UNIT_POS_X as usize;
        while at < vectors {
            unpack(words[output * vectors + at], scales, output, at, &mut numbers, shape.packing, vectors);
            #[unroll]
            for t in 0..shape.tokens {
                let row = (first + t) * fours + at * per_four;
                #[unroll]
                for i in 0..per_four {
                    let four = x[row + i];
                    sums[t] += four.extract(0usize) * numbers[4 * i]
                        + four.extract(1usize) * numbers[4 * i + 1]
                        + four.extract(2usize) * numbers[4 * i + 2]
                        + four.extract(3usize) * numbers[4 * i + 3];
                }
            }
            at += UNITS;
        }
        #[unroll]
        for t in 0..shape.tokens {
            let sum = plane_sum(sums[t]);
            if UNIT_POS_X == 0 {
                y[(first + t) * shape.stride + shape.offset + output] = sum;
            }
        }
    }
}

/// Numbers of vector `at` of row `row`, of `vectors` a row.
#[cube]
pub(super) fn unpack(
    words: Words,
    scales: &[u32],
    row: usize,
    at: usize,
    numbers: &mut Array<f32>,
    #[comptime] packing: Packing,
    #[comptime] vectors: usize,
) {
    let mut scale = 1.0f32;
    let mut least = 0.0f32;
    if comptime!(packing == Packing::Q8_0) {
        scale = half_of(scales, row * comptime!(vectors / 2) + at / 2);
    } else if comptime!(packing == Packing::Q4_0) {
        scale = half_of(scales, row * vectors + at);
        least = scale * -8.0f32;
    } else if comptime!(packing == Packing::Q4_1) {
        let both = scales[row * vectors + at];
        scale = half(both & 0xffffu32);
        least = half(both >> 16u32);
    }
    #[unroll]
    for w in 0..4usize {
        let word = words.extract(w);
        if comptime!(packing == Packing::F32) {
            numbers[w] = f32::reinterpret(word);
        } else if comptime!(packing == Packing::Bf16) {
            numbers[2 * w] = f32::reinterpret(word << 16u32);
            numbers[2 * w + 1] = f32::reinterpret(word & 0xffff_0000u32);
        } else if comptime!(packing == Packing::F16) {
            numbers[2 * w] = half(word & 0xffffu32);
            numbers[2 * w + 1] = half(word >> 16u32);
        } else if comptime!(packing == Packing::Q8_0) {
            #[unroll]
            for b in 0..4usize {
                let up = comptime!(24 - 8 * b as u32);
                let value = i32::reinterpret(word << up) >> 24i32;
                numbers[4 * w + b] = f32::cast_from(value) * scale;
            }
        } else {
            #[unroll]
            for b in 0..4usize {
                let down = comptime!(8 * b as u32);
                let byte = word >> down;
                numbers[4 * w + b] = f32::cast_from(byte & 15u32) * scale + least;
                numbers[16 + 4 * w + b] = f32::cast_from((byte >> 4u32) & 15u32) * scale + least;
            }
        }
    }
}

/// Half `index` of the words.
#[cube]
fn half_of(words: &[u32], index: usize) -> f32 {
    let word = words[index / 2];
    half(select(index % 2 == 0, word & 0xffffu32, word >> 16u32))
}

/// A number of 16 bits: its exponent and mantissa moved to where f32 has them, and the exponents' difference multiplied in, which is exact
/// for small numbers without a leading one too. Weights are finite.
#[cube]
fn half(bits: u32) -> f32 {
    let positive = f32::reinterpret((bits & 0x7fffu32) << 13u32) * 5.192_296_9e33f32;
    f32::reinterpret(u32::reinterpret(positive) | ((bits & 0x8000u32) << 16u32))
}

//! Between a file's blocks and groups of sixteen rows.

use half::f16;

use super::packed::{Form, Integers, ROWS};
use crate::decoder::{BlockKind, MatrixView};

/// One block of one row: `weight[i] = scale * (q[i] - offset) + minimum`, with the form's offset.
pub(crate) struct Block {
    pub(crate) scale: f32,
    pub(crate) minimum: f32,
    pub(crate) q: [i8; 32],
}

/// Writes group `group` of a matrix. Rows beyond the last stay zero.
pub(super) fn group(view: &MatrixView<'_>, form: Form, group: usize, out: &mut [u8]) {
    for (lane, row) in (group * ROWS..view.rows.min((group + 1) * ROWS)).enumerate() {
        let bytes = view.row(row);
        match form {
            Form::F32 => interleave::<4>(bytes, lane, out),
            Form::F16 | Form::Bf16 => interleave::<2>(bytes, lane, out),
            Form::Integers(form) => {
                let mut index = 0;
                each_block(view.kind, bytes, |block| {
                    write_block(form, &block, lane, &mut out[index * form.block_bytes()..]);
                    index += 1;
                });
            }
        }
    }
}

fn interleave<const N: usize>(row: &[u8], lane: usize, out: &mut [u8]) {
    for (column, bytes) in row.as_chunks::<N>().0.iter().enumerate() {
        let at = (column * ROWS + lane) * N;
        out[at..at + N].copy_from_slice(bytes);
    }
}

fn write_block(form: Integers, block: &Block, lane: usize, out: &mut [u8]) {
    let mut scale = |slot: usize, value: f32| {
        let at = slot * form.scale_bytes() + lane * if form.wide { 4 } else { 2 };
        if form.wide {
            out[at..at + 4].copy_from_slice(&value.to_le_bytes());
        } else {
            out[at..at + 2].copy_from_slice(&f16::from_f32(value).to_le_bytes());
        }
    };
    scale(0, block.scale);
    if form.minimum {
        scale(1, block.minimum);
    }
    let quants = &mut out[form.scale_bytes() * if form.minimum { 2 } else { 1 }..];
    // Four bytes of a lane lie side by side: as [`place`] has them, a word at a time.
    let (words, _) = block.q[..form.block].as_chunks::<4>();
    let mut put = |index: usize, word: [u8; 4]| {
        let at = index * 64 + lane * 4;
        quants[at..at + 4].copy_from_slice(&word);
    };
    if form.nibbles {
        for (index, [low, high]) in words.as_chunks::<2>().0.iter().enumerate() {
            put(index, std::array::from_fn(|i| low[i].cast_unsigned() | high[i].cast_unsigned() << 4));
        }
    } else {
        for (index, word) in words.iter().enumerate() {
            put(index, word.map(|q| q.cast_unsigned() ^ 0x80));
        }
    }
}

/// The byte of a column of a lane among a block's numbers, and the bit it begins at.
fn place(form: Integers, column: usize, lane: usize) -> (usize, u32) {
    if form.nibbles {
        (column / 8 * 64 + lane * 4 + column % 4, if column % 8 < 4 { 0 } else { 4 })
    } else {
        (column / 4 * 64 + lane * 4 + column % 4, 0)
    }
}

/// Reads lane `lane` of a group.
pub(super) fn read_row(form: Form, group: &[u8], lane: usize, out: &mut [f32]) {
    let number = |column: usize, bytes: usize| &group[(column * ROWS + lane) * bytes..];
    match form {
        Form::F32 => out.iter_mut().enumerate().for_each(|(i, out)| *out = f32_at(number(i, 4))),
        Form::F16 => out.iter_mut().enumerate().for_each(|(i, out)| *out = f16_at(number(i, 2))),
        Form::Bf16 => out.iter_mut().enumerate().for_each(|(i, out)| {
            let bytes = number(i, 2);
            *out = f32::from_bits(u32::from(u16::from_le_bytes([bytes[0], bytes[1]])) << 16);
        }),
        Form::Integers(form) => {
            for (block, out) in group.chunks_exact(form.block_bytes()).zip(out.chunks_exact_mut(form.block)) {
                let scale = |slot: usize| {
                    let at = &block[slot * form.scale_bytes()..];
                    if form.wide { f32_at(&at[lane * 4..]) } else { f16_at(&at[lane * 2..]) }
                };
                let minimum = if form.minimum { scale(1) } else { 0.0 };
                let quants = &block[form.scale_bytes() * if form.minimum { 2 } else { 1 }..];
                for (column, out) in out.iter_mut().enumerate() {
                    let (at, shift) = place(form, column, lane);
                    let q = if form.nibbles {
                        i32::from(quants[at] >> shift & 15) - form.offset
                    } else {
                        i32::from((quants[at] ^ 0x80).cast_signed())
                    };
                    *out = scale(0) * q as f32 + minimum;
                }
            }
        }
    }
}

fn f32_at(bytes: &[u8]) -> f32 {
    f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn f16_at(bytes: &[u8]) -> f32 {
    f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()
}

/// Hands out the blocks of a row in order; of 32 columns, or 16 for Q6_K. The layouts are ggml-common.h's.
pub(crate) fn each_block(kind: BlockKind, row: &[u8], mut give: impl FnMut(Block)) {
    for bytes in row.chunks_exact(kind.bytes()) {
        match kind {
            BlockKind::F32 | BlockKind::F16 | BlockKind::BF16 => unreachable!("floats have no blocks"),
            BlockKind::Q4_0 => give(simple(bytes, false, nibbles(&bytes[2..]))),
            BlockKind::Q4_1 => give(simple(bytes, true, nibbles(&bytes[4..]))),
            BlockKind::Q5_0 => {
                let q = fifth_bits(&bytes[2..6], nibbles(&bytes[6..]));
                give(simple(bytes, false, q.map(|q| q - 16)));
            }
            BlockKind::Q5_1 => {
                let q = fifth_bits(&bytes[4..8], nibbles(&bytes[8..]));
                give(simple(bytes, true, q));
            }
            BlockKind::Q8_0 => {
                give(simple(bytes, false, std::array::from_fn(|i| bytes[2 + i].cast_signed())));
            }
            BlockKind::Q4K => (0..8).for_each(|i| give(k_block(bytes, i, &bytes[16..], None))),
            BlockKind::Q5K => {
                (0..8).for_each(|i| give(k_block(bytes, i, &bytes[48..], Some(&bytes[16..48]))))
            }
            BlockKind::Q6K => (0..16).for_each(|i| give(six_bits(bytes, i))),
        }
    }
}

fn simple(bytes: &[u8], minimum: bool, q: [i8; 32]) -> Block {
    Block { scale: f16_at(bytes), minimum: if minimum { f16_at(&bytes[2..]) } else { 0.0 }, q }
}

/// The low halves of 16 bytes are the first 16 numbers, the high halves the last 16.
fn nibbles(packed: &[u8]) -> [i8; 32] {
    std::array::from_fn(|i| if i < 16 { packed[i] & 15 } else { packed[i - 16] >> 4 }.cast_signed())
}

fn fifth_bits(high: &[u8], low: [i8; 32]) -> [i8; 32] {
    std::array::from_fn(|i| low[i] | (high[i / 8] >> (i % 8) & 1).cast_signed() << 4)
}

/// Block `i` of eight of Q4_K or Q5_K: 6-bit scales and minimums, packed in 12 bytes, times two f16.
fn k_block(bytes: &[u8], i: usize, quants: &[u8], high: Option<&[u8]>) -> Block {
    let s = &bytes[4..16];
    let (scale, minimum) = if i < 4 {
        (s[i] & 63, s[i + 4] & 63)
    } else {
        ((s[i + 4] & 15) | (s[i - 4] >> 6) << 4, (s[i + 4] >> 4) | (s[i] >> 6) << 4)
    };
    let quants = &quants[i / 2 * 32..];
    let q = std::array::from_fn(|l| {
        let low = if i.is_multiple_of(2) { quants[l] & 15 } else { quants[l] >> 4 };
        let bit = high.map_or(0, |high| high[l] >> i & 1);
        (low | bit << 4).cast_signed()
    });
    Block { scale: f16_at(bytes) * f32::from(scale), minimum: -f16_at(&bytes[2..]) * f32::from(minimum), q }
}

/// Block `i` of sixteen of Q6_K: sixteen numbers around 32 with a signed scale.
fn six_bits(bytes: &[u8], i: usize) -> Block {
    let (low, high, scales) = (&bytes[..128], &bytes[128..192], &bytes[192..208]);
    // 128 numbers share 64 low and 32 high bytes; within them, quarters of 32.
    let (half, quarter, first) = (i / 8, i % 8 / 2, i % 2 * 16);
    let mut q = [0; 32];
    for (k, q) in q[..16].iter_mut().enumerate() {
        let at = first + k;
        let byte = low[half * 64 + quarter % 2 * 32 + at];
        let four = if quarter < 2 { byte & 15 } else { byte >> 4 };
        let two = high[half * 32 + at] >> (2 * quarter) & 3;
        *q = (four | two << 4).cast_signed() - 32;
    }
    Block { scale: f16_at(&bytes[208..]) * f32::from(scales[i].cast_signed()), minimum: 0.0, q }
}

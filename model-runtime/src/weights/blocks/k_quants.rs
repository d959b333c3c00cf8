//! Blocks of 256 weights.

use super::half_at;

/// Weights of 4 bits in eight groups of 32. Bytes: scale, scale of minima (f16 each), 12 of group scales, 128 of weights.
pub(super) fn expand_q4(block: &[u8; 144], out: &mut [f32; 256]) {
    let groups = Groups::of(block);
    pairs_of_groups(&block[16..], out, &groups, |_, _| 0);
}

/// Weights of 5 bits: as [`expand_q4`], with 32 bytes of fifth bits before the weights; bit `g` belongs to group `g`.
pub(super) fn expand_q5(block: &[u8; 176], out: &mut [f32; 256]) {
    let groups = Groups::of(block);
    let fifths = &block[16..48];
    pairs_of_groups(&block[48..], out, &groups, |group, i| (fifths[i] >> group & 1) << 4);
}

/// Weights of 6 bits around 32 in sixteen groups of 16. Bytes: 128 of low halves, 64 of upper bits, 16 signed group scales, scale (f16).
pub(super) fn expand_q6(block: &[u8; 210], out: &mut [f32; 256]) {
    let (scales, scale) = (&block[192..208], half_at(block, 208));
    for (half, out) in out.as_chunks_mut::<128>().0.iter_mut().enumerate() {
        let (low, high) = (&block[64 * half..], &block[128 + 32 * half..]);
        for i in 0..32 {
            // Four runs of 32: the low halves of 64 bytes, then their high halves.
            for (run, low) in
                [low[i] & 0x0f, low[i + 32] & 0x0f, low[i] >> 4, low[i + 32] >> 4].into_iter().enumerate()
            {
                let q = low | (high[i] >> (2 * run) & 3) << 4;
                let group = f32::from(scales[8 * half + 2 * run + i / 16].cast_signed());
                out[32 * run + i] = scale * group * (f32::from(q) - 32.0);
            }
        }
    }
}

/// Scales and minima of the eight groups of a block.
struct Groups {
    scales: [f32; 8],
    minima: [f32; 8],
}

impl Groups {
    /// Both are 6 bits: of the first four groups side by side in 8 bytes; of the last four the low halves lie in 4 further bytes, and
    /// the upper bits in what the first 8 leave free.
    fn of(block: &[u8]) -> Self {
        let (scale, minimum, packed) = (half_at(block, 0), half_at(block, 2), &block[4..16]);
        let both: [(u8, u8); 8] = std::array::from_fn(|group| match group {
            0..4 => (packed[group] & 63, packed[group + 4] & 63),
            _ => (
                packed[group + 4] & 0x0f | packed[group - 4] >> 6 << 4,
                packed[group + 4] >> 4 | packed[group] >> 6 << 4,
            ),
        });
        Self {
            scales: both.map(|(factor, _)| scale * f32::from(factor)),
            minima: both.map(|(_, factor)| minimum * f32::from(factor)),
        }
    }
}

/// The low halves of 32 bytes are one group, the high halves the next. `upper` gives the upper bits of weight `i` of a group.
fn pairs_of_groups(packed: &[u8], out: &mut [f32; 256], groups: &Groups, upper: impl Fn(usize, usize) -> u8) {
    for (pair, (packed, out)) in
        packed.as_chunks::<32>().0.iter().zip(out.as_chunks_mut::<64>().0).enumerate()
    {
        for (within, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let group = 2 * pair + within;
            for (i, (out, byte)) in out.iter_mut().zip(packed).enumerate() {
                let q = byte >> (4 * within) & 0x0f | upper(group, i);
                *out = groups.scales[group] * f32::from(q) - groups.minima[group];
            }
        }
    }
}

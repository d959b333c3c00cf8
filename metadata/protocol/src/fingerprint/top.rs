//! The greatest values of each chunk, kept while the states go by.

use std::mem;

use super::{CHUNK_ROWS, Proof, TOP_VALUES};

/// Takes hidden states one by one and closes chunks of them. What it does for each value is a comparison, so it may run beside the
/// model; making proofs of closed chunks takes longer and is left to another thread.
#[derive(Debug, Default)]
pub struct FingerprintBuilder {
    top: Top,
    rows: u32,
    is_first_closed: bool,
    closed: Vec<Chunk>,
}

/// The greatest values of a chunk that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk(Vec<(u32, u16)>);

/// The greatest values so far. Each is one number whose order is that of magnitudes, and among equals of places from last to first.
#[derive(Debug, Default)]
struct Top {
    kept: Vec<u64>,
    /// Below it nothing can be among the greatest any more.
    least: u64,
    place: u32,
}

/// The nearest bfloat16 to the f32 of these bits; of two equally near, the even one. Any NaN is the canonical one.
pub const fn bfloat16_bits(f32_bits: u32) -> u16 {
    if f32_bits & 0x7fff_ffff > 0x7f80_0000 {
        return 0x7fc0;
    }
    let odd = (f32_bits >> 16) & 1;
    // At most the bits of infinity, and its sign, are rounded up: no overflow.
    (f32_bits.wrapping_add(0x7fff).wrapping_add(odd) >> 16) as u16
}

impl FingerprintBuilder {
    /// Takes the state that the next token is drawn from, as bfloat16 bits.
    pub fn push(&mut self, row: impl IntoIterator<Item = u16>) {
        self.top.extend(row);
        self.rows = self.rows.saturating_add(1);
        if !self.is_first_closed || self.rows == CHUNK_ROWS {
            self.close();
        }
    }

    /// The chunks that were closed since the last call.
    pub fn take_closed(&mut self) -> Vec<Chunk> {
        mem::take(&mut self.closed)
    }

    /// The same, once nothing more will come: the last chunk is closed as it is.
    pub fn take_last(&mut self) -> Vec<Chunk> {
        if self.rows > 0 {
            self.close();
        }
        self.take_closed()
    }

    fn close(&mut self) {
        self.is_first_closed = true;
        self.rows = 0;
        self.closed.push(mem::take(&mut self.top).into_chunk());
    }
}

impl Chunk {
    /// Places and bfloat16 bits of the greatest values, greatest first.
    pub fn values(&self) -> &[(u32, u16)] {
        &self.0
    }

    /// The chunk's proof. `None` for states without numbers.
    pub fn prove(&self) -> Option<Proof> {
        Proof::through(&self.0)
    }
}

impl Top {
    fn extend(&mut self, row: impl IntoIterator<Item = u16>) {
        for bits in row {
            let key = key(self.place, bits);
            self.place = self.place.saturating_add(1);
            if key > self.least {
                self.kept.push(key);
                if self.kept.len() >= 2 * TOP_VALUES {
                    self.trim();
                }
            }
        }
    }

    fn trim(&mut self) {
        if self.kept.len() > TOP_VALUES {
            let (_, least, _) = self.kept.select_nth_unstable_by(TOP_VALUES - 1, |a, b| b.cmp(a));
            self.least = *least;
            self.kept.truncate(TOP_VALUES);
        }
    }

    fn into_chunk(mut self) -> Chunk {
        self.trim();
        self.kept.sort_unstable_by(|a, b| b.cmp(a));
        Chunk(self.kept.into_iter().map(value).collect())
    }
}

/// Magnitude, then the place from last to first, then the sign.
fn key(place: u32, bits: u16) -> u64 {
    let (magnitude, sign) = (u64::from(bits & 0x7fff), u64::from(bits >> 15));
    (magnitude << 33) | (u64::from(!place) << 1) | sign
}

fn value(key: u64) -> (u32, u16) {
    let (magnitude, sign) = ((key >> 33) as u16, (key & 1) as u16);
    (!((key >> 1) as u32), magnitude | (sign << 15))
}

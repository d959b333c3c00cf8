//! A product of two matrices of small whole numbers, so that it is the same on every device: what a miner's device computes in a time.
//!
//! The seed gives `A` (rows by inner) and `B` (inner by columns) of bytes; `C = A B` has 32-bit numbers that never overflow, because the
//! inner length is at most 2^16. The miner commits to `C` by the root over its rows, and the root draws the rows that it then shows. The
//! check is Freivalds' (1977): for a random vector `r` over the field of 2^61 - 1, which also only the root decides, `C_i r` must be
//! `A_i (B r)`. One pass over `B` and one over each row shown: no product is computed.
//!
//! # What it shows and what not
//! A row that is not that of the product passes with a chance of one in 2^61. Who computes only a share of the rows must hope that those
//! drawn are among them, or try other roots until they are: each try costs [`DRAW_ROUNDS`] hashes in a row, some ten milliseconds of a
//! processor. With 32 rows shown a hundred tries find a draw that spares one row in eight, ten thousand one in four. So within its time band
//! the answer shows most of the work. It does not show that the device has the memory that the matrices take: who has less makes the
//! product piece by piece, which costs time only. Nor does it show which device it was.

use parity_scale_codec::{Decode, Encode, Error, Input};

use super::{Wrong, drawn};
use crate::bounded::decode_list;
use crate::digest::Digest;
use crate::merkle;

/// The field of Freivalds' check: a prime below 2^61.
const PRIME: u64 = (1 << 61) - 1;

/// Hashes in a row between the root and what it draws.
pub const DRAW_ROUNDS: u32 = 1 << 16;

/// The most rows of a product.
pub const ROWS_MAX: u32 = 1 << 22;

/// The most columns of a product.
pub const COLUMNS_MAX: u32 = 1 << 18;

/// The longest inner length: 65,536 products of two bytes stay below 2^32.
pub const INNER_MAX: u32 = 1 << 16;

/// Numbers in `B`: what a check of the answer takes, some tens of milliseconds, goes by them. The miner's work goes by the rows too.
pub const RIGHT_VALUES_MAX: u32 = 1 << 25;

/// Numbers in the rows shown, together.
pub const SHOWN_VALUES_MAX: u32 = 1 << 18;

/// Rows in one answer.
pub const SHOWN_MAX: u8 = 64;

/// Siblings in one path: a tree over [`ROWS_MAX`] rows is as high.
const PATH_MAX: usize = 22;

/// The product that is to be computed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ProductTask {
    /// Rows of the product.
    pub rows: u32,
    /// The length of each sum.
    pub inner: u32,
    /// Columns of the product.
    pub columns: u32,
    /// How many rows are to be shown.
    pub shown: u8,
}

/// The product, committed to and shown in part.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Product {
    /// The root over the hashes of all rows.
    pub root: Digest,
    /// The rows that it draws, in that order.
    pub rows: Rows,
}

/// Rows that are shown.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct Rows(pub Vec<OpenedRow>);

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct OpenedRow {
    /// Its numbers.
    pub values: Vec<u32>,
    /// The siblings on the way to the root, lowest first.
    pub path: Vec<Digest>,
}

/// One of the two matrices: bytes from a counter.
#[derive(Debug, Clone, Copy)]
pub struct Matrix {
    key: u64,
    inner: u32,
}

impl ProductTask {
    pub(super) fn is_sound(&self) -> bool {
        let sides = (1..=ROWS_MAX).contains(&self.rows) && (1..=COLUMNS_MAX).contains(&self.columns);
        let values = u64::from(self.columns).saturating_mul(self.shown.into());
        let right = u64::from(self.columns).saturating_mul(self.inner.into());
        sides
            && right <= RIGHT_VALUES_MAX.into()
            && (1..=INNER_MAX).contains(&self.inner)
            && (1..=SHOWN_MAX).contains(&self.shown)
            && values <= SHOWN_VALUES_MAX.into()
    }

    /// Multiplications of two bytes, each added to a sum.
    pub fn work(&self) -> u64 {
        u64::from(self.rows).saturating_mul(self.inner.into()).saturating_mul(self.columns.into())
    }

    /// Bytes of both matrices and of the product.
    pub fn bytes(&self) -> u64 {
        let (rows, inner, columns) = (u64::from(self.rows), u64::from(self.inner), u64::from(self.columns));
        let both = rows.saturating_add(columns).saturating_mul(inner);
        rows.saturating_mul(columns).saturating_mul(4).saturating_add(both)
    }

    /// `A`, row by row.
    pub fn left(&self, seed: &Digest) -> Matrix {
        Matrix::new(seed, b"SN_PRODUCT_A_V1\0", self.inner)
    }

    /// `B`, column by column.
    pub fn right(&self, seed: &Digest) -> Matrix {
        Matrix::new(seed, b"SN_PRODUCT_B_V1\0", self.inner)
    }

    /// The rows that are to be shown of a product with this root, in their order.
    pub fn places(&self, seed: &Digest, root: &Digest) -> Vec<u32> {
        self.draw(&tried(seed, root))
    }

    fn draw(&self, tried: &Digest) -> Vec<u32> {
        let one = |index| u32::try_from(drawn(tried, index, self.rows.into())).unwrap_or(0);
        (0..self.shown.into()).map(one).collect()
    }
}

impl Matrix {
    fn new(seed: &Digest, name: &[u8], inner: u32) -> Self {
        let key = Digest::of_prefixed(name, &seed.0).0;
        Self { key: u64::from_le_bytes(*key.first_chunk().unwrap_or(&[0; 8])), inner }
    }

    /// Writes line number `line` (a row of `A`, a column of `B`) over `into`, as many bytes as the inner length has.
    ///
    /// Byte `k` is byte `k % 8`, lowest first, of `splitmix64(key + (line * ceil(inner / 8) + k / 8) * 0x9e3779b97f4a7c15)`, where
    /// `splitmix64` is the mixing function of Steele, Lea and Flood (2014).
    pub fn line(&self, line: u32, into: &mut Vec<u8>) {
        let inner = usize::try_from(self.inner).unwrap_or(0);
        let words = u64::from(self.inner.div_ceil(8));
        let first = u64::from(line).wrapping_mul(words);
        into.clear();
        for word in 0..words {
            let counter = first.wrapping_add(word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            into.extend_from_slice(&mix(self.key.wrapping_add(counter)).to_le_bytes());
        }
        into.truncate(inner);
    }
}

/// The hash of a row, as its leaf in the product's tree.
pub fn row_hash(values: &[u32]) -> Digest {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    merkle::leaf_hash(&bytes)
}

impl Product {
    pub(super) fn check(&self, seed: &Digest, task: &ProductTask) -> Result<(), Wrong> {
        let shown = &self.rows.0;
        if shown.len() != usize::from(task.shown) {
            return Err(Wrong::Count { expected: task.shown.into(), found: shown.len() as u64 });
        }
        let tried = tried(seed, &self.root);
        let places = task.draw(&tried);
        for ((index, place), row) in (0..).zip(&places).zip(shown) {
            let leaf = row_hash(&row.values);
            let is_whole = u64::try_from(row.values.len()) == Ok(task.columns.into());
            let rows = task.rows.into();
            if !is_whole || !merkle::verify_inclusion(&leaf, u64::from(*place), rows, &row.path, &self.root) {
                return Err(Wrong::Place { index });
            }
        }
        let r = vector(&tried, task.columns);
        let image = image(&task.right(seed), &r, task.inner);
        let (left, mut line) = (task.left(seed), Vec::new());
        for (place, row) in places.into_iter().zip(shown) {
            left.line(place, &mut line);
            let of_product = dot(row.values.iter().map(|value| u64::from(*value)), &r);
            if of_product != dot(line.iter().map(|value| u64::from(*value)), &image) {
                return Err(Wrong::Row { row: place });
            }
        }
        Ok(())
    }
}

/// What a root draws by: slow on purpose, so that trying many roots does not pay.
fn tried(seed: &Digest, root: &Digest) -> Digest {
    let mut state = Digest::of_prefixed(b"SN_PRODUCT_DRAW_V1\0", &(seed, root).encode());
    for _ in 0..DRAW_ROUNDS {
        state = Digest::of(&state.0);
    }
    state
}

/// A vector of field elements.
fn vector(tried: &Digest, length: u32) -> Vec<u64> {
    let key = u64::from_le_bytes(
        *Digest::of_prefixed(b"SN_PRODUCT_R_V1\0", &tried.0).0.first_chunk().unwrap_or(&[0; 8]),
    );
    let one =
        |index: u32| mix(key.wrapping_add(u64::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15))) % PRIME;
    (0..length).map(one).collect()
}

/// `B r`.
fn image(right: &Matrix, r: &[u64], inner: u32) -> Vec<u64> {
    let mut sums = vec![0_u128; usize::try_from(inner).unwrap_or(0)];
    let mut line = Vec::new();
    for (column, factor) in (0..).zip(r) {
        right.line(column, &mut line);
        for (sum, value) in sums.iter_mut().zip(&line) {
            // 2^18 columns of 69 bits each stay below 2^87.
            *sum = sum.wrapping_add(u128::from(*value).wrapping_mul((*factor).into()));
        }
    }
    sums.into_iter().map(reduced).collect()
}

fn dot(values: impl Iterator<Item = u64>, by: &[u64]) -> u64 {
    // 2^18 products of 93 bits stay below 2^111.
    let sum = values
        .zip(by)
        .fold(0_u128, |sum, (value, by)| sum.wrapping_add(u128::from(value).wrapping_mul((*by).into())));
    reduced(sum)
}

fn reduced(value: u128) -> u64 {
    u64::try_from(value.checked_rem(PRIME.into()).unwrap_or(0)).unwrap_or(0)
}

fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

impl Decode for Rows {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        decode_list(input, SHOWN_MAX.into()).map(Self)
    }
}

impl Decode for OpenedRow {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let values_max = usize::try_from(SHOWN_VALUES_MAX).unwrap_or(usize::MAX);
        Ok(Self { values: decode_list(input, values_max)?, path: decode_list(input, PATH_MAX)? })
    }
}

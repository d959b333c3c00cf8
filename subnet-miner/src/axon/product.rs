//! The product of two matrices, on one thread of the processor.
//!
//! Not here: the same on a card. A miner whose models run on one answers from its processor, and a validator that set its time band for the
//! card takes that for too late.

use protocol::challenge::product::{Rows, row_hash};
use protocol::challenge::{OpenedRow, Product, ProductTask};
use protocol::digest::Digest;
use protocol::merkle;

/// Rows between two looks at whether to go on.
const ROWS_AT_ONCE: u32 = 16;

/// The second matrix, column by column, and a row of the first.
struct Factors {
    right: Vec<u8>,
    inner: usize,
}

impl Factors {
    fn row(&self, left: &[u8]) -> Vec<u32> {
        self.right.chunks_exact(self.inner).map(|column| dot(left, column)).collect()
    }
}

/// Computes it, and shows the rows that its root draws. `go_on` is asked every few rows with the number of those done; after false nothing
/// comes of it. Takes the memory of [`memory_bytes`].
pub(super) fn compute(
    task: &ProductTask,
    seed: &Digest,
    mut go_on: impl FnMut(u32) -> bool,
) -> Option<Product> {
    let (left, matrix) = (task.left(seed), task.right(seed));
    let inner = usize::try_from(task.inner).ok().filter(|inner| *inner > 0)?;
    let (mut right, mut line) = (Vec::new(), Vec::new());
    for column in 0..task.columns {
        matrix.line(column, &mut line);
        right.extend_from_slice(&line);
    }
    let factors = Factors { right, inner };
    let mut leaves = Vec::new();
    for row in 0..task.rows {
        if row % ROWS_AT_ONCE == 0 && !go_on(row) {
            return None;
        }
        left.line(row, &mut line);
        leaves.push(row_hash(&factors.row(&line)));
    }
    let root = merkle::root(&leaves);
    let mut rows = Vec::new();
    // The few rows shown are made again: keeping all of them would take as much memory as the product.
    for place in task.places(seed, &root) {
        left.line(place, &mut line);
        let path = merkle::inclusion_proof(&leaves, usize::try_from(place).ok()?)?;
        rows.push(OpenedRow { values: factors.row(&line), path });
    }
    Some(Product { root, rows: Rows(rows) })
}

/// What computing it takes, in bytes: the second matrix and a hash for each row.
pub(super) fn memory_bytes(task: &ProductTask) -> u64 {
    u64::from(task.inner) * u64::from(task.columns) + 32 * u64::from(task.rows)
}

/// Whether there is time to let paid work go first: if all that is left to do would take at most half of the time that is left.
pub(super) fn has_time(done: u32, rows: u32, worked_ms: u64, left_ms: u64) -> bool {
    let needed_ms = worked_ms.saturating_mul(rows.saturating_sub(done).into()).checked_div(done.into());
    needed_ms.is_some_and(|needed_ms| needed_ms.saturating_mul(2) < left_ms)
}

fn dot(left: &[u8], right: &[u8]) -> u32 {
    left.iter().zip(right).map(|(left, right)| u32::from(*left) * u32::from(*right)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: ProductTask = ProductTask { rows: 50, inner: 33, columns: 21, shown: 7 };

    #[test]
    fn rows_are_the_sums_of_products_and_lie_under_the_root_that_draws_them() {
        let seed = Digest([5; 32]);
        let product = compute(&TASK, &seed, |_| true).unwrap();
        let places = TASK.places(&seed, &product.root);
        assert_eq!(product.rows.0.len(), 7);
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for (place, row) in places.into_iter().zip(&product.rows.0) {
            TASK.left(&seed).line(place, &mut a);
            TASK.right(&seed).line(20, &mut b);
            let last: u64 = a.iter().zip(&b).map(|(a, b)| u64::from(*a) * u64::from(*b)).sum();
            assert_eq!(u64::from(row.values[20]), last);
            let leaf = row_hash(&row.values);
            assert!(merkle::verify_inclusion(&leaf, place.into(), 50, &row.path, &product.root));
        }
        assert_eq!(compute(&TASK, &seed, |done| done < 32), None, "told to stop");
    }

    #[test]
    fn paid_work_goes_first_while_there_is_twice_the_time_that_is_needed() {
        assert!(has_time(50, 100, 1_000, 2_001));
        assert!(!has_time(50, 100, 1_000, 2_000));
        assert!(!has_time(0, 100, 0, u64::MAX), "how long it takes is not known yet");
    }
}

//! Checking the leaves of one slice on all cores: file by file they are read, and a batch at a time their signatures verified.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use parquet::errors::ParquetError;
use protocol::digest::Digest;
use protocol::manifest::{Part, Slice};
use protocol::replay::{CheckedLeaf, Leaf, LeafError};

use super::leaves::{self, Row};
use super::review::ReviewError;
use super::seen::Seen;
use super::shelf::{Bundle, part_path};

/// Leaves whose signatures are verified together.
const BATCH_LEAVES: usize = 512;
/// Leaves that are read although the manifest does not list so many, so that one that is doubled can be named.
const ROWS_MORE: u64 = 1_024;

/// A part's leaves in the order of its file, as far as they are good.
pub(super) struct CheckedPart {
    pub(super) leaves: Vec<CheckedLeaf>,
    /// The first that is not, by the index recorded beside it.
    pub(super) wrong: Option<(u64, LeafError)>,
    /// What is wrong with the file as a whole.
    pub(super) fault: Option<ReviewError>,
}

struct ReadPart {
    rows: Vec<Row>,
    fault: Option<ReviewError>,
    seen: bool,
}

/// Checks all parts of a slice. `Err` if a file cannot be read.
pub(super) fn check_slice(
    bundle: &Bundle,
    shard: u8,
    slice: &Slice,
    seen: Option<&Seen>,
    threads: usize,
) -> Result<Vec<CheckedPart>, ReviewError> {
    let parts = on_all(&slice.parts, threads, |part| read_part(bundle, shard, part, seen));
    let parts = parts.into_iter().collect::<Result<Vec<_>, _>>()?;
    let batches: Vec<(usize, &[Row], bool)> = parts
        .iter()
        .enumerate()
        .flat_map(|(number, part)| part.rows.chunks(BATCH_LEAVES).map(move |rows| (number, rows, part.seen)))
        .collect();
    let checked = on_all(&batches, threads, |(_, rows, seen)| check_batch(rows, *seen));
    let mut of_part: Vec<CheckedPart> =
        slice.parts.iter().map(|_| CheckedPart { leaves: Vec::new(), wrong: None, fault: None }).collect();
    for ((number, _, _), (leaves, wrong)) in batches.iter().zip(checked) {
        let Some(part) = of_part.get_mut(*number) else { continue };
        // Nothing counts behind the first that is wrong.
        if part.wrong.is_none() {
            part.leaves.extend(leaves);
            part.wrong = wrong;
        }
    }
    for (checked, read) in of_part.iter_mut().zip(parts) {
        checked.fault = read.fault;
    }
    Ok(of_part)
}

fn read_part(bundle: &Bundle, shard: u8, part: &Part, seen: Option<&Seen>) -> Result<ReadPart, ReviewError> {
    let name = name_of(shard, part);
    let bytes =
        bundle.part(shard, part).map_err(|source| ReviewError::Read { name: name.clone(), source })?;
    let as_listed = (bytes.len() as u64, Digest::of(&bytes)) == (part.bytes, part.sha256);
    let altered = || ReviewError::File { name: name.clone() };
    let rows = match leaves::read(bytes.into(), part.rows.saturating_add(ROWS_MORE)) {
        Ok(rows) => rows,
        Err(_) if !as_listed => return Err(altered()),
        Err(error) => return Err(error.into()),
    };
    // Its leaves are looked at all the same: an altered leaf is told more exactly than the file that it stands in.
    let fault = if !as_listed {
        Some(altered())
    } else if rows.len() as u64 != part.rows
        || rows.first().map(|row| row.index) != Some(part.first)
        || rows.last().map(|row| row.index) != Some(part.last)
    {
        let wrong = ParquetError::General(format!("{name} does not hold the leaves that the manifest says"));
        Some(ReviewError::Parquet(wrong))
    } else {
        None
    };
    let seen = as_listed && seen.is_some_and(|seen| seen.has(&part.sha256));
    Ok(ReadPart { rows, fault, seen })
}

/// What a part is called in findings: with its shard, unless that is 0.
pub(super) fn name_of(shard: u8, part: &Part) -> String {
    if shard == 0 { part.path() } else { part_path(shard, part) }
}

fn check_batch(rows: &[Row], seen: bool) -> (Vec<CheckedLeaf>, Option<(u64, LeafError)>) {
    let leaves: Vec<Leaf<'_>> =
        rows.iter().map(|row| Leaf { index: row.index, hash: row.leaf, record: &row.record }).collect();
    if seen {
        let mut checked = Vec::with_capacity(leaves.len());
        for leaf in &leaves {
            match CheckedLeaf::checked_before(leaf) {
                Ok(leaf) => checked.push(leaf),
                Err(error) => return (checked, Some((leaf.index, error))),
            }
        }
        return (checked, None);
    }
    match CheckedLeaf::check_all(&leaves) {
        Ok(checked) => (checked, None),
        Err((at, error)) => {
            let index = leaves.get(at).map_or(0, |leaf| leaf.index);
            let before = CheckedLeaf::check_all(leaves.get(..at).unwrap_or_default());
            (before.unwrap_or_default(), Some((index, error)))
        }
    }
}

/// Does the work for each item, on as many threads; answers come in the items' order.
fn on_all<T: Sync, R: Send>(items: &[T], threads: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(items.len()));
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(number) else { return };
                    let answer = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((number, answer));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, answer)| answer).collect()
}

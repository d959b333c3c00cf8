//! Checking the leaves of slices on all cores, a run of consecutive leaves at a time: they are read from their files, brought into the
//! log's order, and their signatures are verified in batches.
//!
//! In memory are the files of a slice (their bytes as they lie on the disk, from the run with the first of their leaves to that with
//! the last) and one run; so it does not matter how long the log is, nor how many leaves a slice has once it is read.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use parquet::errors::ParquetError;
use protocol::digest::Digest;
use protocol::manifest::{Part, Slice};
use protocol::replay::{CheckedLeaf, Leaf, LeafError};

use super::leaves::{LeafReader, Row};
use super::review::ReviewError;
use super::seen::Seen;
use super::shelf::{Bundle, part_path};

/// Leaves whose signatures are verified together: fewer on many cores, so that each has some.
const BATCH_LEAVES: RangeInclusive<usize> = 64..=512;
/// Leaves of a run. The same on all machines, so that what a review finds does not depend on its cores.
pub(super) const RUN_LEAVES: u64 = 8_192;
/// Leaves that are read although the manifest does not list so many, so that one that is doubled can be named: no more than it lists,
/// since what a part may unpack goes by its leaves.
const ROWS_MORE: u64 = 1_024;

/// Checks slices of one shard.
#[derive(Clone, Copy)]
pub(super) struct Checker<'b> {
    pub(super) bundle: &'b Bundle,
    pub(super) shard: u8,
    pub(super) seen: Option<&'b Seen>,
    pub(super) threads: usize,
    /// Leaves of a run at most.
    pub(super) run_leaves: u64,
}

/// Leaves that were checked, in the order in which their files give them for the log.
pub(super) struct Run<'s> {
    pub(super) slice: &'s Slice,
    /// The log's leaves up to this one belong here or before.
    pub(super) end: u64,
    /// Each with the number of its part.
    pub(super) leaves: Vec<(usize, CheckedLeaf)>,
    /// The first behind them that is not good, by the index recorded beside it.
    pub(super) wrong: Option<(u64, LeafError)>,
    /// The lowest index that a file goes on with.
    pub(super) next: Option<u64>,
    /// At the end of a slice: what is wrong with the first of its files that is another one than listed.
    pub(super) fault: Option<ReviewError>,
}

/// The parts of a slice: those whose first leaf is still to come, by that leaf, and the others.
struct Parts<'s> {
    waiting: Vec<(usize, &'s Part)>,
    open: Vec<Mutex<OpenPart<'s>>>,
}

/// A part as far as it was read.
struct OpenPart<'s> {
    number: usize,
    part: &'s Part,
    as_listed: bool,
    /// Verified before.
    seen: bool,
    /// `None` once all is read.
    file: Option<LeafReader>,
    /// Read and not given yet.
    ahead: VecDeque<Row>,
    rows: u64,
    first: Option<u64>,
    last: Option<u64>,
}

impl<'s> Parts<'s> {
    fn of(slice: &'s Slice) -> Self {
        let mut waiting: Vec<(usize, &Part)> = slice.parts.iter().enumerate().collect();
        waiting.sort_by_key(|(_, part)| part.first);
        Self { waiting, open: Vec::new() }
    }
}

impl Checker<'_> {
    /// Gives the runs of these slices in order, until `give` says that no more are wanted.
    pub(super) fn check<'s>(
        &self,
        slices: &'s [Slice],
        mut give: impl FnMut(Result<Run<'s>, ReviewError>) -> bool,
    ) {
        for slice in slices {
            let mut parts = Parts::of(slice);
            let mut first = slice.first;
            while first < slice.end {
                let end = slice.end.min(first.saturating_add(self.run_leaves));
                let run = self.run(slice, &mut parts, end);
                let ended = run.is_err();
                if !give(run) || ended {
                    return;
                }
                first = end;
            }
        }
    }

    /// The leaves before `end` that no run has had.
    fn run<'s>(
        &self,
        slice: &'s Slice,
        Parts { waiting, open }: &mut Parts<'s>,
        end: u64,
    ) -> Result<Run<'s>, ReviewError> {
        let due = waiting.partition_point(|(_, part)| part.first < end);
        let due: Vec<(usize, &Part)> = waiting.drain(..due).collect();
        for part in on_all(&due, self.threads, |(number, part)| self.open(*number, part)) {
            open.push(Mutex::new(part?));
        }
        let parts = &*open;
        // What is read ahead of all parts together is no more than a run, unless there are very many.
        let together = usize::try_from(self.run_leaves).unwrap_or(usize::MAX) / parts.len().max(1);
        let read =
            on_all(parts, self.threads, |part| self.read_below(&mut lock(part), end, together.max(16)));
        let mut rows = Vec::with_capacity(parts.len());
        for (part, read) in parts.iter().zip(read) {
            let part = lock(part);
            rows.push((part.number, part.seen, VecDeque::from(read?)));
        }
        let rows = in_order(rows);
        let batch = rows.len().div_ceil(self.threads).clamp(*BATCH_LEAVES.start(), *BATCH_LEAVES.end());
        let batches: Vec<&[Ordered]> = rows.chunks(batch).collect();
        let (mut leaves, mut wrong) = (Vec::with_capacity(rows.len()), None);
        for (checked, found) in on_all(&batches, self.threads, |rows| check_batch(rows)) {
            leaves.extend(checked);
            wrong = found;
            // Nothing counts behind the first that is wrong.
            if wrong.is_some() {
                break;
            }
        }
        let next = parts.iter().filter_map(|part| lock(part).ahead.front().map(|row| row.index)).min();
        let fault = (end == slice.end)
            .then(|| parts.iter().filter_map(|part| self.fault(&lock(part))).min_by_key(|fault| fault.0));
        let fault = fault.flatten().map(|(_, fault)| fault);
        Ok(Run { slice, end, leaves, wrong, next, fault })
    }

    fn open<'s>(&self, number: usize, part: &'s Part) -> Result<OpenPart<'s>, ReviewError> {
        let failed = |source| ReviewError::Read { name: name_of(self.shard, part), source };
        let bytes = self.bundle.part(self.shard, part).map_err(failed)?;
        let as_listed = (bytes.len() as u64, Digest::of(&bytes)) == (part.bytes, part.sha256);
        let file = LeafReader::new(bytes.into(), part.rows.saturating_add(part.rows.min(ROWS_MORE)));
        let file = file.map_err(|error| self.unreadable(part, as_listed, error))?;
        let seen = as_listed && self.seen.is_some_and(|seen| seen.has(&part.sha256));
        let ahead = VecDeque::new();
        Ok(OpenPart {
            number,
            part,
            as_listed,
            seen,
            file: Some(file),
            ahead,
            rows: 0,
            first: None,
            last: None,
        })
    }

    /// The part's next leaves up to the first that does not belong before `end`; read so many together.
    fn read_below(
        &self,
        open: &mut OpenPart<'_>,
        end: u64,
        together: usize,
    ) -> Result<Vec<Row>, ReviewError> {
        let mut rows = Vec::new();
        loop {
            while let Some(row) = open.ahead.pop_front_if(|row| row.index < end) {
                rows.push(row);
            }
            let Some(file) = open.file.as_mut().filter(|_| open.ahead.is_empty()) else { return Ok(rows) };
            let read = file.read(together);
            let read = read.map_err(|error| self.unreadable(open.part, open.as_listed, error))?;
            open.rows = open.rows.saturating_add(read.len() as u64);
            open.first = open.first.or(read.first().map(|row| row.index));
            open.last = read.last().map(|row| row.index).or(open.last);
            if read.is_empty() {
                open.file = None;
            }
            open.ahead = read.into();
        }
    }

    fn altered(&self, part: &Part) -> ReviewError {
        ReviewError::File { name: name_of(self.shard, part) }
    }

    fn unreadable(&self, part: &Part, as_listed: bool, error: ParquetError) -> ReviewError {
        if as_listed { error.into() } else { self.altered(part) }
    }

    /// What is wrong with a part as a whole once it ought to be read. Its leaves are looked at all the same, and first: an altered leaf
    /// is told more exactly than the file that it stands in.
    fn fault(&self, open: &OpenPart<'_>) -> Option<(usize, ReviewError)> {
        let OpenPart { number, part, .. } = open;
        if !open.as_listed {
            return Some((*number, self.altered(part)));
        }
        let as_told = (open.rows, open.first, open.last) == (part.rows, Some(part.first), Some(part.last));
        if as_told && open.file.is_none() && open.ahead.is_empty() {
            return None;
        }
        let name = name_of(self.shard, part);
        let wrong = ParquetError::General(format!("{name} does not hold the leaves that the manifest says"));
        Some((*number, ReviewError::Parquet(wrong)))
    }
}

/// What a part is called in findings: with its shard, unless that is 0.
pub(super) fn name_of(shard: u8, part: &Part) -> String {
    if shard == 0 { part.path() } else { part_path(shard, part) }
}

/// A leaf of a part with this number, which was verified before or not.
struct Ordered {
    part: usize,
    seen: bool,
    row: Row,
}

/// Puts leaves into the log's order: each time the part goes on whose next leaf has the lowest index.
fn in_order(mut parts: Vec<(usize, bool, VecDeque<Row>)>) -> Vec<Ordered> {
    let mut lowest = BinaryHeap::with_capacity(parts.len());
    for (place, (_, _, rows)) in parts.iter().enumerate() {
        lowest.extend(rows.front().map(|row| Reverse((row.index, place))));
    }
    let mut ordered = Vec::with_capacity(parts.iter().map(|(_, _, rows)| rows.len()).sum());
    while let Some(Reverse((_, place))) = lowest.pop() {
        let Some((part, seen, rows)) = parts.get_mut(place) else { continue };
        ordered.extend(rows.pop_front().map(|row| Ordered { part: *part, seen: *seen, row }));
        lowest.extend(rows.front().map(|row| Reverse((row.index, place))));
    }
    ordered
}

type CheckedBatch = (Vec<(usize, CheckedLeaf)>, Option<(u64, LeafError)>);

/// The leaves up to the first that is wrong, and that one.
fn check_batch(rows: &[Ordered]) -> CheckedBatch {
    fn leaf(Row { index, leaf, record }: &Row) -> Leaf<'_> {
        Leaf { index: *index, hash: *leaf, record }
    }
    let leaves: Vec<Leaf<'_>> = rows.iter().map(|ordered| leaf(&ordered.row)).collect();
    let new: Vec<Leaf<'_>> =
        leaves.iter().zip(rows).filter(|(_, row)| !row.seen).map(|(leaf, _)| *leaf).collect();
    let (new, mut wrong) = match CheckedLeaf::check_all(&new) {
        Ok(checked) => (checked, None),
        Err((at, error)) => {
            let before = CheckedLeaf::check_all(new.get(..at).unwrap_or_default());
            (before.unwrap_or_default(), Some(error))
        }
    };
    let (mut checked, mut new) = (Vec::with_capacity(rows.len()), new.into_iter());
    for (leaf, Ordered { part, seen, .. }) in leaves.iter().zip(rows) {
        let found = if *seen {
            CheckedLeaf::checked_before(leaf)
        } else {
            match (new.next(), wrong.take()) {
                (Some(leaf), error) => {
                    wrong = error;
                    Ok(leaf)
                }
                (None, Some(error)) => Err(error),
                (None, None) => break,
            }
        };
        match found {
            Ok(leaf) => checked.push((*part, leaf)),
            Err(error) => return (checked, Some((leaf.index, error))),
        }
    }
    (checked, None)
}

/// Nothing here panics while holding a lock.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
                    lock(&done).push((number, answer));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, answer)| answer).collect()
}

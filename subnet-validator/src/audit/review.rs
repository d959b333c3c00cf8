//! Reviewing a bundle: from files to a verdict, trusting none of them.
//!
//! Slices are read one after another, in runs of consecutive leaves that are checked on all cores and put together in the log's order
//! while the next run is being checked: so memory holds two runs (8,192 leaves each) and the files of one slice, however long
//! the log is, and the first leaf at fault is the first in the log.
//!
//! The logs of several shards are reviewed at the same time, as many as there are cores, each on a thread of its own with a slice's
//! files and two runs in memory. What is told is the first fault of the lowest shard that has one, whichever was found first.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use parity_scale_codec::{Decode, DecodeAll};
use parquet::errors::ParquetError;
use protocol::account::AccountId;
use protocol::catalogue::CatalogueError;
use protocol::digest::{Digest, Hasher};
use protocol::head::{HeadError, SignedHead, ValidHead};
use protocol::manifest::{Manifest, ManifestError, SignedManifest, Slice, frontier_file};
use protocol::merkle::Frontier;
use protocol::policy_document::{self, PolicyDocumentError, SignedPolicyDocument};
use protocol::receipt::Countersigned;
use protocol::replay::{LeafError, Replay, ReplayError, Replayed, Rules, ShardReplay};
use protocol::scoring::{HOUR_MS, Miner};

use super::check::{Checker, RUN_LEAVES, Run, name_of};
use super::grounds::{self, GroundsError};
use super::seen::Seen;
use super::shelf::Bundle;
use super::{EVIDENCE, HEADS, MANIFEST, MINERS, POLICY};

/// Receipts shown together.
const SHOWN_TOGETHER: usize = 512;

/// How long the small files may be.
/// (A manifest has some 250 bytes for each part.)
pub(super) const MANIFEST_BYTES_MAX: u64 = 256 << 20;
const HEADS_BYTES_MAX: u64 = 64 << 20;
const MINERS_BYTES_MAX: u64 = 64 << 20;
const FRONTIER_BYTES_MAX: u64 = 4_096;

/// A bundle that is as its head says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewed {
    /// The head that was checked.
    pub head: ValidHead,
    /// The miners that it was checked with.
    pub miners: Vec<Miner>,
    /// What was computed.
    pub replayed: Replayed,
}

/// Why a bundle is not as its head says, or cannot be reviewed.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// A file cannot be read.
    #[error("cannot read {name}")]
    Read {
        /// Which one.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The manifest is unreadable.
    #[error(
        "the manifest is not JSON of the form expected (bundles of single files, of the first version, are not read)"
    )]
    ManifestForm(#[source] serde_json::Error),
    /// The manifest is not signed, or names files it may not.
    #[error("checking the manifest")]
    Manifest(#[source] ManifestError),
    /// The bundle is of another validator than the one to be reviewed.
    #[error("the bundle is of validator {found}, not of {expected}")]
    OtherValidator {
        /// The validator to be reviewed.
        expected: AccountId,
        /// The manifest's.
        found: AccountId,
    },
    /// A file is missing from the manifest.
    #[error("the manifest does not list {0}")]
    NotListed(String),
    /// A file is not the one the manifest lists.
    #[error("{name} is not the file that the manifest lists: it was altered or cut off")]
    File {
        /// Which one.
        name: String,
    },
    /// A file does not decode.
    #[error("{0} does not decode")]
    Decode(String),
    /// The manifest lists leaves of a shard that the head does not name, or none of one that it names.
    #[error("the manifest lists leaves of the shards {found:?}, the head names {expected:?}")]
    OtherShards {
        /// In the head.
        expected: Vec<u8>,
        /// In the manifest.
        found: Vec<u8>,
    },
    /// Evidence is none.
    #[error("checking the evidence")]
    Evidence(#[source] GroundsError),
    /// A head is not signed by its validator.
    #[error("checking a head")]
    Head(#[source] HeadError),
    /// The last head is not the manifest's.
    #[error("the last head has the digest {found}, the manifest names {expected}")]
    OtherHead {
        /// In the manifest.
        expected: Digest,
        /// Of the last head.
        found: Digest,
    },
    /// The policy document is not good.
    #[error("checking the policy document")]
    Policy(#[source] PolicyDocumentError),
    /// The policy's models are no catalogue.
    #[error("reading the policy document's models")]
    Models(#[source] CatalogueError),
    /// A Parquet file is damaged.
    #[error("the leaves cannot be read")]
    Parquet(#[from] ParquetError),
    /// A leaf lies in the file of another miner or hour.
    #[error("leaf {index} lies in {part}, where it does not belong")]
    Misplaced {
        /// The shard, if there are several.
        shard: Option<u8>,
        /// Its place in the log.
        index: u64,
        /// The file.
        part: String,
    },
    /// The list of parts that were checked before cannot be read or written.
    #[error("the list of checked parts cannot be read or written")]
    Seen(#[source] io::Error),
    /// The leaves are not as the heads say.
    #[error("the log is not as its head says")]
    Replay(#[from] ReplayError),
}

impl ReviewError {
    /// The leaf at fault, if it is one leaf's.
    #[must_use]
    pub fn leaf(&self) -> Option<u64> {
        match self {
            Self::Replay(error) => error.leaf(),
            Self::Misplaced { index, .. } => Some(*index),
            _ => None,
        }
    }

    /// The shard at fault, if there are several and it is one shard's.
    #[must_use]
    pub fn shard(&self) -> Option<u8> {
        match self {
            Self::Replay(error) => error.shard(),
            Self::Head(HeadError::Shard { shard, .. }) | Self::Misplaced { shard: Some(shard), .. } => {
                Some(*shard)
            }
            _ => None,
        }
    }
}

/// How a bundle is reviewed.
#[derive(Debug, Default)]
pub struct ReviewOptions<'o> {
    /// Whose it must be.
    pub validator: Option<&'o AccountId>,
    /// Parts that were checked before; those that are checked now are added.
    pub seen: Option<&'o Seen>,
    /// Threads that verify; as many as there are cores for `None`.
    pub threads: Option<NonZeroUsize>,
    /// Leaves that are checked together; 8,192 for `None`. Some three times as many are in memory.
    pub run_leaves: Option<NonZeroU64>,
}

/// The head that a bundle is of, with its signature checked and nothing else.
///
/// # Errors
/// When the heads cannot be read, or the last one is not signed by the validator that it names.
pub fn last_head(folder: &Path) -> Result<ValidHead, ReviewError> {
    last_head_of(&find(folder)?)
}

/// The same for a bundle that may lie elsewhere than in a folder.
///
/// # Errors
/// As [`last_head`].
pub fn last_head_of(bundle: &Bundle) -> Result<ValidHead, ReviewError> {
    let heads: Vec<SignedHead> = decode(bundle, HEADS, HEADS_BYTES_MAX)?;
    let last = heads.into_iter().last().ok_or(ReplayError::NoHead)?;
    last.verify().map_err(ReviewError::Head)
}

/// All heads that a bundle holds, each with its signature checked and nothing else.
///
/// # Errors
/// When they cannot be read, or one is not signed by the validator that it names.
pub fn all_heads(folder: &Path) -> Result<Vec<ValidHead>, ReviewError> {
    let heads: Vec<SignedHead> = decode(&find(folder)?, HEADS, HEADS_BYTES_MAX)?;
    heads.into_iter().map(|head| head.verify().map_err(ReviewError::Head)).collect()
}

/// Reviews the bundle in a folder, of this validator. `see` is shown every receipt of the log in order (of several logs, each in its
/// order), after its signatures were verified, with how many leaves are done and how many there are.
///
/// # Errors
/// With the first thing that is wrong.
pub fn review(
    folder: &Path,
    validator: Option<&AccountId>,
    see: impl FnMut(&[Countersigned], (u64, u64)) + Send,
) -> Result<Reviewed, ReviewError> {
    review_with(&find(folder)?, ReviewOptions { validator, ..ReviewOptions::default() }, see)
}

/// Reviews a bundle, wherever it lies.
///
/// # Errors
/// With the first thing that is wrong.
pub fn review_with(
    bundle: &Bundle,
    options: ReviewOptions<'_>,
    mut see: impl FnMut(&[Countersigned], (u64, u64)) + Send,
) -> Result<Reviewed, ReviewError> {
    let manifest = read(bundle, MANIFEST, MANIFEST_BYTES_MAX)?;
    let manifest: SignedManifest = serde_json::from_slice(&manifest).map_err(ReviewError::ManifestForm)?;
    let manifest = manifest.verify().map_err(ReviewError::Manifest)?;
    if let Some(expected) = options.validator.filter(|expected| **expected != manifest.validator) {
        return Err(ReviewError::OtherValidator { expected: *expected, found: manifest.validator });
    }
    let listed = |name: &str| manifest.files.iter().any(|file| file.name == name);
    if let Some(missing) = [HEADS, POLICY, MINERS].into_iter().find(|name| !listed(name)) {
        return Err(ReviewError::NotListed(missing.to_owned()));
    }
    for file in &manifest.files {
        let found = open(bundle, &file.name).and_then(|opened| length_and_digest(&file.name, opened))?;
        if found != (file.bytes, file.sha256) {
            return Err(ReviewError::File { name: file.name.clone() });
        }
    }
    let heads: Vec<SignedHead> = decode(bundle, HEADS, HEADS_BYTES_MAX)?;
    let heads = heads.into_iter().map(SignedHead::verify).collect::<Result<Vec<_>, _>>();
    let heads = heads.map_err(ReviewError::Head)?;
    let head = heads.last().cloned().ok_or(ReplayError::NoHead)?;
    if head.digest() != manifest.head {
        return Err(ReviewError::OtherHead { expected: manifest.head, found: head.digest() });
    }
    if head.validator != manifest.validator {
        let (expected, found) = (manifest.validator, head.validator);
        return Err(ReviewError::OtherValidator { expected, found });
    }
    let document: SignedPolicyDocument = decode(bundle, POLICY, policy_document::BYTES_MAX as u64)?;
    let document = document.verify().map_err(ReviewError::Policy)?;
    let rules = Rules::new(document).map_err(ReviewError::Models)?;
    let miners: Vec<Miner> = decode(bundle, MINERS, MINERS_BYTES_MAX)?;
    let mut starts = BTreeMap::new();
    for shard in head.shards() {
        let name = frontier_file(shard.shard);
        if !listed(&name) {
            return Err(ReviewError::NotListed(name));
        }
        starts.insert(shard.shard, decode::<Frontier>(bundle, &name, FRONTIER_BYTES_MAX)?);
    }
    let expected: Vec<u8> = starts.keys().copied().collect();
    let mut replay = Replay::of_shards(&rules, heads, starts)?;
    let found: Vec<u8> = manifest.logs().map(|(shard, _)| shard).collect();
    // A shard without leaves in the window may be listed or not.
    if !found.iter().all(|shard| expected.contains(shard)) {
        return Err(ReviewError::OtherShards { expected, found });
    }
    replay_shards(bundle, &manifest, &options, &mut replay, &mut see)?;
    // Without the file nobody is convicted or doubted; a head that says otherwise is not met then.
    if listed(EVIDENCE) {
        let window_ms = head.window_start_ms..head.window_end_ms;
        let evidence = grounds::read(open(bundle, EVIDENCE)?, &window_ms);
        replay.judge_on(evidence.map_err(ReviewError::Evidence)?);
    }
    let replayed = replay.finish(&miners)?;
    Ok(Reviewed { head, miners, replayed })
}

/// A file beside the manifest, in bytes: evidence of one window is the largest.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Who is shown the receipts, with the leaves done of all shards.
struct Watch<'w, F> {
    see: &'w mut F,
    done: BTreeMap<u8, u64>,
    total: u64,
}

impl<F: FnMut(&[Countersigned], (u64, u64))> Watch<'_, F> {
    fn show(&mut self, shard: u8, receipts: &[Countersigned], done: u64) {
        self.done.insert(shard, done);
        (self.see)(receipts, (self.done.values().sum(), self.total));
    }
}

fn replay_shards<F: FnMut(&[Countersigned], (u64, u64)) + Send>(
    bundle: &Bundle,
    manifest: &Manifest,
    options: &ReviewOptions<'_>,
    replay: &mut Replay<'_>,
    see: &mut F,
) -> Result<(), ReviewError> {
    let threads =
        options.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let shards = replay.shards_mut();
    let begun = shards.iter().map(|shard| (shard.shard(), shard.progress().0)).collect();
    let total = shards.iter().map(|shard| shard.progress().1).sum();
    let watch = Mutex::new(Watch { see, done: begun, total });
    let at_once = threads.min(shards.len()).max(1);
    let threads = (threads / at_once).max(1);
    let run_leaves = options.run_leaves.map_or(RUN_LEAVES, NonZeroU64::get);
    let reviewer = Reviewer { bundle, seen: options.seen, threads, run_leaves, watch };
    let slices: BTreeMap<u8, &[Slice]> = manifest.logs().collect();
    // The lowest shard with a fault so far: higher ones need not be read any further.
    let faulty = AtomicUsize::new(usize::MAX);
    let faults = Mutex::new(BTreeMap::new());
    on_each(shards.iter_mut(), at_once, |shard| {
        let number = shard.shard();
        let is_moot = || faulty.load(Ordering::Relaxed) < usize::from(number);
        let of_shard = slices.get(&number).copied().unwrap_or_default();
        if let Err(error) = reviewer.replay(shard, of_shard, &is_moot) {
            faulty.fetch_min(usize::from(number), Ordering::Relaxed);
            lock(&faults).insert(number, error);
        }
    });
    let faults = faults.into_inner().unwrap_or_else(PoisonError::into_inner);
    faults.into_values().next().map_or(Ok(()), Err)
}

/// Does the work for each item, on as many threads.
fn on_each<T: Send>(items: impl Iterator<Item = T> + Send, threads: usize, work: impl Fn(T) + Sync) {
    let waiting = Mutex::new(items);
    let work = || {
        loop {
            // By itself: in the head of a loop the lock would be held while the work is done.
            let next = lock(&waiting).next();
            let Some(item) = next else { return };
            work(item);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
}

/// Nothing here panics while holding a lock but what it shows to, whose panic ends the review.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads the slices of one shard.
struct Reviewer<'v, 'w, F> {
    bundle: &'v Bundle,
    seen: Option<&'v Seen>,
    /// For each shard that is read at this time.
    threads: usize,
    run_leaves: u64,
    watch: Mutex<Watch<'w, F>>,
}

impl<F: FnMut(&[Countersigned], (u64, u64)) + Send> Reviewer<'_, '_, F> {
    fn replay(
        &self,
        shard: &mut ShardReplay<'_>,
        slices: &[Slice],
        is_moot: &dyn Fn() -> bool,
    ) -> Result<(), ReviewError> {
        let Self { bundle, seen, threads, run_leaves, .. } = *self;
        let checker = Checker { bundle, shard: shard.shard(), seen, threads, run_leaves };
        thread::scope(|scope| {
            // The next run is checked while this one is put together: without room between the two, there are never more.
            let (give, runs) = sync_channel(0);
            scope.spawn(move || checker.check(slices, |run| give.send(run).is_ok()));
            for run in runs {
                if is_moot() {
                    return Ok(());
                }
                self.put_together(run?, shard)?;
            }
            Ok(())
        })
    }

    /// Puts leaves into the log.
    fn put_together(&self, run: Run<'_>, replay: &mut ShardReplay<'_>) -> Result<(), ReviewError> {
        let number = replay.shard();
        let Run { slice, end, leaves, wrong, next, fault } = run;
        let show = |receipts: &[Countersigned], done| lock(&self.watch).show(number, receipts, done);
        let mut receipts = Vec::with_capacity(SHOWN_TOGETHER);
        for (part, leaf) in leaves {
            let index = leaf.index();
            let receipt = replay.push(leaf)?;
            let ticket = receipt.ticket();
            if let Some(part) = slice.parts.get(part)
                && (ticket.issued_at_ms / HOUR_MS, ticket.miner) != (part.hour, part.miner)
            {
                let (shard, part) = (replay.named_shard(), name_of(number, part));
                return Err(ReviewError::Misplaced { shard, index, part });
            }
            receipts.push(receipt);
            if receipts.len() == SHOWN_TOGETHER {
                show(&receipts, replay.progress().0);
                receipts.clear();
            }
        }
        let (expected, _) = replay.progress();
        if let Some((index, source)) = wrong {
            let source = if index == expected { source } else { LeafError::Index { found: index } };
            return Err(replay.wrong(expected, source).into());
        }
        if !receipts.is_empty() {
            show(&receipts, expected);
        }
        if expected != end {
            let missing = match next {
                Some(found) => replay.wrong(expected, LeafError::Index { found }),
                None => replay.ends_early(slice.end),
            };
            return Err(missing.into());
        }
        if let Some(fault) = fault {
            // Leaves that are all good, in a file that is another one than listed.
            return Err(fault);
        }
        if let Some(seen) = self.seen.filter(|_| end == slice.end) {
            let parts: Vec<Digest> = slice.parts.iter().map(|part| part.sha256).collect();
            seen.add(&parts).map_err(ReviewError::Seen)?;
        }
        Ok(())
    }
}

fn find(folder: &Path) -> Result<Bundle, ReviewError> {
    let name = || folder.display().to_string();
    Bundle::at(folder).map_err(|source| ReviewError::Read { name: name(), source })
}

fn open(bundle: &Bundle, name: &str) -> Result<Box<dyn Read>, ReviewError> {
    let failed = |source| ReviewError::Read { name: name.to_owned(), source };
    bundle.open(name, FILE_BYTES_MAX).map_err(failed)
}

/// Of a file that may be too large for memory.
fn length_and_digest(name: &str, mut file: Box<dyn Read>) -> Result<(u64, Digest), ReviewError> {
    let (mut hasher, mut length, mut piece) = (Hasher::new(), 0_u64, vec![0; 1 << 16]);
    loop {
        let failed = |source| ReviewError::Read { name: name.to_owned(), source };
        let read = file.read(&mut piece).map_err(failed)?;
        if read == 0 {
            return Ok((length, hasher.finish()));
        }
        hasher.update(piece.get(..read).unwrap_or_default());
        length = length.saturating_add(read as u64);
    }
}

fn read(bundle: &Bundle, name: &str, bytes_max: u64) -> Result<Vec<u8>, ReviewError> {
    let failed = |source| ReviewError::Read { name: name.to_owned(), source };
    bundle.file(name, bytes_max).map_err(failed)
}

fn decode<T: Decode>(bundle: &Bundle, name: &str, bytes_max: u64) -> Result<T, ReviewError> {
    let bytes = read(bundle, name, bytes_max)?;
    T::decode_all(&mut bytes.as_slice()).map_err(|_| ReviewError::Decode(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender};
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_done_on_two_threads_is_done_at_the_same_time() {
        let ((to_one, from_other), (to_other, from_one)) = (sync_channel(1), sync_channel(1));
        let met = AtomicUsize::new(0);
        let items: [(SyncSender<()>, Receiver<()>); 2] = [(to_other, from_other), (to_one, from_one)];
        on_each(items.into_iter(), 2, |(tell, hear)| {
            tell.send(()).unwrap();
            // Each ends only once the other has begun.
            met.fetch_add(hear.recv_timeout(Duration::from_secs(20)).is_ok().into(), Ordering::Relaxed);
        });
        assert_eq!(met.into_inner(), 2);
    }
}

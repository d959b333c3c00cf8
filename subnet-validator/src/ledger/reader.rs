//! Reads of the ledger: pages, windows, single receipts, proofs, and the whole-log check. All of them block on the disk.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::evidence::{SignedEvidence, ValidEvidence};
use protocol::merkle::{self, Frontier};
use protocol::policy_document::SignedPolicyDocument;
use protocol::receipt::{Countersigned, Outcome, UncheckedCountersigned};
use protocol::replay::LATE_MS_MAX;
use protocol::standing::{self, Standings};
use protocol::ticket::ModelId;
use rocksdb::Direction;

use super::HeadRecord;
use super::error::{OpenError, ReadError};
use super::schema::{self, Owner};
use super::store::{Store, decode_head};
use super::volume::Volume;

/// Reads the ledger while its writer writes.
#[derive(Clone)]
pub struct Reader {
    pub(super) volume: Arc<Volume>,
}

/// A receipt with its place in the log.
#[derive(Clone)]
pub struct Stored {
    /// Its place.
    pub index: u64,
    /// The receipt, checked again when it was read.
    pub receipt: Countersigned,
}

/// What one receipt says of use, read without checking its signatures: they were checked when it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metered {
    /// The receipt's place.
    pub index: u64,
    /// Salted hash of who pays.
    pub payer: Digest,
    /// The model that served.
    pub model: ModelId,
    /// When the ticket was issued.
    pub issued_at_ms: u64,
    /// Tokens read.
    pub prompt_tokens: u32,
    /// Tokens written, by the miner's count.
    pub completion_tokens: u32,
    /// Tokens that reached the user, by the validator's count.
    pub tokens_delivered: u32,
    /// How it ended.
    pub outcome: Outcome,
}

/// A page of receipts, newest first.
#[derive(Clone)]
pub struct Page {
    /// At most as many as asked for.
    pub items: Vec<Stored>,
    /// Where the next page starts: give it as `before`. `None` when there is none.
    pub before_next: Option<u64>,
}

/// That one leaf is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The leaf's place.
    pub index: u64,
    /// The leaf.
    pub leaf: Digest,
    /// Receipts in the log the proof is for.
    pub size: u64,
    /// Root of that log.
    pub root: Digest,
    /// RFC 6962 audit path.
    pub path: Vec<Digest>,
}

/// What a whole-log check found to be in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Receipts checked.
    pub size: u64,
    /// The root they hash to, equal to the stored frontier's.
    pub root: Digest,
}

impl Reader {
    pub(super) fn new(volume: Arc<Volume>) -> Self {
        Self { volume }
    }

    /// Reads a ledger that another process may be writing, as it is on disk now.
    ///
    /// # Errors
    /// When there is no ledger of this owner and of the current format.
    pub fn open(path: &Path, owner: Owner) -> Result<Self, OpenError> {
        let store = Store::open_read_only(path, owner)?;
        Ok(Self::new(Arc::new(Volume::new(path.to_owned(), owner, store))))
    }

    /// Receipts in the log.
    pub fn size(&self) -> Result<u64, ReadError> {
        Ok(self.volume.store()?.frontier()?.size())
    }

    /// The receipt at one place.
    pub fn at(&self, index: u64) -> Result<Option<Stored>, ReadError> {
        self.volume.store()?.receipt_bytes(index)?.map(|bytes| decode(index, &bytes)).transpose()
    }

    /// The receipt whose miner-signed part has this hash.
    pub fn by_receipt_hash(&self, receipt_hash: &Digest) -> Result<Option<Stored>, ReadError> {
        match self.volume.store()?.by_receipt(receipt_hash)? {
            Some(index) => self.at(index),
            None => Ok(None),
        }
    }

    /// Up to `limit` receipts from `index` on, in log order.
    pub fn from(&self, index: u64, limit: usize) -> Result<Vec<Stored>, ReadError> {
        let (mut indexes, mut records) = (Vec::new(), Vec::new());
        for entry in self
            .volume
            .store()?
            .scan(schema::RECEIPTS, &schema::index(index), Direction::Forward)?
            .take(limit)
        {
            let (key, bytes) = entry?;
            let index = schema::read_u64(&key).ok_or_else(|| ReadError::damaged("bad key in `receipts`"))?;
            indexes.push(index);
            records.push(unchecked(index, &bytes)?);
        }
        let receipts = UncheckedCountersigned::verify_all(records).map_err(|(position, source)| {
            let index = indexes.get(position).copied().unwrap_or(index);
            ReadError::BadReceipt { index, source }
        })?;
        Ok(indexes.into_iter().zip(receipts).map(|(index, receipt)| Stored { index, receipt }).collect())
    }

    /// What up to `limit` receipts from `index` on say of use, in log order.
    pub fn metered_from(&self, index: u64, limit: usize) -> Result<Vec<Metered>, ReadError> {
        let store = self.volume.store()?;
        let entries = store.scan(schema::RECEIPTS, &schema::index(index), Direction::Forward)?;
        let metered = entries.take(limit).map(|entry| {
            let (key, bytes) = entry?;
            let index = schema::read_u64(&key).ok_or_else(|| ReadError::damaged("bad key in `receipts`"))?;
            let record = unchecked(index, &bytes)?;
            let (ticket, receipt, observation) = record.claims();
            Ok(Metered {
                index,
                payer: ticket.payer,
                model: ticket.model.clone(),
                issued_at_ms: ticket.issued_at_ms,
                prompt_tokens: receipt.prompt_tokens,
                completion_tokens: receipt.completion_tokens,
                tokens_delivered: observation.tokens_delivered,
                outcome: observation.outcome,
            })
        });
        metered.collect()
    }

    /// Smallest index among the receipts issued at or after this time: where a window's scan starts. Tickets are issued
    /// concurrently, so log order and time order differ a little.
    pub fn first_index_since(&self, issued_at_ms: u64) -> Result<Option<u64>, ReadError> {
        let mut first = None;
        for entry in self.volume.store()?.scan(
            schema::BY_TIME,
            &schema::by_time(issued_at_ms, 0),
            Direction::Forward,
        )? {
            let index = schema::trailing_index(&entry?.0)
                .ok_or_else(|| ReadError::damaged("bad key in `by_time`"))?;
            first = Some(first.map_or(index, |known: u64| known.min(index)));
        }
        Ok(first)
    }

    /// Where a window that starts at this time begins in the log: after the last receipt that was issued more than
    /// [`LATE_MS_MAX`] before it. All receipts from there on were issued later than that, and none before it in the
    /// window, since the log takes no receipt that much out of order.
    pub fn window_first_index(&self, window_start_ms: u64) -> Result<u64, ReadError> {
        let bound_ms = window_start_ms.saturating_sub(LATE_MS_MAX);
        let mut newest: Option<(u64, u64)> = None;
        for entry in
            self.volume.store()?.scan(schema::BY_TIME, &schema::by_time(bound_ms, 0), Direction::Reverse)?
        {
            let key = entry?.0;
            let (Some(at_ms), Some(index)) = (schema::leading_time(&key), schema::trailing_index(&key))
            else {
                return Err(ReadError::damaged("bad key in `by_time`"));
            };
            if at_ms >= bound_ms {
                continue;
            }
            let (newest_ms, last) = newest.unwrap_or((at_ms, index));
            // Whatever is older than this cannot come later in the log.
            if newest_ms.saturating_sub(at_ms) > LATE_MS_MAX {
                break;
            }
            newest = Some((newest_ms, last.max(index)));
        }
        Ok(newest.map_or(0, |(_, last)| last.saturating_add(1)))
    }

    /// The Merkle frontier over the first `size` leaves. Starts from the nearest head, so that it costs one tempo's leaves.
    pub fn frontier_at(&self, size: u64) -> Result<Frontier, ReadError> {
        let pruned = self.volume.store()?.pruned()?;
        let mut frontier = if pruned.size() <= size { pruned } else { Frontier::default() };
        let store = self.volume.store()?;
        for known in store.head_frontiers()? {
            let known = known?;
            if known.size() <= size {
                if known.size() > frontier.size() {
                    frontier = known;
                }
                break;
            }
        }
        let first = frontier.size();
        for entry in self.volume.store()?.scan(schema::LEAVES, &schema::index(first), Direction::Forward)? {
            if frontier.size() >= size {
                break;
            }
            frontier.push(leaf_of(&entry?.1)?);
        }
        if frontier.size() != size {
            self.refuse_pruned(first)?;
            return Err(ReadError::damaged(format!("the log has no {size} leaves")));
        }
        Ok(frontier)
    }

    /// The head of a tempo.
    pub fn head(&self, epoch_index: u64) -> Result<Option<HeadRecord>, ReadError> {
        self.volume.store()?.head(epoch_index)
    }

    /// The newest head.
    pub fn latest_head(&self) -> Result<Option<HeadRecord>, ReadError> {
        self.volume.store()?.latest_head()
    }

    /// Up to `limit` heads from a tempo on, in order.
    pub fn heads_from(&self, epoch_index: u64, limit: usize) -> Result<Vec<HeadRecord>, ReadError> {
        let store = self.volume.store()?;
        let heads = store.scan(schema::HEADS, &schema::heads(epoch_index), Direction::Forward)?;
        heads.take(limit).map(|entry| decode_head(&entry?.1)).collect()
    }

    /// The evidence about what happened within this time, in that order.
    pub fn evidence(&self, window_ms: Range<u64>) -> Result<Vec<ValidEvidence>, ReadError> {
        let start = schema::evidence(window_ms.start, &Digest::ZERO);
        let mut found = Vec::new();
        for entry in self.volume.store()?.scan(schema::EVIDENCE, &start, Direction::Forward)? {
            let (key, value) = entry?;
            if schema::leading_time(&key).is_none_or(|at_ms| at_ms >= window_ms.end) {
                break;
            }
            let evidence = SignedEvidence::from_bytes(&value).and_then(SignedEvidence::verify);
            found.push(evidence.map_err(|_| ReadError::damaged("evidence is unreadable"))?);
        }
        Ok(found)
    }

    /// How the miners stand by the evidence about a window.
    pub fn standings(&self, window_ms: Range<u64>) -> Result<Standings, ReadError> {
        Ok(standing::standings(&self.evidence(window_ms.clone())?, window_ms))
    }

    /// Up to `limit` heads of tempos before this one, the newest first.
    pub fn heads_before(&self, epoch_index: u64, limit: usize) -> Result<Vec<HeadRecord>, ReadError> {
        let Some(last) = epoch_index.checked_sub(1) else { return Ok(Vec::new()) };
        let store = self.volume.store()?;
        let heads = store.scan(schema::HEADS, &schema::heads(last), Direction::Reverse)?;
        heads.take(limit).map(|entry| decode_head(&entry?.1)).collect()
    }

    /// The policy document of this hash.
    pub fn document(&self, hash: &Digest) -> Result<Option<SignedPolicyDocument>, ReadError> {
        let Some(bytes) = self.volume.store()?.document(hash)? else { return Ok(None) };
        let document = SignedPolicyDocument::from_bytes(&bytes);
        document.map(Some).map_err(|_| ReadError::damaged("a policy document is unreadable"))
    }

    /// Shows the leaves in `[first, end)` as they are stored: index, leaf hash, receipt bytes.
    pub fn for_each_leaf(
        &self,
        first: u64,
        end: u64,
        mut show: impl FnMut(u64, Digest, &[u8]),
    ) -> Result<(), ReadError> {
        self.refuse_pruned(first)?;
        let start = schema::index(first);
        let store = self.volume.store()?;
        let leaves = store.scan(schema::LEAVES, &start, Direction::Forward)?;
        let receipts = store.scan(schema::RECEIPTS, &start, Direction::Forward)?;
        let mut index = first;
        for (leaf, receipt) in leaves.zip(receipts) {
            let ((leaf_key, leaf), (key, bytes)) = (leaf?, receipt?);
            if index >= end {
                return Ok(());
            }
            if schema::read_u64(&key) != Some(index) || key != leaf_key {
                return Err(ReadError::damaged(format!("receipt {index} is missing")));
            }
            show(index, leaf_of(&leaf)?, &bytes);
            index = index.saturating_add(1);
        }
        if index < end {
            return Err(ReadError::damaged(format!("receipt {index} is missing")));
        }
        Ok(())
    }

    /// Shows every receipt from `index` on, in log order and a batch at a time, after one batch verification for each batch.
    pub fn for_each_from(&self, index: u64, show: impl FnMut(&Stored)) -> Result<(), ReadError> {
        self.for_each_in(index..u64::MAX, show)
    }

    /// The same for the receipts of a range, as far as there are any.
    pub fn for_each_in(&self, range: Range<u64>, mut show: impl FnMut(&Stored)) -> Result<(), ReadError> {
        const BATCH: u64 = 512;
        let mut next = range.start;
        while next < range.end {
            let wanted = as_usize(BATCH.min(range.end - next));
            let batch = self.from(next, wanted)?;
            batch.iter().for_each(&mut show);
            match batch.last() {
                Some(last) if batch.len() == wanted => next = last.index.saturating_add(1),
                _ => break,
            }
        }
        Ok(())
    }

    /// Shows every receipt of a range that is in the log, in log order, as it was when it was taken in: each is compared with its leaf,
    /// and its signatures are not verified again.
    pub fn for_each_kept(
        &self,
        range: Range<u64>,
        mut show: impl FnMut(&Countersigned),
    ) -> Result<(), ReadError> {
        let mut wrong = None;
        self.for_each_leaf(range.start, range.end, |index, leaf, bytes| {
            match UncheckedCountersigned::from_bytes(bytes) {
                Ok(receipt) if merkle::leaf_hash(bytes) == leaf => show(&receipt.verified_before()),
                _ => {
                    wrong.get_or_insert(index);
                }
            }
        })?;
        match wrong {
            Some(index) => Err(ReadError::damaged(format!("receipt {index} does not match its leaf"))),
            None => Ok(()),
        }
    }

    /// Receipts issued in `[start_ms, end_ms)`, by time.
    pub fn window(&self, start_ms: u64, end_ms: u64) -> Result<Vec<Stored>, ReadError> {
        let end = schema::by_time(end_ms, 0);
        let mut items = Vec::new();
        for entry in
            self.volume.store()?.scan(schema::BY_TIME, &schema::by_time(start_ms, 0), Direction::Forward)?
        {
            let (key, _) = entry?;
            if key.as_ref() >= end.as_slice() {
                break;
            }
            items.push(self.indexed("by_time", &key)?);
        }
        Ok(items)
    }

    /// A page of all receipts, or of one miner's, newest first, before the given index.
    pub fn page(
        &self,
        miner: Option<&AccountId>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page, ReadError> {
        let Some(newest) = before.unwrap_or(u64::MAX).checked_sub(1) else {
            return Ok(Page { items: Vec::new(), before_next: None });
        };
        let (family, start, prefix) = match miner {
            Some(miner) => (schema::BY_MINER, schema::by_miner(miner, newest).to_vec(), miner.0.to_vec()),
            None => (schema::RECEIPTS, schema::index(newest).to_vec(), Vec::new()),
        };
        let mut items: Vec<Stored> = Vec::new();
        for entry in self.volume.store()?.scan(family, &start, Direction::Reverse)? {
            let (key, _) = entry?;
            if !key.starts_with(&prefix) {
                break;
            }
            if items.len() == limit {
                return Ok(Page { before_next: items.last().map(|last| last.index), items });
            }
            items.push(self.indexed(family, &key)?);
        }
        Ok(Page { items, before_next: None })
    }

    /// Inclusion proof of one receipt in the log as it is now. Reads every leaf that is there: `leaves_max` bounds the work, `None`
    /// means that the log has outgrown it or holds no such receipt.
    pub fn proof(&self, index: u64, leaves_max: u64) -> Result<Option<Proof>, ReadError> {
        self.proof_in(index, self.size()?, leaves_max)
    }

    /// The same in the log as it was with `size` receipts, such as when a head was cut.
    pub fn proof_in(&self, index: u64, size: u64, leaves_max: u64) -> Result<Option<Proof>, ReadError> {
        let store = self.volume.store()?;
        if index >= size || size > leaves_max.saturating_add(store.pruned()?.size()) {
            return Ok(None);
        }
        let leaf = store.root_of(index..index.saturating_add(1))?;
        let path = merkle::inclusion_proof_by(index, size, |range| store.root_of(range))?.unwrap_or_default();
        Ok(Some(Proof { index, leaf, size, root: store.root_of(0..size)?, path }))
    }

    /// That the log with `old_size` receipts is the beginning of that with `new_size`: RFC 6962's consistency proof. `None` if the log
    /// never had so many. Where receipts were removed, both sizes must be those of heads.
    pub fn consistency(&self, old_size: u64, new_size: u64) -> Result<Option<Vec<Digest>>, ReadError> {
        let store = self.volume.store()?;
        if new_size > store.frontier()?.size() {
            return Ok(None);
        }
        merkle::consistency_proof_by(old_size, new_size, |range| store.root_of(range))
    }

    /// The first receipt that is still there.
    pub fn first(&self) -> Result<u64, ReadError> {
        Ok(self.volume.store()?.pruned()?.size())
    }

    /// The first receipt that must stay when those issued before this time go: the newest head's window is whole in any case, with
    /// the leaf that stands before it. Nothing can go while there is no head.
    pub fn prunable(&self, before_ms: u64) -> Result<u64, ReadError> {
        let own = self.latest_head()?.and_then(|record| record.head.head.log(0)).map(|log| log.first_index);
        let of_shard = self.latest_shard_head()?.map(|record| record.head.head.first_index);
        let Some(window) = own.or(of_shard) else { return Ok(0) };
        Ok(self.window_first_index(before_ms)?.min(window).saturating_sub(1))
    }

    fn refuse_pruned(&self, index: u64) -> Result<(), ReadError> {
        let first = self.first()?;
        if index < first { Err(ReadError::Pruned { first }) } else { Ok(()) }
    }

    /// Recomputes everything: each receipt's signatures, each leaf from its receipt, the root from the leaves.
    /// `progress` is told how many receipts are done.
    pub fn verify(&self, mut progress: impl FnMut(u64)) -> Result<Verified, ReadError> {
        let store = self.volume.store()?;
        let stored = store.frontier()?;
        let mut computed = store.pruned()?;
        let first = computed.size();
        if first > 0 && store.root_of(0..first)? != computed.root() {
            return Err(ReadError::damaged("the roots of removed blocks are not those of the log"));
        }
        let receipts = store.scan(schema::RECEIPTS, &schema::index(first), Direction::Forward)?;
        for entry in receipts.take(as_usize(stored.size().saturating_sub(first))) {
            let (key, bytes) = entry?;
            let index = computed.size();
            if schema::read_u64(&key) != Some(index) {
                return Err(ReadError::damaged(format!("receipt {index} is missing")));
            }
            let leaf = decode(index, &bytes)?.receipt.leaf_hash();
            if leaf != merkle::leaf_hash(&bytes) || leaf != store.leaf(index)? {
                return Err(ReadError::damaged(format!("receipt {index} does not match its leaf")));
            }
            computed.push(leaf);
            progress(computed.size());
        }
        if computed.size() != stored.size() || computed.root() != stored.root() {
            return Err(ReadError::damaged("the receipts do not hash to the stored root"));
        }
        Ok(Verified { size: stored.size(), root: stored.root() })
    }

    fn indexed(&self, family: &str, key: &[u8]) -> Result<Stored, ReadError> {
        let index = schema::trailing_index(key)
            .ok_or_else(|| ReadError::damaged(format!("bad key in `{family}`")))?;
        self.at(index)?
            .ok_or_else(|| ReadError::damaged(format!("`{family}` names receipt {index}, which is missing")))
    }
}

pub(super) fn leaf_of(bytes: &[u8]) -> Result<Digest, ReadError> {
    bytes.try_into().map(Digest).map_err(|_| ReadError::damaged("a leaf is not 32 bytes"))
}

fn unchecked(index: u64, bytes: &[u8]) -> Result<UncheckedCountersigned, ReadError> {
    UncheckedCountersigned::from_bytes(bytes)
        .map_err(|_| ReadError::damaged(format!("receipt {index} is unreadable")))
}

fn decode(index: u64, bytes: &[u8]) -> Result<Stored, ReadError> {
    let receipt =
        unchecked(index, bytes)?.verify().map_err(|source| ReadError::BadReceipt { index, source })?;
    Ok(Stored { index, receipt })
}

fn as_usize(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

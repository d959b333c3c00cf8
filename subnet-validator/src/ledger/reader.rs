//! Reads of the ledger: pages, windows, single receipts, proofs, and the whole-log check. All of them block on the disk.

use std::sync::Arc;

use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::merkle::{self, Frontier};
use protocol::receipt::{Countersigned, UncheckedCountersigned};
use rocksdb::Direction;

use super::error::ReadError;
use super::schema;
use super::store::Store;

/// Reads the ledger while its writer writes.
#[derive(Clone)]
pub struct Reader {
    store: Arc<Store>,
}

/// A receipt with its place in the log.
#[derive(Clone)]
pub struct Stored {
    /// Its place.
    pub index: u64,
    /// The receipt, checked again when it was read.
    pub receipt: Countersigned,
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
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// Receipts in the log.
    pub fn size(&self) -> Result<u64, ReadError> {
        Ok(self.store.frontier()?.size())
    }

    /// The receipt at one place.
    pub fn at(&self, index: u64) -> Result<Option<Stored>, ReadError> {
        self.store.receipt_bytes(index)?.map(|bytes| decode(index, &bytes)).transpose()
    }

    /// The receipt whose miner-signed part has this hash.
    pub fn by_receipt_hash(&self, receipt_hash: &Digest) -> Result<Option<Stored>, ReadError> {
        match self.store.by_receipt(receipt_hash)? {
            Some(index) => self.at(index),
            None => Ok(None),
        }
    }

    /// Up to `limit` receipts from `index` on, in log order.
    pub fn from(&self, index: u64, limit: usize) -> Result<Vec<Stored>, ReadError> {
        let (mut indexes, mut records) = (Vec::new(), Vec::new());
        for entry in self.store.scan(schema::RECEIPTS, &schema::index(index), Direction::Forward)?.take(limit)
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

    /// Smallest index among the receipts issued at or after this time: where a window's scan starts. Tickets are issued
    /// concurrently, so log order and time order differ a little.
    pub fn first_index_since(&self, issued_at_ms: u64) -> Result<Option<u64>, ReadError> {
        let mut first = None;
        for entry in
            self.store.scan(schema::BY_TIME, &schema::by_time(issued_at_ms, 0), Direction::Forward)?
        {
            let index = schema::trailing_index(&entry?.0)
                .ok_or_else(|| ReadError::damaged("bad key in `by_time`"))?;
            first = Some(first.map_or(index, |known: u64| known.min(index)));
        }
        Ok(first)
    }

    /// Shows every receipt from `index` on, in log order and a batch at a time, after one batch verification for each batch.
    pub fn for_each_from(&self, index: u64, mut show: impl FnMut(&Stored)) -> Result<(), ReadError> {
        const BATCH: usize = 512;
        let mut next = index;
        loop {
            let batch = self.from(next, BATCH)?;
            batch.iter().for_each(&mut show);
            match batch.last() {
                Some(last) if batch.len() == BATCH => next = last.index.saturating_add(1),
                _ => return Ok(()),
            }
        }
    }

    /// Receipts issued in `[start_ms, end_ms)`, by time.
    pub fn window(&self, start_ms: u64, end_ms: u64) -> Result<Vec<Stored>, ReadError> {
        let end = schema::by_time(end_ms, 0);
        let mut items = Vec::new();
        for entry in self.store.scan(schema::BY_TIME, &schema::by_time(start_ms, 0), Direction::Forward)? {
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
        for entry in self.store.scan(family, &start, Direction::Reverse)? {
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

    /// Inclusion proof of one receipt in the log as it is now. Reads every leaf: `leaves_max` bounds the work, `None` means
    /// that the log has outgrown it or holds no such receipt.
    pub fn proof(&self, index: u64, leaves_max: u64) -> Result<Option<Proof>, ReadError> {
        let frontier = self.store.frontier()?;
        let size = frontier.size();
        if index >= size || size > leaves_max {
            return Ok(None);
        }
        let leaves = self.leaves(size)?;
        let position = as_usize(index);
        let (Some(leaf), Some(path)) = (leaves.get(position), merkle::inclusion_proof(&leaves, position))
        else {
            return Err(ReadError::damaged("the log has fewer leaves than its frontier says"));
        };
        Ok(Some(Proof { index, leaf: *leaf, size, root: frontier.root(), path }))
    }

    /// Recomputes everything: each receipt's signatures, each leaf from its receipt, the root from the leaves.
    /// `progress` is told how many receipts are done.
    pub fn verify(&self, mut progress: impl FnMut(u64)) -> Result<Verified, ReadError> {
        let stored = self.store.frontier()?;
        let mut computed = Frontier::default();
        for entry in self
            .store
            .scan(schema::RECEIPTS, &schema::index(0), Direction::Forward)?
            .take(as_usize(stored.size()))
        {
            let (key, bytes) = entry?;
            let index = computed.size();
            if schema::read_u64(&key) != Some(index) {
                return Err(ReadError::damaged(format!("receipt {index} is missing")));
            }
            let leaf = decode(index, &bytes)?.receipt.leaf_hash();
            if leaf != merkle::leaf_hash(&bytes) || leaf != self.store.leaf(index)? {
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

    fn leaves(&self, size: u64) -> Result<Vec<Digest>, ReadError> {
        let mut leaves = Vec::with_capacity(as_usize(size));
        for entry in
            self.store.scan(schema::LEAVES, &schema::index(0), Direction::Forward)?.take(as_usize(size))
        {
            let (_, bytes) = entry?;
            leaves.push(Digest(
                bytes.as_ref().try_into().map_err(|_| ReadError::damaged("a leaf is not 32 bytes"))?,
            ));
        }
        Ok(leaves)
    }

    fn indexed(&self, family: &str, key: &[u8]) -> Result<Stored, ReadError> {
        let index = schema::trailing_index(key)
            .ok_or_else(|| ReadError::damaged(format!("bad key in `{family}`")))?;
        self.at(index)?
            .ok_or_else(|| ReadError::damaged(format!("`{family}` names receipt {index}, which is missing")))
    }
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

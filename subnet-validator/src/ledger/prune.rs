//! Removing receipts that no window needs any more, so that the log's proofs still hold.
//!
//! Leaves go in blocks of [`BLOCK_LEAVES`]. Of each block the root of its leaves stays, and so does the frontier over all that was
//! removed: with them every proof about what is left, and the consistency of any two heads, can still be made. A head that ends
//! inside of a block needs that block's leaf hashes, so those stay too: 32 KiB for a head. Heads, rules, evidence and the counts of
//! what users used are never removed.

use std::collections::HashSet;
use std::ops::Range;

use parity_scale_codec::Encode;
use protocol::digest::Digest;
use protocol::merkle::{self, Frontier};
use protocol::receipt::UncheckedCountersigned;
use rocksdb::{Direction, WriteBatch};

use super::error::ReadError;
use super::reader::leaf_of;
use super::schema;
use super::store::Store;

/// Leaves that are removed together.
pub const BLOCK_LEAVES: u64 = 1_024;

/// Blocks removed between two groups of receipts: while they are, nobody's receipt is written.
pub(super) const BLOCKS_TOGETHER: usize = 16;

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// Receipts removed now.
    pub receipts: u64,
    /// The first receipt that is still there.
    pub first: u64,
}

impl Store {
    /// Removes whole blocks below `end`, at most so many. Each is one synced write.
    pub(super) fn prune(&self, end: u64, blocks_max: usize) -> Result<Pruned, ReadError> {
        let mut frontier = self.pruned()?;
        let before = frontier.size();
        let kept = self.blocks_with_heads()?;
        for _ in 0..blocks_max {
            let block = frontier.size()..frontier.size().saturating_add(BLOCK_LEAVES);
            if block.end > end {
                break;
            }
            let keep_leaves = kept.contains(&(block.start / BLOCK_LEAVES));
            self.prune_block(block, keep_leaves, &mut frontier)?;
        }
        Ok(Pruned { receipts: frontier.size().saturating_sub(before), first: frontier.size() })
    }

    fn prune_block(
        &self,
        block: Range<u64>,
        keep_leaves: bool,
        frontier: &mut Frontier,
    ) -> Result<(), ReadError> {
        let mut batch = WriteBatch::default();
        let mut leaves = Vec::new();
        for index in block.clone() {
            let missing = || ReadError::damaged(format!("receipt {index} is missing"));
            let bytes = self.receipt_bytes(index)?.ok_or_else(missing)?;
            let leaf = self.leaf(index)?;
            if merkle::leaf_hash(&bytes) != leaf {
                return Err(ReadError::damaged(format!("receipt {index} does not match its leaf")));
            }
            let record = UncheckedCountersigned::from_bytes(&bytes);
            let record = record.map_err(|_| ReadError::damaged(format!("receipt {index} is unreadable")))?;
            let (ticket, receipt, _) = record.claims();
            let at = schema::index(index);
            batch.delete_cf(self.family(schema::RECEIPTS)?, at);
            batch.delete_cf(self.family(schema::BY_TIME)?, schema::by_time(ticket.issued_at_ms, index));
            batch.delete_cf(self.family(schema::BY_MINER)?, schema::by_miner(&ticket.miner, index));
            let call = schema::by_sequence(&ticket.miner, ticket.sequence);
            batch.delete_cf(self.family(schema::BY_SEQUENCE)?, call);
            batch.delete_cf(self.family(schema::BY_RECEIPT)?, schema::by_receipt(&receipt.hash()));
            if !keep_leaves {
                batch.delete_cf(self.family(schema::LEAVES)?, at);
            }
            frontier.push(leaf);
            leaves.push(leaf);
        }
        let root = merkle::root(&leaves);
        batch.put_cf(self.family(schema::NODES)?, schema::index(block.start / BLOCK_LEAVES), root.0);
        batch.put_cf(self.family(schema::META)?, schema::PRUNED, frontier.encode());
        Ok(self.write_batch_synced(batch)?)
    }

    /// Blocks in which a head's log ends.
    fn blocks_with_heads(&self) -> Result<HashSet<u64>, ReadError> {
        let mut blocks = HashSet::new();
        for frontier in self.head_frontiers()? {
            let size = frontier?.size();
            if size % BLOCK_LEAVES != 0 {
                blocks.insert(size / BLOCK_LEAVES);
            }
        }
        Ok(blocks)
    }

    /// The root over a range of leaves as RFC 6962 splits it, from leaves and from the roots of removed blocks.
    pub(super) fn root_of(&self, range: Range<u64>) -> Result<Digest, ReadError> {
        let leaves = range.end.saturating_sub(range.start);
        if leaves == BLOCK_LEAVES {
            let block = schema::index(range.start / BLOCK_LEAVES);
            if let Some(root) = self.node(&block)? {
                return Ok(root);
            }
        }
        if leaves <= BLOCK_LEAVES {
            return self.leaves_in(range).map(|leaves| merkle::root(&leaves));
        }
        let left = merkle::left_leaves(leaves);
        let middle = range.start.saturating_add(left);
        Ok(merkle::node_hash(&self.root_of(range.start..middle)?, &self.root_of(middle..range.end)?))
    }

    fn leaves_in(&self, range: Range<u64>) -> Result<Vec<Digest>, ReadError> {
        let mut leaves = Vec::new();
        let mut next = range.start;
        for entry in self.scan(schema::LEAVES, &schema::index(range.start), Direction::Forward)? {
            let (key, leaf) = entry?;
            if next == range.end || schema::read_u64(&key) != Some(next) {
                break;
            }
            leaves.push(leaf_of(&leaf)?);
            next = next.saturating_add(1);
        }
        if next == range.end {
            return Ok(leaves);
        }
        let first = self.pruned()?.size();
        if next < first {
            return Err(ReadError::Pruned { first });
        }
        Err(ReadError::damaged(format!("leaf {next} is missing")))
    }

    fn node(&self, block: &[u8; 8]) -> Result<Option<Digest>, ReadError> {
        let bytes = self.value(schema::NODES, block)?;
        bytes.map(|bytes| leaf_of(&bytes)).transpose()
    }
}

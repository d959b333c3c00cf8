//! The tempos' heads and their commitments on chain.

use jsonrpsee::types::ErrorObjectOwned;
use parity_scale_codec::Encode;
use protocol::head::TreeHead;
use protocol::head::shards::{Logs, ShardLog};
use schemars::JsonSchema;
use serde::Serialize;

use super::Page;
use super::validators::CommitmentAnswer;
use super::weights::Scores;
use crate::ledger::HeadRecord;
use crate::staker_rpc::error::{ledger, not_found};
use crate::staker_rpc::params::{EpochParams, PageParams, cursor, page_limit};
use crate::staker_rpc::state::At;
use crate::staker_rpc::values::Hash;

/// The newest heads, among which the one committed on chain is looked for.
const COMMITTED_AMONG: usize = 16;

/// One of several logs under a head.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Shard {
    /// Its number.
    pub shard: u8,
    /// Whether its gateway is gone for good.
    pub closed: bool,
    /// The tempo of its own head: an earlier one if its gateway was away.
    pub epoch_index: u64,
    /// Receipts in its log.
    pub receipts: u64,
    /// RFC 6962 root over their leaf hashes.
    pub root: Hash,
    /// The first receipt that its window can hold.
    pub first_index: u64,
}

/// One tempo's head: what the log held, and which scores follow, under one signature.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Epoch {
    /// The tempo, by the chain's epoch index.
    pub epoch_index: u64,
    /// The head's digest: what is committed on chain.
    pub head: Hash,
    /// The digest of the head before; zeroes for the first.
    pub previous: Hash,
    /// Receipts in the log; in all shards' where there are several.
    pub receipts: u64,
    /// RFC 6962 root over the leaf hashes of the log; of shard 0's where there are several.
    pub root: Hash,
    /// The first receipt of that log that the window can hold.
    pub first_index: u64,
    /// The logs of the validator's gateways, by number. None if it has one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<Shard>,
    /// The finalised block at which miners and time were read.
    pub block: u64,
    /// Its hash.
    pub block_hash: Hash,
    /// The window's first millisecond.
    pub window_start_ms: u64,
    /// The first millisecond after it: the block's time.
    pub window_end_ms: u64,
    /// Hash of the policy document in force.
    pub policy_hash: Hash,
    /// Hash of the list of registered miners.
    pub miners_hash: Hash,
    /// How many those are.
    pub miners: usize,
    /// Hash of the score table that the weights follow from.
    pub scores_hash: Hash,
    /// `onChain` if this head's digest is what the chain holds of this validator at the block of `asOf`; `superseded` if a later
    /// head's is, which names this one through `previous`; `missing` if neither.
    pub commitment_state: &'static str,
    /// What the chain holds of this validator, and since which block.
    pub commitment: Option<CommitmentAnswer>,
    /// The signed head's SCALE bytes, in hex: enough to check digest and signature.
    pub encoded: String,
}

/// One tempo's head with its scores.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct WholeEpoch {
    /// The head.
    #[serde(flatten)]
    pub epoch: Epoch,
    /// The scores that it names.
    pub scores: Scores,
}

pub(in crate::staker_rpc) async fn page(params: PageParams, at: At) -> Result<Page<Epoch>, ErrorObjectOwned> {
    let (limit, before) = (page_limit(params.limit)?, cursor(params.cursor.as_ref())?);
    let read = at.ledger.read(move |reader| {
        // The newest as well, to tell which head the commitment is of.
        Ok((
            reader.heads_before(before.unwrap_or(u64::MAX), limit + 1)?,
            reader.heads_before(u64::MAX, COMMITTED_AMONG)?,
        ))
    });
    let (records, known) = read.await.map_err(|error| ledger(&error))?;
    let committed = committed_epoch(&at, &known)?;
    let more = records.len() > limit;
    let items: Vec<Epoch> = records
        .iter()
        .take(limit)
        .map(|record| Epoch::new(record, &at, committed))
        .collect::<Result<_, _>>()?;
    let next_cursor = items.last().filter(|_| more).map(|last| last.epoch_index.to_string());
    Ok(Page { items, next_cursor })
}

pub(in crate::staker_rpc) async fn one(params: EpochParams, at: At) -> Result<WholeEpoch, ErrorObjectOwned> {
    let epoch = params.epoch;
    let read = at
        .ledger
        .read(move |reader| Ok((reader.head(epoch)?, reader.heads_before(u64::MAX, COMMITTED_AMONG)?)));
    let (record, known) = read.await.map_err(|error| ledger(&error))?;
    let record = record.ok_or_else(|| not_found("head of that epoch"))?;
    let committed = committed_epoch(&at, &known)?;
    Ok(WholeEpoch {
        scores: Scores::new(&record.table, record.head.head.policy.into()),
        epoch: Epoch::new(&record, &at, committed)?,
    })
}

/// The tempo whose head the chain holds the digest of.
fn committed_epoch(at: &At, known: &[HeadRecord]) -> Result<Option<u64>, ErrorObjectOwned> {
    let commitment = at.market()?.commitments.get(&at.hotkey).and_then(|commitment| commitment.sha256());
    let Some(digest) = commitment else { return Ok(None) };
    let found = known.iter().find(|record| record.head.head.digest().0 == *digest);
    Ok(found.map(|record| record.head.head.epoch_index))
}

fn shards(head: &TreeHead) -> Vec<Shard> {
    let Logs::Shards { shards } = &head.logs else { return Vec::new() };
    let answer = |shard: &ShardLog| Shard {
        shard: shard.shard,
        closed: shard.closed,
        epoch_index: shard.epoch_index,
        receipts: shard.log.tree_size,
        root: shard.log.root.into(),
        first_index: shard.log.first_index,
    };
    shards.iter().map(answer).collect()
}

impl Epoch {
    pub(in crate::staker_rpc) fn new(
        record: &HeadRecord,
        at: &At,
        committed: Option<u64>,
    ) -> Result<Self, ErrorObjectOwned> {
        let head = &record.head.head;
        let log = head.log(0).ok_or_else(|| not_found("log of that epoch"))?;
        let commitment = at.market()?.commitments.get(&at.hotkey);
        Ok(Self {
            epoch_index: head.epoch_index,
            head: head.digest().into(),
            previous: head.previous.into(),
            receipts: head.receipts(),
            root: log.root.into(),
            first_index: log.first_index,
            shards: shards(head),
            block: head.block_number,
            block_hash: head.block_hash.into(),
            window_start_ms: head.window_start_ms,
            window_end_ms: head.window_end_ms,
            policy_hash: head.policy.into(),
            miners_hash: head.miners.into(),
            miners: record.miners.len(),
            scores_hash: head.scores.into(),
            commitment_state: match committed {
                Some(committed) if committed == head.epoch_index => "onChain",
                Some(committed) if committed > head.epoch_index => "superseded",
                _ => "missing",
            },
            commitment: commitment.and_then(|commitment| {
                Some(CommitmentAnswer { sha256: Hash::of(*commitment.sha256()?), block: commitment.block })
            }),
            encoded: format!("0x{}", hex::encode(record.head.encode())),
        })
    }
}

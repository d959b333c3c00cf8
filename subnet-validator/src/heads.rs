//! Cutting the head of a tempo: what the log held, who was registered, and which scores follow, under one signature.
//!
//! A tempo has one head. Cutting it again, after a restart or a failed submission, gives the one that is on disk, so the
//! weights of a tempo always follow from the head that was signed.

use std::sync::Arc;

use chain_client::BlockRef;
use protocol::digest::Digest;
use protocol::head::shards::Log;
use protocol::head::{TreeHead, registry_hash, scores_hash};
use protocol::policy_document::PolicyDocument;
use protocol::replay::Rules;
use protocol::scoring::{Miner, Scorer, SumsError};
use protocol::signing::Keypair;

use crate::ledger::{AppendError, HeadRecord, Ledger, Owner, ReadError, Reader};

pub mod shards;

/// What the chain says of the tempo.
#[derive(Debug, Clone)]
pub struct TempoFacts {
    /// The tempo.
    pub epoch_index: u64,
    /// The finalised block that all of this was read at.
    pub block: BlockRef,
    /// Its time: where the window ends.
    pub timestamp_ms: u64,
    /// Who is registered.
    pub miners: Vec<Miner>,
}

/// No head was cut.
#[derive(Debug, thiserror::Error)]
pub enum CutError {
    /// The ledger could not be read.
    #[error("cannot read the ledger")]
    Read(#[from] ReadError),
    /// A shard that the head before names has left no sums here.
    #[error(
        "nothing is known of what shard {shard} counted: its gateway must be there for the first head after this ledger was restored"
    )]
    NoSums {
        /// The shard.
        shard: u8,
    },
    /// A shard's sums cannot be used.
    #[error("cannot use the sums of shard {shard}")]
    Sums {
        /// The shard.
        shard: u8,
        /// Why.
        #[source]
        source: SumsError,
    },
    /// The ledger did not take the head.
    #[error("cannot keep the tempo's head")]
    Keep(#[from] AppendError),
}

/// The head of a tempo: the one on disk, or a new one, synced to disk. It names this ledger's log, and those of the other shards that
/// the ledger was told of ([`shards`]).
///
/// # Errors
/// When the ledger cannot be read or written, or the other shards' sums cannot be used.
pub async fn cut(
    ledger: &Ledger,
    rules: &Arc<Rules>,
    hotkey: &Keypair,
    facts: TempoFacts,
) -> Result<HeadRecord, CutError> {
    let epoch_index = facts.epoch_index;
    if let Some(kept) = ledger.read(move |reader| reader.head(epoch_index)).await? {
        return Ok(kept);
    }
    let (rules_here, signer, owner) = (Arc::clone(rules), hotkey.clone(), ledger.owner());
    let record = ledger.read(move |reader| Ok(sign(reader, &rules_here, (&signer, owner), facts))).await??;
    ledger.put_head(record.clone(), rules.document().clone().sign(hotkey)).await?;
    Ok(record)
}

fn sign(
    reader: &Reader,
    rules: &Rules,
    (hotkey, owner): (&Keypair, Owner),
    facts: TempoFacts,
) -> Result<HeadRecord, CutError> {
    let PolicyDocument { policy, .. } = rules.document();
    let Owner { validator, netuid, .. } = owner;
    let previous = reader.latest_head()?;
    let frontier = reader.frontier_at(reader.size()?)?;
    let mut scorer = Scorer::new(policy, rules.catalogue(), facts.timestamp_ms);
    let window = scorer.window_start_ms()..facts.timestamp_ms;
    let first_index = reader.window_first_index(window.start)?;
    // The ledger holds each call once.
    reader.for_each_kept(first_index..frontier.size(), |receipt| scorer.add_once(receipt))?;
    let standings = reader.standings(window.clone())?;
    let log = Log { tree_size: frontier.size(), root: frontier.root(), first_index };
    let before = previous.as_ref().map(|previous| &previous.head.head);
    let own = shards::Own { validator, netuid, log, window };
    let logs = shards::under_one_head(reader, rules, &facts, before, own, &mut scorer)?;
    let table = scorer.finish_by(&facts.miners, &standings);
    let head = TreeHead {
        netuid,
        validator,
        epoch_index: facts.epoch_index,
        block_number: facts.block.number.into(),
        block_hash: Digest(facts.block.hash),
        logs,
        previous: before.map_or(Digest::ZERO, TreeHead::digest),
        policy: rules.document().hash(),
        miners: registry_hash(&facts.miners, &standings),
        window_start_ms: table.window_start_ms,
        window_end_ms: table.window_end_ms,
        scores: scores_hash(&table),
    };
    Ok(HeadRecord { head: head.sign(hotkey), frontier, miners: facts.miners, table, standings })
}

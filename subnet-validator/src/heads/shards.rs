//! Several gateways under one head: what a gateway of another shard signs and counts, and how the head gateway puts it together.
//!
//! The gateway of a shard signs its head and adds up its window when it is asked ([`cut_shard`]). The head gateway keeps both in its ledger
//! ([`crate::ledger::shards`]) and names the shard in every head from then on: as it said last, if it was away. After a day the shard
//! is closed by itself, as `protocol::head::shards` demands; a gateway that comes back then needs a new number and an empty ledger.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::head::TreeHead;
use protocol::head::shards::{AWAY_MS_MAX, Log, Logs, ShardHead, ShardLog};
use protocol::policy_document::PolicyDocument;
use protocol::replay::Rules;
use protocol::scoring::{Scorer, Sums, SumsError};
use protocol::signing::Keypair;

use super::{CutError, TempoFacts};
use crate::ledger::shards::{ShardRecord, ShardSums};
use crate::ledger::{Ledger, Reader};

/// The head gateway's own log at the end of a tempo.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub(super) validator: AccountId,
    pub(super) netuid: u16,
    pub(super) log: Log,
    pub(super) window: Range<u64>,
}

/// The head of this ledger's shard for a tempo whose window ends at this time, with the sums of that window: the head on disk, or a new one, synced
/// to disk.
///
/// # Errors
/// When the ledger cannot be read or written, or is of shard 0, whose log the tree heads name themselves.
pub async fn cut_shard(
    ledger: &Ledger,
    rules: &Arc<Rules>,
    hotkey: &Keypair,
    epoch_index: u64,
    window_end_ms: u64,
) -> Result<(ShardRecord, Sums), CutError> {
    let (owner, rules) = (ledger.owner(), Arc::clone(rules));
    let (signer, rules_here) = (hotkey.clone(), Arc::clone(&rules));
    let prepared = ledger.read(move |reader| {
        if let Some(kept) = reader.shard_head(epoch_index)? {
            return Ok((kept, true));
        }
        let PolicyDocument { policy, .. } = rules_here.document();
        let previous = reader.latest_shard_head()?;
        let window_start_ms = Scorer::new(policy, rules_here.catalogue(), window_end_ms).window_start_ms();
        let frontier = reader.frontier_at(reader.size()?)?;
        let head = ShardHead {
            netuid: owner.netuid,
            validator: owner.validator,
            shard: owner.shard,
            epoch_index,
            tree_size: frontier.size(),
            root: frontier.root(),
            first_index: reader.window_first_index(window_start_ms)?,
            window_start_ms,
            window_end_ms,
            previous: previous.map_or(Digest::ZERO, |previous| previous.head.head.digest()),
        };
        Ok((ShardRecord { head: head.sign(&signer), frontier }, false))
    });
    let (record, kept) = prepared.await?;
    if !kept {
        ledger.put_shard_head(record.clone()).await?;
    }
    let head = record.head.head.clone();
    let sums = ledger.read(move |reader| {
        let PolicyDocument { policy, .. } = rules.document();
        let mut scorer = Scorer::new(policy, rules.catalogue(), head.window_end_ms);
        reader.for_each_kept(head.first_index..head.tree_size, |receipt| scorer.add_once(receipt))?;
        Ok(Sums::of(&scorer, rules.document().hash()))
    });
    let sums = sums.await?.map_err(|source| CutError::Sums { shard: owner.shard, source })?;
    Ok((record, sums))
}

/// The logs that a head names: the own one, and those of the shards that the ledger was told of, whose sums are added to the own.
pub(super) fn under_one_head<'r>(
    reader: &Reader,
    rules: &'r Rules,
    facts: &TempoFacts,
    before: Option<&TreeHead>,
    own: Own,
    scorer: &mut Scorer<'r>,
) -> Result<Logs, CutError> {
    let named: Vec<ShardLog> = match before.map(|head| &head.logs) {
        Some(Logs::Shards { shards }) => shards.clone(),
        Some(Logs::One(_)) | None => Vec::new(),
    };
    let told = reader.sums()?;
    let mut others = Vec::new();
    for before in named.iter().filter(|before| before.shard > 0) {
        if before.closed && own.window.start >= before.window_end_ms {
            continue;
        }
        let said = told.iter().find(|said| said.head.head.shard == before.shard);
        let said = said.ok_or(CutError::NoSums { shard: before.shard })?;
        others.push(continued(before, said, own.window.end));
        add(rules, said, scorer)?;
    }
    // Of a shard that was left out after it was closed, old sums may still be there.
    let known: BTreeSet<u8> = named.iter().map(|before| before.shard).collect();
    for said in &told {
        let head = &said.head.head;
        let is_new = head.epoch_index == facts.epoch_index && head.window_end_ms <= own.window.end;
        if head.shard > 0 && !known.contains(&head.shard) && is_new {
            others.push(head.entry(false));
            add(rules, said, scorer)?;
        }
    }
    if others.is_empty() && named.is_empty() {
        return Ok(Logs::One(own.log));
    }
    others.sort_unstable_by_key(|entry| entry.shard);
    let previous = match named.first() {
        Some(before) => before.head(own.netuid, own.validator).digest(),
        None => Digest::ZERO,
    };
    let leading = ShardLog {
        shard: 0,
        closed: false,
        epoch_index: facts.epoch_index,
        log: own.log,
        window_start_ms: own.window.start,
        window_end_ms: own.window.end,
        previous,
    };
    others.insert(0, leading);
    Ok(Logs::Shards { shards: others })
}

/// What the next head says of a shard that the one before named.
fn continued(before: &ShardLog, said: &ShardSums, window_end_ms: u64) -> ShardLog {
    let head = &said.head.head;
    if !before.closed && head.epoch_index > before.epoch_index {
        return head.entry(false);
    }
    let away_ms = window_end_ms.saturating_sub(before.window_end_ms);
    if !before.closed && away_ms > AWAY_MS_MAX {
        let shard = before.shard;
        tracing::error!(shard, away_ms, "a gateway was away for too long: its shard is closed for good");
    }
    ShardLog { closed: before.closed || away_ms > AWAY_MS_MAX, ..*before }
}

fn add<'r>(rules: &'r Rules, said: &ShardSums, scorer: &mut Scorer<'r>) -> Result<(), CutError> {
    let failed = |source: SumsError| CutError::Sums { shard: said.head.head.shard, source };
    let PolicyDocument { policy, .. } = rules.document();
    let of_shard = said.sums.scorer(policy, rules.catalogue(), rules.document().hash()).map_err(failed)?;
    scorer.merge(of_shard);
    Ok(())
}

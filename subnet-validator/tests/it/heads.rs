//! Tree heads: one for each tempo, linked, true of the log, and the same after a restart.

use std::sync::Arc;

use chain_client::BlockRef;
use protocol::digest::Digest;
use protocol::head::{ValidHead, scores_hash};
use protocol::policy_document::PolicyDocument;
use protocol::replay::Rules;
use protocol::scoring::{HOUR_MS, Miner, Policy};
use subnet_validator::heads::{CutError, TempoFacts, cut};
use subnet_validator::ledger::{AppendError, HeadRecord, HeadStored, Ledger};

use crate::support::{Call, NETUID, catalogue, miner_key, open_ledger, validator};

/// When the first tempo ends.
pub const NOW_MS: u64 = 1_000 * HOUR_MS;

pub fn rules() -> Arc<Rules> {
    Arc::new(Rules::new(PolicyDocument::new(NETUID, Policy::default(), &catalogue())).unwrap())
}

pub fn miners() -> Vec<Miner> {
    ["//Bob", "//Charlie"]
        .map(|name| Miner::new(miner_key(name).public(), miner_key(&format!("{name}//cold")).public()))
        .to_vec()
}

/// Tempo `epoch_index` ends an hour after the one before.
pub fn facts(epoch_index: u64) -> TempoFacts {
    TempoFacts {
        epoch_index,
        block: BlockRef { number: 100 * epoch_index as u32, hash: [epoch_index as u8; 32] },
        timestamp_ms: NOW_MS + (epoch_index - 1) * HOUR_MS,
        miners: miners(),
    }
}

/// Appends calls shortly before the end of a tempo.
pub async fn serve(ledger: &Ledger, name: &str, epoch_index: u64, sequences: std::ops::Range<u64>) {
    let miner = miner_key(name);
    for sequence in sequences {
        let issued_at_ms = facts(epoch_index).timestamp_ms - 1_000 + sequence;
        ledger.append(Call { issued_at_ms, ..Call::new(&miner, sequence) }.sign()).await.unwrap();
    }
}

pub async fn head(ledger: &Ledger, epoch_index: u64) -> HeadRecord {
    cut(ledger, &rules(), &validator(), facts(epoch_index)).await.unwrap()
}

fn valid(record: &HeadRecord) -> ValidHead {
    record.head.clone().verify().unwrap()
}

#[tokio::test]
async fn a_tempos_head_names_the_log_the_miners_and_the_scores() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    serve(&ledger, "//Bob", 1, 0..5).await;
    let record = head(&ledger, 1).await;
    let head = valid(&record);
    assert_eq!((head.receipts(), head.log(0).unwrap().root), (ledger.head().size, ledger.head().root));
    assert_eq!((head.epoch_index, head.block_number, head.window_end_ms), (1, 100, NOW_MS));
    assert_eq!(head.scores, scores_hash(&record.table));
    assert_eq!(record.table.rows.iter().map(|row| row.basis_points).sum::<u32>(), 10_000);
    assert_eq!(head.previous, Digest::ZERO);
}

#[tokio::test]
async fn heads_of_following_tempos_are_linked() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    let mut before: Option<ValidHead> = None;
    for epoch_index in 1..=3 {
        serve(&ledger, "//Bob", epoch_index, epoch_index * 10..epoch_index * 10 + 4).await;
        let next = valid(&head(&ledger, epoch_index).await);
        assert_eq!(next.follows(before.as_ref()), Ok(()));
        before = Some(next);
    }
    let kept = ledger.read(|reader| reader.heads_from(2, 10)).await.unwrap();
    assert_eq!(kept.iter().map(|record| record.head.head.epoch_index).collect::<Vec<_>>(), [2, 3]);
}

#[tokio::test]
async fn a_tempo_has_one_head_also_after_a_restart_and_more_receipts() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    serve(&ledger, "//Bob", 1, 0..3).await;
    let first = head(&ledger, 1).await;
    drop(ledger);
    let ledger = open_ledger(folder.path());
    serve(&ledger, "//Charlie", 1, 0..3).await;
    assert_eq!(head(&ledger, 1).await, first);
    assert_eq!(
        ledger.put_head(first.clone(), rules().document().clone().sign(&validator())).await.unwrap(),
        HeadStored::Same
    );
    assert_eq!(head(&ledger, 2).await.head.head.receipts(), 6, "the next head has them");
}

#[tokio::test]
async fn a_head_that_is_not_true_of_the_log_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    serve(&ledger, "//Bob", 1, 0..3).await;
    let good = head(&ledger, 1).await;
    let document = || rules().document().clone().sign(&validator());
    let mut forked = good.clone();
    forked.head.head.log_mut(0).unwrap().root = Digest::ZERO;
    let refused = ledger.put_head(forked, document()).await;
    assert!(matches!(refused, Err(AppendError::HeadConflict { epoch_index: 1 })), "{refused:?}");
    for change in [
        (|record: &mut HeadRecord| record.head.head.log_mut(0).unwrap().root = Digest::ZERO)
            as fn(&mut HeadRecord),
        |record| record.head.head.log_mut(0).unwrap().tree_size = 2,
        |record| record.head.head.previous = Digest::ZERO,
        |record| record.head.head.policy = Digest::ZERO,
        |record| record.head.head.window_end_ms = 1,
    ] {
        let mut next = good.clone();
        next.head.head.epoch_index = 2;
        next.head.head.block_number += 1;
        next.head.head.window_end_ms += 1;
        next.head.head.previous = good.head.head.digest();
        let mut changed = next.clone();
        change(&mut changed);
        changed.head = changed.head.head.sign(&validator());
        let refused = ledger.put_head(changed, document()).await;
        assert!(matches!(refused, Err(AppendError::HeadRefused { .. })), "{refused:?}");
    }
    let mut stranger = good.clone();
    stranger.head.head.validator = miner_key("//Eve").public();
    let refused = ledger.put_head(stranger, document()).await;
    assert!(matches!(refused, Err(AppendError::NotOurs)), "{refused:?}");
}

#[tokio::test]
async fn a_call_issued_long_before_the_newest_is_not_appended() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    let bob = miner_key("//Bob");
    let at = |sequence, issued_at_ms| Call { issued_at_ms, ..Call::new(&bob, sequence) }.sign();
    ledger.append(at(0, NOW_MS)).await.unwrap();
    ledger.append(at(1, NOW_MS - HOUR_MS)).await.unwrap();
    let late = ledger.append(at(2, NOW_MS - HOUR_MS - 1)).await;
    assert!(matches!(late, Err(AppendError::TooLate { late_ms }) if late_ms == HOUR_MS + 1), "{late:?}");
    drop(ledger);
    let ledger = open_ledger(folder.path());
    let late = ledger.append(at(2, NOW_MS - HOUR_MS - 1)).await;
    assert!(matches!(late, Err(AppendError::TooLate { .. })), "also after a restart: {late:?}");
    assert_eq!(ledger.head().size, 2);
}

#[tokio::test]
async fn a_window_begins_after_the_last_receipt_that_is_surely_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    let bob = miner_key("//Bob");
    // Hours before the window's start; out of order by less than an hour.
    for (sequence, minutes) in (0..).zip([190_u64, 150, 170, 70, 100, 59, 90, 30]) {
        let issued_at_ms = NOW_MS - minutes * 60_000;
        ledger.append(Call { issued_at_ms, ..Call::new(&bob, sequence) }.sign()).await.unwrap();
    }
    let first = ledger.read(|reader| reader.window_first_index(NOW_MS)).await.unwrap();
    assert_eq!(first, 7, "the last one issued more than an hour before stands at 6");
    assert_eq!(ledger.read(|reader| reader.window_first_index(0)).await.unwrap(), 0);
}

#[tokio::test]
async fn the_frontier_at_any_size_is_that_of_the_first_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    serve(&ledger, "//Bob", 1, 0..5).await;
    head(&ledger, 1).await;
    serve(&ledger, "//Bob", 2, 5..9).await;
    let leaves: Vec<_> = ledger
        .read(|reader| Ok(reader.from(0, 100)?.iter().map(|stored| stored.receipt.leaf_hash()).collect()))
        .await
        .unwrap();
    for size in 0..=9_usize {
        let frontier = ledger.read(move |reader| reader.frontier_at(size as u64)).await.unwrap();
        assert_eq!(frontier.root(), protocol::merkle::root(&leaves[..size]), "{size}");
    }
    assert!(ledger.read(|reader| reader.frontier_at(10)).await.is_err());
}

#[tokio::test]
async fn a_head_signed_with_another_key_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    let eve = miner_key("//Eve");
    let refused = cut(&ledger, &rules(), &eve, facts(1)).await;
    assert!(
        matches!(refused, Err(CutError::Keep(AppendError::HeadRefused { .. }))),
        "another key's signature"
    );
}

//! Old receipts go; heads, counts and proofs stay.

use protocol::merkle::{self, ConsistencyClaim, verify_consistency, verify_inclusion};
use protocol::scoring::HOUR_MS;
use subnet_validator::audit::export::export;
use subnet_validator::audit::review::review;
use subnet_validator::ledger::{Ledger, ReadError};

use crate::heads::{NOW_MS, facts, head};
use crate::support::{Call, miner_key, open_ledger, validator};

/// Sizes of the log at its heads: two inside of blocks, one between two, and one in what is left.
const SIZES: [u64; 4] = [700, 1_500, 2_048, 2_600];

/// Old receipts and a few of the window, with heads at [`SIZES`].
async fn log(ledger: &Ledger) -> Vec<protocol::digest::Digest> {
    let bob = miner_key("//Bob");
    let mut leaves = Vec::new();
    for (epoch_index, size) in (1..).zip(SIZES) {
        for sequence in leaves.len() as u64..size {
            // Long before every window but for the last ones.
            let age_hours = if sequence < 2_500 { 2_000 - sequence / 10 } else { 2 };
            let issued_at_ms = facts(4).timestamp_ms + 1_000 * HOUR_MS + sequence - age_hours * HOUR_MS;
            let receipt = Call { issued_at_ms, ..Call::new(&bob, sequence) }.sign();
            leaves.push(receipt.leaf_hash());
            ledger.append(receipt).await.unwrap();
        }
        cut_at(ledger, epoch_index).await;
    }
    leaves
}

async fn cut_at(ledger: &Ledger, epoch_index: u64) {
    let mut tempo = facts(epoch_index);
    tempo.timestamp_ms += 1_000 * HOUR_MS;
    subnet_validator::heads::cut(ledger, &crate::heads::rules(), &validator(), tempo).await.unwrap();
}

#[tokio::test]
async fn what_no_window_needs_goes_and_every_proof_still_holds() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(&folder.path().join("ledger"));
    let leaves = log(&ledger).await;
    let before = ledger.head();
    let kept = ledger.read(|reader| reader.latest_head()).await.unwrap().unwrap();

    let pruned = ledger.prune(u64::MAX).await.unwrap();
    assert_eq!((pruned.receipts, pruned.first), (2_048, 2_048), "whole blocks below the window's first leaf");
    assert_eq!(ledger.prune(u64::MAX).await.unwrap().receipts, 0);
    drop(ledger);
    let ledger = open_ledger(&folder.path().join("ledger"));
    assert_eq!(ledger.head(), before, "size and root are the log's");
    let reader = ledger.reader();
    assert_eq!(reader.verify(|_| ()).unwrap().root, before.root);
    assert_eq!((reader.first().unwrap(), reader.at(2_047).unwrap().is_none()), (2_048, true));
    assert_eq!(reader.at(2_048).unwrap().unwrap().receipt.leaf_hash(), leaves[2_048]);
    assert_eq!(reader.heads_from(0, 10).unwrap().len(), SIZES.len());

    for (number, old) in SIZES.into_iter().enumerate() {
        for new in SIZES.into_iter().skip(number) {
            let proof = reader.consistency(old, new).unwrap().unwrap();
            let claim = ConsistencyClaim {
                old_size: old,
                old_root: merkle::root(&leaves[..old as usize]),
                new_size: new,
                new_root: merkle::root(&leaves[..new as usize]),
            };
            assert!(verify_consistency(&claim, &proof), "{old} in {new}");
        }
        assert_eq!(reader.frontier_at(old).unwrap().root(), merkle::root(&leaves[..old as usize]));
    }
    for index in [2_048, 2_300, 2_599] {
        let proof = reader.proof(index, 1_000).unwrap().unwrap();
        assert_eq!((proof.root, proof.leaf), (before.root, leaves[index as usize]));
        assert!(verify_inclusion(&proof.leaf, index, proof.size, &proof.path, &proof.root));
    }
    let gone = reader.for_each_leaf(2_047, 2_100, |_, _, _| ());
    assert!(matches!(gone, Err(ReadError::Pruned { first: 2_048 })), "{gone:?}");

    // The window is whole: the newest head's bundle is reviewed, and a new head has the same scores.
    let bundles = folder.path().join("bundles");
    let to = bundles.clone();
    ledger.read(move |reader| Ok(export(reader, &validator(), None, &to, |_, _| ()))).await.unwrap().unwrap();
    assert_eq!(review(&bundles, None, |_, _| ()).unwrap().replayed.table, kept.table);
}

#[tokio::test]
async fn nothing_goes_without_a_head_nor_before_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    let bob = miner_key("//Bob");
    for sequence in 0..3 {
        ledger
            .append(Call { issued_at_ms: NOW_MS + sequence, ..Call::new(&bob, sequence) }.sign())
            .await
            .unwrap();
    }
    assert_eq!(ledger.prune(u64::MAX).await.unwrap().first, 0);
    head(&ledger, 1).await;
    assert_eq!(
        ledger.read(|reader| reader.prunable(u64::MAX)).await.unwrap(),
        0,
        "all of it is in the window"
    );
    assert_eq!(ledger.read(|reader| reader.prunable(NOW_MS)).await.unwrap(), 0);
}

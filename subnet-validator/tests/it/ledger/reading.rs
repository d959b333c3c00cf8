use crate::support::{Call, miner_key, open_ledger, receipt};
use protocol::digest::Digest;
use protocol::merkle;
use subnet_validator::ledger::{Ledger, Stored};

/// Ten receipts: even places Bob's, odd ones Charlie's, issued a second apart.
async fn ten() -> (tempfile::TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    let miners = [miner_key("//Bob"), miner_key("//Charlie")];
    for place in 0..10u64 {
        let call = Call::new(&miners[(place % 2) as usize], place);
        ledger.append(Call { issued_at_ms: place * 1_000, ..call }.sign()).await.unwrap();
    }
    (folder, ledger)
}

fn places(items: &[Stored]) -> Vec<u64> {
    items.iter().map(|stored| stored.index).collect()
}

#[tokio::test]
async fn pages_go_from_new_to_old_and_end() {
    let (_folder, ledger) = ten().await;
    let reader = ledger.reader();
    let first = reader.page(None, None, 4).unwrap();
    assert_eq!((places(&first.items), first.before_next), (vec![9, 8, 7, 6], Some(6)));
    let second = reader.page(None, first.before_next, 4).unwrap();
    let third = reader.page(None, second.before_next, 4).unwrap();
    assert_eq!((places(&third.items), third.before_next), (vec![1, 0], None));
    let whole = reader.page(None, None, 10).unwrap();
    assert_eq!((whole.items.len(), whole.before_next), (10, None));
}

#[tokio::test]
async fn one_miners_pages_hold_nobody_elses_receipts() {
    let (_folder, ledger) = ten().await;
    let (bob, charlie) = (miner_key("//Bob").public(), miner_key("//Charlie").public());
    let reader = ledger.reader();
    let first = reader.page(Some(&bob), None, 3).unwrap();
    assert_eq!((places(&first.items), first.before_next), (vec![8, 6, 4], Some(4)));
    let second = reader.page(Some(&bob), first.before_next, 3).unwrap();
    assert_eq!((places(&second.items), second.before_next), (vec![2, 0], None));
    assert_eq!(places(&reader.page(Some(&charlie), None, 100).unwrap().items), [9, 7, 5, 3, 1]);
    assert!(reader.page(Some(&miner_key("//Eve").public()), None, 3).unwrap().items.is_empty());
}

#[tokio::test]
async fn a_window_holds_its_start_and_not_its_end() {
    let (_folder, ledger) = ten().await;
    let window = ledger.reader().window(2_000, 5_000).unwrap();
    assert_eq!(places(&window), [2, 3, 4]);
    assert_eq!(ledger.reader().first_index_since(7_500).unwrap(), Some(8));
    assert_eq!(ledger.reader().first_index_since(9_001).unwrap(), None);
}

#[tokio::test]
async fn every_receipt_is_found_by_its_hash_and_proven_to_be_in_the_log() {
    let (_folder, ledger) = ten().await;
    let reader = ledger.reader();
    for stored in reader.from(0, 10).unwrap() {
        let found = reader.by_receipt_hash(&stored.receipt.receipt().hash()).unwrap().unwrap();
        assert_eq!(found.index, stored.index);
        let proof = reader.proof(stored.index, 10).unwrap().unwrap();
        assert_eq!(proof.leaf, stored.receipt.leaf_hash());
        assert_eq!((proof.size, proof.root), (10, ledger.head().root));
        assert!(merkle::verify_inclusion(&proof.leaf, proof.index, proof.size, &proof.path, &proof.root));
        assert!(!merkle::verify_inclusion(&Digest::ZERO, proof.index, proof.size, &proof.path, &proof.root));
    }
    assert_eq!(reader.proof(10, 10).unwrap(), None);
    assert_eq!(reader.proof(0, 9).unwrap(), None, "the log has outgrown the limit");
    assert!(reader.by_receipt_hash(&Digest::ZERO).unwrap().is_none());
}

#[tokio::test]
async fn verifying_recomputes_the_root_and_reports_progress() {
    let (_folder, ledger) = ten().await;
    let mut seen = Vec::new();
    let verified = ledger.reader().verify(|done| seen.push(done)).unwrap();
    assert_eq!((verified.size, verified.root), (10, ledger.head().root));
    assert_eq!(seen, (1..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_scan_in_batches_shows_every_receipt_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    let bob = miner_key("//Bob");
    futures::future::join_all((0..600).map(|sequence| ledger.append(receipt(&bob, sequence)))).await;
    let mut seen = Vec::new();
    ledger.reader().for_each_from(50, |stored| seen.push(stored.index)).unwrap();
    assert_eq!(seen, (50..600).collect::<Vec<_>>());
}

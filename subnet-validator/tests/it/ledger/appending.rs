use std::collections::BTreeSet;

use crate::support::{Call, miner_key, open_ledger, receipt};
use protocol::merkle;
use protocol::receipt::Outcome;
use subnet_validator::ledger::{AppendError, Appended, Ledger, LedgerConfig, OpenError, Owner};

#[tokio::test]
async fn appending_the_same_receipt_twice_stores_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    let bob = miner_key("//Bob");
    assert_eq!(ledger.append(receipt(&bob, 0)).await.unwrap(), Appended::New { index: 0 });
    assert_eq!(ledger.append(receipt(&bob, 1)).await.unwrap(), Appended::New { index: 1 });
    assert_eq!(ledger.append(receipt(&bob, 0)).await.unwrap(), Appended::Same { index: 0 });
    assert_eq!(ledger.head().size, 2);
}

#[tokio::test]
async fn another_receipt_for_the_same_call_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    let bob = miner_key("//Bob");
    ledger.append(receipt(&bob, 0)).await.unwrap();
    let head = ledger.head();
    for other in [
        Call { completion_tokens: 4, ..Call::new(&bob, 0) },
        Call { outcome: Outcome::ClientGone, ..Call::new(&bob, 0) },
    ] {
        assert!(matches!(ledger.append(other.sign()).await, Err(AppendError::Conflict { index: 0 })));
    }
    assert_eq!(ledger.head(), head);
    // The same number at another miner is another call.
    assert_eq!(ledger.append(receipt(&miner_key("//Charlie"), 0)).await.unwrap(), Appended::New { index: 1 });
}

#[tokio::test]
async fn the_same_and_conflicting_receipts_are_told_apart_also_within_one_group() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    let bob = miner_key("//Bob");
    let other = Call { completion_tokens: 4, ..Call::new(&bob, 0) }.sign();
    let (first, second, third) =
        tokio::join!(ledger.append(receipt(&bob, 0)), ledger.append(receipt(&bob, 0)), ledger.append(other));
    assert_eq!(first.unwrap(), Appended::New { index: 0 });
    assert_eq!(second.unwrap(), Appended::Same { index: 0 });
    assert!(matches!(third, Err(AppendError::Conflict { index: 0 })));
}

#[tokio::test]
async fn a_receipt_of_another_validator_or_subnet_does_not_belong_here() {
    let folder = tempfile::tempdir().unwrap();
    let owner = Owner::single(miner_key("//Eve").public(), 64);
    let ledger = Ledger::open(LedgerConfig::new(folder.path().join("a"), owner)).unwrap();
    let append = ledger.append(receipt(&miner_key("//Bob"), 0)).await;
    assert!(matches!(append, Err(AppendError::NotOurs)));
    let owner = Owner { netuid: 65, ..crate::support::owner() };
    let ledger = Ledger::open(LedgerConfig::new(folder.path().join("b"), owner)).unwrap();
    assert!(matches!(ledger.append(receipt(&miner_key("//Bob"), 0)).await, Err(AppendError::NotOurs)));
}

#[tokio::test]
async fn concurrent_appends_each_get_their_own_place_and_the_root_covers_them_all() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    let bob = miner_key("//Bob");
    let appends = (0..200).map(|sequence| ledger.append(receipt(&bob, sequence)));
    let appended = futures::future::join_all(appends).await;
    let places: BTreeSet<u64> = appended
        .into_iter()
        .map(|appended| match appended.unwrap() {
            Appended::New { index } => index,
            same => panic!("{same:?}"),
        })
        .collect();
    assert_eq!(places, (0..200).collect());
    let leaves: Vec<_> =
        ledger.reader().from(0, 1_000).unwrap().iter().map(|stored| stored.receipt.leaf_hash()).collect();
    assert_eq!(ledger.head().root, merkle::root(&leaves));
}

#[tokio::test]
async fn after_a_restart_everything_is_there_and_known() {
    let folder = tempfile::tempdir().unwrap();
    let bob = miner_key("//Bob");
    let ledger = open_ledger(folder.path());
    for sequence in 0..5 {
        ledger.append(receipt(&bob, sequence)).await.unwrap();
    }
    let head = ledger.head();
    drop(ledger);

    let ledger = open_ledger(folder.path());
    assert_eq!(ledger.head(), head);
    assert_eq!(ledger.append(receipt(&bob, 3)).await.unwrap(), Appended::Same { index: 3 });
    assert_eq!(ledger.append(receipt(&bob, 5)).await.unwrap(), Appended::New { index: 5 });
}

#[tokio::test]
async fn reserved_sequence_numbers_are_never_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let (bob, charlie) = (miner_key("//Bob").public(), miner_key("//Charlie").public());
    let ledger = open_ledger(folder.path());
    let (first, second) = tokio::join!(ledger.reserve_sequences(bob, 10), ledger.reserve_sequences(bob, 10));
    assert_eq!((first.unwrap(), second.unwrap()), (0..10, 10..20));
    drop(ledger);
    let ledger = open_ledger(folder.path());
    assert_eq!(ledger.reserve_sequences(bob, 1).await.unwrap(), 20..21);
    assert_eq!(ledger.reserve_sequences(charlie, 1).await.unwrap(), 0..1);
}

#[tokio::test]
async fn a_ledger_has_one_user_at_a_time_and_closes_when_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    let second = Ledger::open(LedgerConfig::new(folder.path().to_owned(), crate::support::owner()));
    assert!(matches!(second.err(), Some(OpenError::InUse { .. })));
    drop(ledger);
    open_ledger(folder.path());
}

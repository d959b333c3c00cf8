use crate::heads::rules;
use crate::support::{Call, miner_key, open_ledger};
use protocol::receipt::Outcome;
use protocol::scoring::{HOUR_MS, Miner, Policy};
use subnet_validator::ledger::Ledger;
use subnet_validator::weights::window::{Window, digest};

const NOW_MS: u64 = 1_000 * HOUR_MS;

fn window(registered: Vec<(Miner, u16)>) -> Window {
    Window { policy: Policy::default(), end_ms: NOW_MS, registered }
}

async fn append(ledger: &Ledger, name: &str, sequences: std::ops::Range<u64>, change: impl Fn(Call) -> Call) {
    let miner = miner_key(name);
    for sequence in sequences {
        let call = Call { issued_at_ms: NOW_MS - 1_000 + sequence, ..Call::new(&miner, sequence) };
        ledger.append(change(call).sign()).await.unwrap();
    }
}

fn registered() -> Vec<(Miner, u16)> {
    [("//Alice", 0), ("//Bob", 3), ("//Charlie", 1)]
        .map(|(name, uid)| {
            (Miner::new(miner_key(name).public(), miner_key(&format!("{name}//cold")).public()), uid)
        })
        .to_vec()
}

#[tokio::test]
async fn weights_follow_from_what_the_ledger_holds() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    append(&ledger, "//Bob", 0..6, |call| call).await;
    append(&ledger, "//Charlie", 0..2, |call| call).await;

    let (table, weights) = window(registered()).score(&ledger, rules()).await.unwrap();

    let row = |name: &str| table.rows.iter().find(|row| row.hotkey == miner_key(name).public()).unwrap();
    assert_eq!(
        (row("//Bob").invocations, row("//Charlie").invocations, row("//Alice").invocations),
        (6, 2, 0)
    );
    // Per receipt: 5 prompt tokens at 250 and 3 completion tokens at 1,000.
    assert_eq!(row("//Bob").compute_units, 6 * (5 * 250 + 3 * 1_000));
    assert_eq!(table.rows.iter().map(|row| row.basis_points).sum::<u32>(), 10_000);
    let uids: Vec<u16> = weights.iter().map(|(uid, _)| *uid).collect();
    assert_eq!(uids, [1, 3]);
    assert_eq!(weights[1].1, u16::MAX);
    assert!(weights[0].1 > 0 && weights[0].1 < u16::MAX);
}

#[tokio::test]
async fn what_is_old_unpaid_or_of_strangers_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    append(&ledger, "//Charlie", 0..1, |call| Call { issued_at_ms: NOW_MS - 169 * HOUR_MS, ..call }).await;
    append(&ledger, "//Bob", 0..1, |call| call).await;
    append(&ledger, "//Charlie", 1..2, |call| Call { outcome: Outcome::ClientGone, ..call }).await;
    append(&ledger, "//Charlie", 2..3, |call| Call { issued_at_ms: NOW_MS, ..call }).await;
    append(&ledger, "//Eve", 0..1, |call| call).await;

    let (table, weights) = window(registered()).score(&ledger, rules()).await.unwrap();

    assert_eq!(weights, [(3, u16::MAX)]);
    assert_eq!((table.set_aside.with_error, table.set_aside.unregistered), (1, 1));
}

#[tokio::test]
async fn an_empty_ledger_gives_no_weights() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    let (table, weights) = window(registered()).score(&ledger, rules()).await.unwrap();
    assert!(weights.is_empty());
    assert!(table.rows.iter().all(|row| row.basis_points == 0));
}

#[tokio::test]
async fn a_restart_does_not_change_the_scores() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    append(&ledger, "//Bob", 0..3, |call| call).await;
    let before = window(registered()).score(&ledger, rules()).await.unwrap();
    drop(ledger);
    let ledger = open_ledger(folder.path());
    let after = window(registered()).score(&ledger, rules()).await.unwrap();
    assert_eq!(before, after);
    assert_eq!(digest(&before.0), digest(&after.0));
}

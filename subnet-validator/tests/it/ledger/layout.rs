//! The bytes on disk. A failure here means that ledgers already written can no longer be read: raise the format version,
//! write a migration, and only then change the expectation.

use crate::support::{miner_key, open_ledger, receipt};
use rocksdb::{DB, IteratorMode, Options};
use subnet_validator::ledger::schema;

const ALICE: &str = "d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d";
const BOB: &str = "8eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a48";

/// Every entry of a family as hex.
fn entries(db: &DB, family: &str) -> Vec<(String, String)> {
    let entries = db.iterator_cf(db.cf_handle(family).unwrap(), IteratorMode::Start);
    entries
        .map(|entry| {
            let (key, value) = entry.unwrap();
            (hex::encode(key), hex::encode(value))
        })
        .collect()
}

#[tokio::test]
async fn the_keys_and_values_on_disk_are_these() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    let bob = miner_key("//Bob");
    let receipts = [receipt(&bob, 0), receipt(&bob, 1)];
    for receipt in &receipts {
        ledger.append(receipt.clone()).await.unwrap();
    }
    ledger.reserve_sequences(bob.public(), 258).await.unwrap();
    drop(ledger);

    let db = DB::open_cf_for_read_only(&Options::default(), folder.path(), schema::FAMILIES, false).unwrap();
    let place = ["0000000000000000", "0000000000000001"];
    let pair = |key: [String; 2], value: [String; 2]| key.into_iter().zip(value).collect::<Vec<_>>();
    let of = |read: fn(&protocol::receipt::Countersigned) -> String| receipts.each_ref().map(read);

    let meta = entries(&db, "meta");
    assert_eq!(meta[0].0, hex::encode("format"));
    assert_eq!(meta[0].1, "00000006");
    assert_eq!(meta[1].0, hex::encode("frontier"));
    assert_eq!(meta[1].1.get(..16), Some("0200000000000000"), "SCALE: size, then peaks");
    assert_eq!(meta[2], (hex::encode("owner"), format!("{ALICE}0040")));
    assert_eq!(meta.len(), 3);

    let bytes = of(|receipt| hex::encode(receipt.encode()));
    assert_eq!(entries(&db, "receipts"), pair(place.map(String::from), bytes));
    let leaves = of(|receipt| hex::encode(receipt.leaf_hash().0));
    assert_eq!(entries(&db, "leaves"), pair(place.map(String::from), leaves));
    // 1,000,000 and 1,000,001 ms.
    let times = [format!("00000000000f4240{}", place[0]), format!("00000000000f4241{}", place[1])];
    assert_eq!(entries(&db, "by_time"), pair(times, [String::new(), String::new()]));
    let by_miner = place.map(|place| format!("{BOB}{place}"));
    assert_eq!(entries(&db, "by_miner"), pair(by_miner.clone(), [String::new(), String::new()]));
    assert_eq!(entries(&db, "by_sequence"), pair(by_miner, place.map(String::from)));
    let mut by_receipt = pair(of(|receipt| hex::encode(receipt.receipt().hash().0)), place.map(String::from));
    by_receipt.sort();
    assert_eq!(entries(&db, "by_receipt"), by_receipt);
    assert_eq!(entries(&db, "sequences"), [(BOB.to_owned(), "0000000000000102".to_owned())]);
    assert_eq!((entries(&db, "heads"), entries(&db, "documents")), (vec![], vec![]), "until a tempo ends");
    assert_eq!(entries(&db, "evidence"), []);
    assert_eq!(entries(&db, "default"), []);
}

#[test]
fn numbers_in_keys_sort_as_numbers() {
    let bob = miner_key("//Bob").public();
    assert!(schema::by_time(255, 9) < schema::by_time(256, 0));
    assert!(schema::by_miner(&bob, 255) < schema::by_miner(&bob, 256));
    assert_eq!(schema::trailing_index(&schema::by_time(7, 258)), Some(258));
    assert_eq!(schema::trailing_index(b"short"), None);
}

#[test]
fn the_owner_reads_back() {
    let owner = crate::support::owner();
    assert_eq!(schema::Owner::from_bytes(&owner.to_bytes()), Some(owner));
    assert_eq!(schema::Owner::from_bytes(&owner.to_bytes()[1..]), None);
}

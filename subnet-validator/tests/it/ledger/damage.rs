//! Folders that are not what they should be, and logs that end in the middle.

use std::fs;
use std::path::Path;

use crate::support::{crash_image, miner_key, open_ledger, owner, receipt};
use protocol::merkle;
use rocksdb::{DB, Options};
use subnet_validator::ledger::{Ledger, LedgerConfig, LogHead, OpenError, ReadError, schema};

fn open(path: &Path) -> Result<Ledger, OpenError> {
    Ledger::open(LedgerConfig::new(path.to_owned(), owner()))
}

/// Changes the closed database behind the ledger's back.
fn tamper(path: &Path, change: impl FnOnce(&DB)) {
    let db = DB::open_cf(&Options::default(), path, schema::FAMILIES).unwrap();
    change(&db);
}

async fn with_receipts(path: &Path, count: u64) -> LogHead {
    let ledger = open_ledger(path);
    let bob = miner_key("//Bob");
    for sequence in 0..count {
        ledger.append(receipt(&bob, sequence)).await.unwrap();
    }
    ledger.head()
}

#[tokio::test]
async fn a_newer_format_is_refused_by_number() {
    let folder = tempfile::tempdir().unwrap();
    with_receipts(folder.path(), 1).await;
    tamper(folder.path(), |db| {
        db.put_cf(db.cf_handle("meta").unwrap(), schema::FORMAT, 9u32.to_be_bytes()).unwrap()
    });
    assert!(matches!(open(folder.path()).err(), Some(OpenError::WrongFormat { found: 9, expected: 6 })));
}

#[tokio::test]
async fn a_ledger_of_an_older_format_is_raised_and_keeps_its_receipts() {
    // Each format lacks what came after it.
    let new = [
        schema::HEADS,
        schema::DOCUMENTS,
        schema::EVIDENCE,
        schema::NODES,
        schema::SHARD_HEADS,
        schema::SUMS,
    ];
    for (format, first) in [(1_u32, 0), (2, 2), (3, 3), (4, 4), (5, 4)] {
        let absent = &new[first..];
        raised(format, absent).await;
    }
}

async fn raised(format: u32, absent: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let head = with_receipts(folder.path(), 3).await;
    {
        let mut db = DB::open_cf(&Options::default(), folder.path(), schema::FAMILIES).unwrap();
        absent.iter().for_each(|family| db.drop_cf(family).unwrap());
        db.put_cf(db.cf_handle("meta").unwrap(), schema::FORMAT, format.to_be_bytes()).unwrap();
    }
    assert_eq!(open(folder.path()).unwrap().head(), head);
    let db = DB::open_cf_for_read_only(&Options::default(), folder.path(), schema::FAMILIES, false).unwrap();
    let format = db.get_cf(db.cf_handle("meta").unwrap(), schema::FORMAT).unwrap();
    assert_eq!(format.unwrap(), 6u32.to_be_bytes());
}

#[tokio::test]
async fn another_validators_ledger_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    with_receipts(folder.path(), 1).await;
    let other = schema::Owner { validator: miner_key("//Eve").public(), ..owner() };
    let error = Ledger::open(LedgerConfig::new(folder.path().to_owned(), other)).err().unwrap();
    assert!(matches!(error, OpenError::OtherOwner { validator, .. } if validator == owner().validator));
}

#[test]
fn a_foreign_database_is_refused_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (with_family, with_data) = (folder.path().join("a"), folder.path().join("b"));
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    drop(DB::open_cf(&options, &with_family, ["blocks"]).unwrap());
    DB::open(&options, &with_data).unwrap().put(b"key", b"value").unwrap();
    for path in [with_family, with_data] {
        assert!(matches!(open(&path).err(), Some(OpenError::NotALedger { .. })), "{}", path.display());
    }
    let families = DB::list_cf(&options, folder.path().join("a")).unwrap();
    assert_eq!(families, ["default", "blocks"]);
}

#[tokio::test]
async fn a_receipt_missing_at_the_end_is_noticed_when_opening() {
    let folder = tempfile::tempdir().unwrap();
    with_receipts(folder.path(), 3).await;
    tamper(folder.path(), |db| db.delete_cf(db.cf_handle("receipts").unwrap(), schema::index(2)).unwrap());
    assert!(matches!(open(folder.path()).err(), Some(OpenError::Damaged { .. })));
}

#[tokio::test]
async fn a_receipt_missing_or_altered_in_the_middle_is_named_by_verify() {
    let folder = tempfile::tempdir().unwrap();
    with_receipts(folder.path(), 3).await;
    let family = "receipts";
    let mut bytes = Vec::new();
    tamper(folder.path(), |db| {
        let family = db.cf_handle(family).unwrap();
        bytes = db.get_cf(family, schema::index(1)).unwrap().unwrap();
        db.delete_cf(family, schema::index(1)).unwrap();
    });
    let error = open(folder.path()).unwrap().reader().verify(|_| {}).unwrap_err();
    assert!(
        matches!(&error, ReadError::Damaged { what } if what.contains("receipt 1 is missing")),
        "{error}"
    );

    for position in [0, bytes.len() / 2, bytes.len() - 1] {
        let mut altered = bytes.clone();
        altered[position] ^= 1;
        tamper(folder.path(), |db| {
            db.put_cf(db.cf_handle(family).unwrap(), schema::index(1), altered).unwrap()
        });
        let error = open(folder.path()).unwrap().reader().verify(|_| {}).unwrap_err();
        let named = matches!(&error, ReadError::BadReceipt { index: 1, .. })
            || matches!(&error, ReadError::Damaged { what } if what.contains("receipt 1"));
        assert!(named, "{error}");
    }
}

#[tokio::test]
async fn every_acknowledged_receipt_survives_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let live = folder.path().join("live");
    let ledger = open_ledger(&live);
    let bob = miner_key("//Bob");
    for sequence in 0..20 {
        ledger.append(receipt(&bob, sequence)).await.unwrap();
        let image = folder.path().join(format!("crash-{sequence}"));
        crash_image(&live, &image);
        let after = open(&image).unwrap();
        assert_eq!(after.head(), ledger.head());
        assert_eq!(after.reader().verify(|_| {}).unwrap().size, sequence + 1);
    }
}

#[tokio::test]
async fn a_log_torn_anywhere_opens_with_a_whole_prefix_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let live = folder.path().join("live");
    let ledger = open_ledger(&live);
    let bob = miner_key("//Bob");
    let mut leaves = Vec::new();
    for sequence in 0..12 {
        let receipt = receipt(&bob, sequence);
        leaves.push(receipt.leaf_hash());
        ledger.append(receipt).await.unwrap();
    }
    let roots: Vec<_> = (0..=leaves.len()).map(|size| merkle::root(&leaves[..size])).collect();
    let length = fs::metadata(crash_image(&live, &folder.path().join("whole"))).unwrap().len();

    let (mut opened, mut shorter) = (0, 0);
    for (case, cut) in
        (0..60).map(|step| length * step / 60).chain((1..20).map(|bytes| length - bytes)).enumerate()
    {
        let image = folder.path().join(format!("torn-{case}"));
        fs::File::options().write(true).open(crash_image(&live, &image)).unwrap().set_len(cut).unwrap();
        // Refusing is allowed; a hole is not.
        if let Ok(ledger) = open(&image) {
            let LogHead { size, root } = ledger.head();
            assert_eq!(root, roots[size as usize]);
            assert_eq!(ledger.reader().verify(|_| {}).unwrap().size, size);
            opened += 1;
            shorter += u32::from(size < 12);
        }
        fs::remove_dir_all(image).unwrap();
    }
    assert!(opened > 0 && shorter > 0, "{opened} opened, {shorter} of them shorter");
}

#[tokio::test]
async fn a_bit_flipped_anywhere_in_the_log_never_goes_unnoticed() {
    let folder = tempfile::tempdir().unwrap();
    let live = folder.path().join("live");
    let ledger = open_ledger(&live);
    let bob = miner_key("//Bob");
    let mut leaves = Vec::new();
    for sequence in 0..12 {
        let receipt = receipt(&bob, sequence);
        leaves.push(receipt.leaf_hash());
        ledger.append(receipt).await.unwrap();
    }
    let mut refused = 0;
    for step in 0..60usize {
        let image = folder.path().join(format!("flipped-{step}"));
        let log = crash_image(&live, &image);
        let mut bytes = fs::read(&log).unwrap();
        let position = bytes.len() * step / 60;
        bytes[position] ^= 1 << (step % 8);
        fs::write(&log, bytes).unwrap();
        match open(&image) {
            Ok(ledger) => {
                let LogHead { size, root } = ledger.head();
                assert_eq!(root, merkle::root(&leaves[..size as usize]), "step {step}");
                assert_eq!(ledger.reader().verify(|_| {}).unwrap().size, size);
            }
            Err(OpenError::Damaged { .. }) => refused += 1,
            Err(other) => panic!("step {step}: {other}"),
        }
        fs::remove_dir_all(image).unwrap();
    }
    assert!(refused > 0, "damage inside the log is refused, not skipped");
}

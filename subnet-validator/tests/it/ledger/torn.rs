//! Logs whose tail was cut off or altered, many of them: each opens with a whole prefix or is refused.

use std::fs;
use std::path::Path;

use protocol::digest::Digest;
use protocol::merkle;
use subnet_validator::ledger::{Ledger, LedgerConfig, LogHead, OpenError};

use crate::support::{crash_image, miner_key, open_ledger, owner, receipt};

const RECEIPTS: u64 = 24;
/// Damaged logs in a short run; `TORN_LOGS` sets another number.
const CASES: u64 = 100;

/// What became of the damaged logs.
#[derive(Debug, Default)]
struct Count {
    whole: u64,
    prefix: u64,
    refused: u64,
}

/// xorshift64: every run damages the same bytes.
fn next(random: &mut u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    *random
}

fn check(image: &Path, roots: &[Digest], count: &mut Count, case: &str) {
    match Ledger::open(LedgerConfig::new(image.to_owned(), owner())) {
        Ok(ledger) => {
            let LogHead { size, root } = ledger.head();
            assert_eq!(Some(&root), roots.get(size as usize), "{case}: a hole");
            assert_eq!(ledger.reader().verify(|_| {}).unwrap().size, size, "{case}");
            if size == RECEIPTS { count.whole += 1 } else { count.prefix += 1 }
        }
        Err(OpenError::Damaged { .. }) => count.refused += 1,
        Err(other) => panic!("{case}: {other:?}"),
    }
}

#[tokio::test]
async fn logs_torn_or_altered_anywhere_open_with_a_prefix_or_are_refused() {
    let cases = std::env::var("TORN_LOGS").map_or(CASES, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let live = folder.path().join("live");
    let ledger = open_ledger(&live);
    let bob = miner_key("//Bob");
    let mut leaves = Vec::new();
    for sequence in 0..RECEIPTS {
        let receipt = receipt(&bob, sequence);
        leaves.push(receipt.leaf_hash());
        ledger.append(receipt).await.unwrap();
    }
    let roots: Vec<_> = (0..=leaves.len()).map(|size| merkle::root(&leaves[..size])).collect();
    let image = folder.path().join("image");
    let log = crash_image(&live, &image);
    let whole = fs::read(&log).unwrap();
    let (mut cut, mut flipped, mut random) = (Count::default(), Count::default(), 0x9e37_79b9_7f4a_7c15_u64);
    for case in 0..cases {
        fs::remove_dir_all(&image).unwrap();
        let log = crash_image(&live, &image);
        let place = next(&mut random) as usize % whole.len();
        if case % 2 == 0 {
            fs::File::options().write(true).open(&log).unwrap().set_len(place as u64).unwrap();
            check(&image, &roots, &mut cut, &format!("case {case}: cut at {place}"));
        } else {
            let mut bytes = whole.clone();
            // One bit, or some bytes: a sector that was never written.
            if case % 4 == 1 {
                bytes[place] ^= 1 << (random >> 60 & 7);
            } else {
                let end = bytes.len().min(place + 512);
                bytes[place..end].fill(0);
            }
            fs::write(&log, bytes).unwrap();
            check(&image, &roots, &mut flipped, &format!("case {case}: altered at {place}"));
        }
    }
    eprintln!("{cases} damaged logs: cut off {cut:?}, altered {flipped:?}");
    assert!(cut.prefix > 0 && flipped.refused > 0, "{cut:?} {flipped:?}");
}

//! A review's memory does not grow with the log. A program of its own, because it counts what all of it allocates.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chain_client::BlockRef;
use futures::future::try_join_all;
use protocol::catalogue::{Catalogue, Model};
use protocol::digest::Digest;
use protocol::policy_document::PolicyDocument;
use protocol::receipt::{Countersigned, FinishReason, MinerSigned, Observation, Outcome, Receipt};
use protocol::replay::Rules;
use protocol::scoring::{HOUR_MS, Miner, Policy};
use protocol::signing::Keypair;
use protocol::ticket::{Kind, Ticket};
use subnet_validator::audit::export::export;
use subnet_validator::audit::leaves::{LeafReader, Row};
use subnet_validator::audit::review::{ReviewOptions, review_with};
use subnet_validator::audit::shelf::Bundle;
use subnet_validator::heads::{TempoFacts, cut};
use subnet_validator::ledger::{Ledger, LedgerConfig, Owner};
use tokio::sync::Mutex;

/// The system's allocator, counting.
struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);
static BYTES_MOST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(unsafe_code, reason = "allocators are unsafe by their trait; this one hands everything on")]
/// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let bytes = BYTES.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        BYTES_MOST.fetch_max(bytes, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(place, layout) }
    }
}

const NOW_MS: u64 = 1_000_000 * HOUR_MS;
const MINERS: u64 = 4;
/// Calls in an hour.
const HOURLY: u64 = 100;

/// Call `number` of `count`, the newest a minute old; each miner's names its one before.
fn call(
    validator: &Keypair,
    miner: &Keypair,
    (number, count): (u64, u64),
    previous: Digest,
) -> Countersigned {
    let issued_at_ms = NOW_MS - 60_000 - (count - number) * (HOUR_MS / HOURLY);
    let ticket = Ticket {
        netuid: 64,
        validator: validator.public(),
        miner: miner.public(),
        model: "echo".parse().unwrap(),
        weights_digest: Digest::of(b"echo"),
        request_sha256: Digest::of(&number.to_be_bytes()),
        sequence: number / MINERS,
        issued_at_ms,
        deadline_ms: issued_at_ms + 60_000,
        prompt_tokens_max: 4_096,
        completion_tokens_max: 4_096,
        payer: Digest::of(&(number % 3).to_le_bytes()),
        kind: Kind::Chat,
    };
    let output_sha256 = Digest::of(&number.to_le_bytes());
    let receipt = Receipt {
        ticket_hash: ticket.hash(),
        output_sha256,
        prompt_tokens: 300,
        completion_tokens: 200,
        first_token_ms: 80,
        total_ms: 2_000,
        finish_reason: FinishReason::Stop,
        fingerprint: None,
        previous,
    };
    let observation = Observation {
        first_byte_ms: 90,
        last_byte_ms: 2_050,
        tokens_delivered: 200,
        output_sha256,
        outcome: Outcome::Delivered,
    };
    let ticket = ticket.sign(validator).verify().unwrap();
    let signed = MinerSigned::check(ticket, receipt.sign(miner)).unwrap();
    signed.countersign(observation, validator).unwrap()
}

/// The most bytes that the review of a log of so many calls holds at a time.
async fn most_bytes(root: &Path, count: u64) -> usize {
    let validator = Keypair::from_dev_uri("//Alice").unwrap();
    let miners: Vec<Keypair> =
        (0..MINERS).map(|number| Keypair::from_dev_uri(&format!("//Miner{number}")).unwrap()).collect();
    let owner = Owner::single(validator.public(), 64);
    let ledger = Ledger::open(LedgerConfig::new(root.join("ledger"), owner)).unwrap();
    let mut last = [Digest::ZERO; MINERS as usize];
    // Those under way together are of half an hour, or the log would refuse the older ones.
    for first in (0..count).step_by(50) {
        let calls = (first..count.min(first + 50)).map(|number| {
            let miner = (number % MINERS) as usize;
            let call = call(&validator, &miners[miner], (number, count), last[miner]);
            last[miner] = call.receipt().hash();
            ledger.append(call)
        });
        try_join_all(calls).await.unwrap();
    }
    let model = Model {
        id: "echo".parse().unwrap(),
        weights_digest: Digest::of(b"echo"),
        prompt_multiplier: 250,
        completion_multiplier: 1_000,
        memory_bytes: 1 << 30,
    };
    let catalogue = Catalogue::new([model]).unwrap();
    let rules = Arc::new(Rules::new(PolicyDocument::new(64, Policy::default(), &catalogue)).unwrap());
    let miners = miners.iter().map(|miner| Miner::new(miner.public(), miner.public())).collect();
    let block = BlockRef { number: 1, hash: [1; 32] };
    cut(&ledger, &rules, &validator, TempoFacts { epoch_index: 1, block, timestamp_ms: NOW_MS, miners })
        .await
        .unwrap();
    let folder = root.join("bundle");
    let (signer, to) = (validator.clone(), folder.clone());
    ledger.read(move |reader| Ok(export(reader, &signer, None, &to, |_, _| ()))).await.unwrap().unwrap();
    drop(ledger);

    let options = ReviewOptions {
        threads: NonZeroUsize::new(1),
        run_leaves: NonZeroU64::new(256),
        ..ReviewOptions::default()
    };
    let bundle = Bundle::at(&folder).unwrap();
    let before = BYTES.load(Ordering::Relaxed);
    BYTES_MOST.store(before, Ordering::Relaxed);
    let reviewed = review_with(&bundle, options, |_, _| ()).unwrap();
    assert_eq!(reviewed.replayed.leaves, count);
    BYTES_MOST.load(Ordering::Relaxed) - before
}

/// One at a time counts.
static COUNTS: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn a_review_of_ten_times_the_leaves_holds_no_more_of_them_in_memory() {
    let _alone = COUNTS.lock().await;
    let [small, large] = [800, 8_000];
    let root = tempfile::tempdir().unwrap();
    let bytes_small = most_bytes(&root.path().join("small"), small).await;
    let bytes_large = most_bytes(&root.path().join("large"), large).await;
    // What grows is the manifest's list of parts, one for each miner and hour, and the sums of hours.
    let parts = MINERS as usize * (large - small) as usize / HOURLY as usize;
    let grown = bytes_large.saturating_sub(bytes_small);
    assert!(
        grown < 6_000 * parts && bytes_large < 2 * bytes_small,
        "{bytes_small} bytes for {small} leaves, {bytes_large} for {large}: {grown} more for {parts} more parts",
    );
}

/// Thrift's compact form, of which Parquet's footers and headers are.
#[derive(Default)]
struct Thrift(Vec<u8>);

impl Thrift {
    fn varint(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    /// A number as the field `more` behind the last one.
    fn int(mut self, more: u8, value: u64) -> Self {
        self.0.push((more << 4) | 6);
        self.varint(2 * value)
    }

    fn fields(mut self, more: u8, fields: Self) -> Self {
        self.0.push((more << 4) | 12);
        self.0.extend(fields.end());
        self
    }

    fn list(mut self, more: u8, items: Vec<Self>) -> Self {
        self.0.extend([(more << 4) | 9, ((items.len() as u8) << 4) | 12]);
        self.0.extend(items.into_iter().flat_map(Self::end));
        self
    }

    fn end(mut self) -> Vec<u8> {
        self.0.push(0);
        self.0
    }
}

const PLAIN: u64 = 0;
const BY_DICTIONARY: u64 = 8;
const SNAPPY: u64 = 1;

/// A page with what it claims.
fn page(is_dictionary: bool, (values, encoding): (u64, u64), claimed: u64, bytes: &[u8]) -> Vec<u8> {
    let of_kind = Thrift::default().int(1, values).int(1, encoding);
    let header = Thrift::default().int(1, if is_dictionary { 2 } else { 0 }).int(1, claimed);
    let header = header.int(1, bytes.len() as u64).fields(if is_dictionary { 4 } else { 2 }, of_kind);
    [header.end(), bytes.to_vec()].concat()
}

fn whole_page(values: u64, bytes: &[u8]) -> Vec<u8> {
    page(false, (values, PLAIN), bytes.len() as u64, bytes)
}

/// A file of one row group, whose records lie in these pages. `more` is what its footer has besides.
fn part(rows: u64, codec: u64, records: &[u8], more: &[u8]) -> Vec<u8> {
    let plain = |width: usize| whole_page(rows, &vec![7; width * rows as usize]);
    let (mut file, mut columns) = (b"PAR1".to_vec(), Vec::new());
    let chunks = [(2, 0, plain(8)), (7, 0, plain(32)), (6, codec, records.to_vec())];
    for (kind, codec, bytes) in chunks {
        let place = Thrift::default().int(1, kind).int(3, codec).int(1, rows);
        let place = place.int(2, bytes.len() as u64).int(2, file.len() as u64);
        columns.push(Thrift::default().int(2, 0).fields(1, place));
        file.extend(bytes);
    }
    let group = Thrift::default().list(1, columns).int(1, 0).int(1, rows);
    let mut footer = Thrift::default().int(1, 1).int(2, rows).list(1, vec![group]);
    footer.0.extend(more);
    let footer = footer.end();
    file.extend(&footer);
    file.extend((footer.len() as u32).to_le_bytes());
    file.extend(b"PAR1");
    file
}

/// What comes of reading a part, and the most bytes that are held meanwhile beside it.
fn read_part(file: Vec<u8>, rows: u64) -> (Result<Vec<Row>, String>, usize) {
    let before = BYTES.load(Ordering::Relaxed);
    BYTES_MOST.store(before, Ordering::Relaxed);
    let read = LeafReader::new(file.into(), rows).and_then(|mut reader| reader.read(rows as usize));
    (read.map_err(|error| error.to_string()), BYTES_MOST.load(Ordering::Relaxed) - before)
}

#[test]
fn a_part_that_claims_what_it_does_not_have_is_refused_in_little_memory() {
    let _alone = COUNTS.blocking_lock();
    let record = whole_page(1, &[3, 0, 0, 0, 1, 2, 3]);
    let (read, _) = read_part(part(1, PLAIN, &record, &[]), 1);
    assert_eq!(read.unwrap()[0].record, [1, 2, 3]);

    let most = i32::MAX as u64;
    let packed = |claimed: u64| Thrift::default().varint(claimed).0;
    let by_dictionary = |values: u64| {
        let dictionary = page(true, (values, PLAIN), 5, &[1, 0, 0, 0, 7]);
        [dictionary, page(false, (1, BY_DICTIONARY), 3, &[1, 2, 0])].concat()
    };
    // A list of 2^31 truth values as field 9, and one of that many structures.
    let values = |kind: u8| [vec![0x59, 0xf0 | kind], packed(most)].concat();
    let footer_bytes = |length: u32| {
        let mut file = part(1, PLAIN, &record, &[]);
        let end = file.len() - 8;
        file[end..end + 4].copy_from_slice(&length.to_le_bytes());
        file
    };
    let text = |bytes: usize| [vec![0x58], packed(bytes as u64), vec![b'x'; bytes]].concat();
    let cases = [
        (part(1, PLAIN, &by_dictionary(most), &[]), "more values than its row group"),
        (part(1, PLAIN, &page(false, (most, PLAIN), 7, &record), &[]), "more values than its row group"),
        (part(1, SNAPPY, &page(false, (1, PLAIN), most, &packed(most)), &[]), "larger than its values"),
        (part(1, SNAPPY, &page(false, (1, PLAIN), 7, &packed(most)), &[]), "another length than its header"),
        (part(1, PLAIN, &page(false, (1, 5), 7, &[0; 7]), &[]), "another form"),
        (part(1, 2, &record, &[]), "packed in another way"),
        (part(1, PLAIN, &record, &values(1)), "footer cannot be read"),
        (part(1, PLAIN, &record, &values(12)), "footer cannot be read"),
        (part(1, PLAIN, &record, &text(60_000)), "footer is larger"),
        (footer_bytes(u32::MAX), "footer is larger"),
        (footer_bytes(20_000), "footer is cut off"),
    ];
    for (file, expected) in cases {
        let (read, bytes) = read_part(file, 1);
        let refused = read.unwrap_err();
        assert!(refused.contains(expected), "{refused}, not {expected}");
        assert!(bytes < 100_000, "{expected}: {bytes} bytes");
    }
}

#[test]
fn many_rows_that_name_one_large_value_are_refused_before_it_is_copied() {
    const ROWS: u64 = 16_384;
    let _alone = COUNTS.blocking_lock();
    let large = 4 << 20;
    let mut values = vec![0; 4 * (ROWS as usize - 1)];
    values.extend((large as u32).to_le_bytes());
    values.extend(vec![7; large]);
    let dictionary = page(true, (ROWS, PLAIN), values.len() as u64, &values);
    // All of them are the last value: numbers of 14 bits, one run.
    let run = Thrift::default().varint(ROWS << 1).0;
    let run = [vec![14], run, vec![0xff, 0x3f]].concat();
    let records = [dictionary, page(false, (ROWS, BY_DICTIONARY), run.len() as u64, &run)].concat();
    let (read, bytes) = read_part(part(ROWS, PLAIN, &records, &[]), ROWS);
    let refused = read.unwrap_err();
    assert!(refused.contains("longer than any receipt"), "{refused}");
    assert!(bytes < 32 << 20, "{bytes} bytes");
}

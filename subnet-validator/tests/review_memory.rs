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
use subnet_validator::audit::review::{ReviewOptions, review_with};
use subnet_validator::audit::shelf::Bundle;
use subnet_validator::heads::{TempoFacts, cut};
use subnet_validator::ledger::{Ledger, LedgerConfig, Owner};

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

#[tokio::test]
async fn a_review_of_ten_times_the_leaves_holds_no_more_of_them_in_memory() {
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

//! A validator, two miners and a bad network between them, by chance: messages are dropped, doubled, reordered and held back by
//! partitions, a miner signs two receipts for one call, the validator crashes in the middle of a write. A few seeds by default;
//! `SIMULATION_SEEDS` gives another count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use futures::future::join_all;
use protocol::head::ValidHead;
use protocol::policy_document::PolicyDocument;
use protocol::receipt::Countersigned;
use protocol::replay::LATE_MS_MAX;
use protocol::scoring::{HOUR_MS, Scorer};
use protocol::signing::Keypair;
use protocol::standing::Standings;
use subnet_validator::heads::cut;
use subnet_validator::ledger::{AppendError, Ledger};
use tempfile::TempDir;

use crate::heads::{NOW_MS, facts, miners, rules};
use crate::support::{Call, Random, crash_image, miner_key, open_ledger, validator};

const TEMPOS: u64 = 3;
const STEPS: usize = 120;
/// Messages that arrive together at most.
const TOGETHER: u64 = 6;

/// A miner by its place, and the number of its call.
type Key = (usize, u64);

struct Simulation {
    random: Random,
    folder: TempDir,
    crashes: u64,
    ledger: Ledger,
    keys: [Keypair; 2],
    next: [u64; 2],
    /// Whether a miner is cut off.
    away: [bool; 2],
    now_ms: u64,
    /// On the way: each may arrive any time, in any order.
    network: Vec<(Key, Countersigned)>,
    /// All receipts ever signed for a call.
    signed: BTreeMap<Key, Vec<Countersigned>>,
    /// What the ledger acknowledged.
    told: BTreeMap<Key, Countersigned>,
    head: Option<ValidHead>,
    epoch_index: u64,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = open_ledger(&folder.path().join("0"));
        Self {
            random: Random(seed),
            folder,
            crashes: 0,
            ledger,
            keys: ["//Bob", "//Charlie"].map(miner_key),
            next: [0; 2],
            away: [false; 2],
            now_ms: NOW_MS - HOUR_MS,
            network: Vec::new(),
            signed: BTreeMap::new(),
            told: BTreeMap::new(),
            head: None,
            epoch_index: 0,
        }
    }

    fn place(&self) -> PathBuf {
        self.folder.path().join(self.crashes.to_string())
    }

    async fn step(&mut self) {
        self.now_ms += self.random.below(TEMPOS * HOUR_MS / STEPS as u64 * 2);
        match self.random.below(100) {
            0..50 => self.call(),
            50..85 => self.arrive().await,
            85..92 => {
                let miner = self.random.below(2) as usize;
                self.away[miner] = !self.away[miner];
            }
            _ => self.crash().await,
        }
        while self.now_ms >= facts(self.epoch_index + 1).timestamp_ms {
            self.tempo().await;
        }
    }

    /// A call is answered, and its receipt goes on its way, or is lost, or goes twice; now and then another one goes with it.
    fn call(&mut self) {
        let miner = self.random.below(2) as usize;
        let sequence = self.next[miner];
        self.next[miner] += 1;
        let call = |completion_tokens| Call {
            issued_at_ms: self.now_ms,
            completion_tokens,
            ..Call::new(&self.keys[miner], sequence)
        };
        let tokens = 1 + self.random.below(50) as u32;
        let mut receipts = vec![call(tokens).sign()];
        if self.random.below(100) < 8 {
            receipts.push(call(tokens + 1).sign());
        }
        let key = (miner, sequence);
        let copies = if self.random.below(100) < 15 { 0 } else { 1 + self.random.below(2) };
        for _ in 0..copies {
            self.network.extend(receipts.iter().map(|receipt| (key, receipt.clone())));
        }
        self.signed.insert(key, receipts);
    }

    /// Takes some messages off the network, in any order.
    fn some(&mut self) -> Vec<(Key, Countersigned)> {
        let mut taken = Vec::new();
        for _ in 0..1 + self.random.below(TOGETHER) {
            let there: Vec<usize> =
                (0..self.network.len()).filter(|at| !self.away[self.network[*at].0.0]).collect();
            if let Some(at) = there.get(self.random.below(there.len().max(1) as u64) as usize) {
                taken.push(self.network.swap_remove(*at));
            }
        }
        taken
    }

    async fn arrive(&mut self) {
        let taken = self.some();
        let ledger = self.ledger.clone();
        let appends = taken.into_iter().map(|(key, receipt)| {
            let ledger = ledger.clone();
            async move { (key, receipt.clone(), ledger.append(receipt).await) }
        });
        for (key, receipt, result) in join_all(appends).await {
            match result {
                Ok(_) => {
                    let before = self.told.insert(key, receipt.clone());
                    assert!(
                        before.is_none_or(|before| before == receipt),
                        "{key:?}: two answers for one call"
                    );
                }
                Err(AppendError::Conflict { .. }) => {
                    assert!(self.signed[&key].len() > 1, "{key:?}: a conflict with itself");
                }
                Err(AppendError::TooLate { late_ms }) => assert!(late_ms > LATE_MS_MAX),
                Err(other) => panic!("{key:?}: {other}"),
            }
        }
    }

    /// The process dies while receipts are being written; what was not acknowledged by then may be there or not.
    async fn crash(&mut self) {
        let taken = self.some();
        let dying = self.ledger.clone();
        let writes: Vec<_> = taken
            .iter()
            .map(|(_, receipt)| {
                let (ledger, receipt) = (dying.clone(), receipt.clone());
                tokio::spawn(async move { ledger.append(receipt).await })
            })
            .collect();
        tokio::task::yield_now().await;
        let from = self.place();
        self.crashes += 1;
        crash_image(&from, &self.place());
        self.ledger = open_ledger(&self.place());
        // Nobody heard of these; the miners send them again.
        join_all(writes).await;
        self.network.extend(taken);
        self.check();
    }

    /// Whatever was acknowledged is there, and nothing is there twice or was never signed.
    fn check(&self) -> BTreeMap<Key, Countersigned> {
        let reader = self.ledger.reader();
        let verified = reader.verify(|_| {}).unwrap();
        assert_eq!((verified.size, verified.root), (self.ledger.head().size, self.ledger.head().root));
        let mut held = BTreeMap::new();
        for stored in reader.from(0, usize::MAX).unwrap() {
            let ticket = stored.receipt.ticket();
            let miner = self.keys.iter().position(|key| key.public() == ticket.miner).unwrap();
            let key = (miner, ticket.sequence);
            assert!(self.signed[&key].contains(&stored.receipt), "{key:?}: never signed");
            assert!(held.insert(key, stored.receipt).is_none(), "{key:?}: there twice");
        }
        for (key, receipt) in &self.told {
            assert_eq!(held.get(key), Some(receipt), "{key:?}: acknowledged and lost");
        }
        held
    }

    /// A tempo ends: its head follows the one before, and its scores are those of what is held, each call once.
    async fn tempo(&mut self) {
        self.epoch_index += 1;
        let (rules, window_end_ms) = (rules(), facts(self.epoch_index).timestamp_ms);
        let record = cut(&self.ledger, &rules, &validator(), facts(self.epoch_index)).await.unwrap();
        let head = record.head.clone().verify().unwrap();
        assert_eq!(head.follows(self.head.as_ref()), Ok(()));
        assert_eq!(head.epoch_index, self.epoch_index);
        let held = self.check();
        assert_eq!(head.receipts(), held.len() as u64);

        let PolicyDocument { policy, .. } = rules.document();
        let mut scorer = Scorer::new(policy, rules.catalogue(), window_end_ms);
        held.values().rev().for_each(|receipt| scorer.add_once(receipt));
        assert_eq!(
            record.table,
            scorer.finish_by(&miners(), &Standings::default()),
            "scores of what is held"
        );
        self.head = Some(head);
    }
}

#[tokio::test]
async fn whatever_the_network_and_crashes_do_each_acknowledged_receipt_counts_once_and_tempos_go_on() {
    let seeds = std::env::var("SIMULATION_SEEDS").map_or(4, |text| text.parse().unwrap());
    let mut seen = BTreeSet::new();
    for seed in 1..=seeds {
        let mut simulation = Simulation::new(0x5eed_0000 + seed);
        for _ in 0..STEPS {
            simulation.step().await;
        }
        simulation.check();
        assert!(simulation.crashes > 0 && simulation.epoch_index > 0 && !simulation.told.is_empty());
        seen.insert(simulation.ledger.head().root);
    }
    assert_eq!(seen.len() as u64, seeds, "each seed is another story");
}

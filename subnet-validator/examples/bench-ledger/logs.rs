//! The logs of one validator: one for each of its gateways, under one head.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chain_client::BlockRef;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use protocol::digest::Digest;
use protocol::policy_document::PolicyDocument;
use protocol::receipt::Countersigned;
use protocol::replay::Rules;
use protocol::scoring::{Miner, Policy};
use subnet_validator::audit::export::export;
use subnet_validator::clock::Clock;
use subnet_validator::heads::{TempoFacts, cut};
use subnet_validator::ledger::{AppendError, Ledger, LedgerConfig, Owner};
use subnet_validator::shards::collect::{Collector, CollectorParts};
use subnet_validator::shards::door::{Door, DoorParts};
use subnet_validator::shards::papers::bring;
use subnet_validator::shards::{Peer, ShardsConfig};

use crate::cast::{Cast, Log, NETUID, NOW_MS};

/// Receipts signed ahead, outside of what is timed.
const PART: u64 = 8_192;
const SALT: [u8; 32] = [7; 32];
/// A door takes nothing that was signed before it opened: the head gateway asks again so often, and for so long.
const ASK_EACH: Duration = Duration::from_millis(100);
const ASK_FOR: Duration = Duration::from_secs(20);

pub struct Logs<'c> {
    cast: &'c Cast,
    place: PathBuf,
    ledgers: Vec<(Log, Ledger)>,
    rules: Arc<Rules>,
    doors: Vec<Door>,
}

impl<'c> Logs<'c> {
    /// So many empty logs, for so many calls together.
    pub fn open(cast: &'c Cast, shards: u8, receipts: u64, place: &Path) -> Result<Self, Box<dyn Error>> {
        let mut ledgers = Vec::new();
        for shard in 0..shards {
            let calls = receipts / u64::from(shards);
            let owner = Owner { shard, ..Owner::single(cast.validator.public(), NETUID) };
            let config = LedgerConfig::new(place.join(format!("ledger-{shard}")), owner);
            ledgers.push((Log { shard, calls }, Ledger::open(config)?));
        }
        let rules = Rules::new(PolicyDocument::new(NETUID, Policy::default(), &cast.catalogue))?;
        Ok(Self { cast, place: place.to_owned(), ledgers, rules: Arc::new(rules), doors: Vec::new() })
    }

    /// Appends all calls, at all ledgers at the same time; how long that took without signing them.
    pub async fn ingest(&self, in_flight: usize) -> Result<Duration, Box<dyn Error>> {
        let mut took = Duration::ZERO;
        let mut last = vec![vec![Digest::ZERO; self.cast.miners.len()]; self.ledgers.len()];
        let calls = self.ledgers.first().map_or(0, |(log, _)| log.calls);
        let part = PART / self.ledgers.len() as u64;
        let mut next = 0;
        while next < calls {
            let end = calls.min(next + part);
            let mut signed = Vec::new();
            for ((log, ledger), last) in self.ledgers.iter().zip(&mut last) {
                signed.push((ledger.clone(), self.cast.sign_all(*log, next..end, last)?));
            }
            let each = (in_flight / self.ledgers.len()).max(1);
            let started = Instant::now();
            let appending = signed.into_iter().map(|(ledger, calls)| append_all(ledger, calls, each));
            for appended in futures::future::join_all(appending).await {
                appended?;
            }
            took += started.elapsed();
            next = end;
        }
        Ok(took)
    }

    /// Cuts one head over all logs; the head gateway asks the others over their doors. How long that took.
    pub async fn head(&mut self) -> Result<Duration, Box<dyn Error>> {
        let (_, zero) = &self.ledgers[0];
        for (log, ledger) in &self.ledgers[1..] {
            let config =
                ShardsConfig { own: log.shard, bind: ([127, 0, 0, 1], 0).into(), ..ShardsConfig::default() };
            let parts = DoorParts {
                config,
                hotkey: self.cast.validator.clone(),
                rules: Arc::clone(&self.rules),
                ledger: ledger.clone(),
                payer_salt: SALT,
                bundles: self.place.join(format!("bundle-{}", log.shard)),
                leaves_max: u64::MAX,
                clock: Arc::new(Clock::new()),
            };
            self.doors.push(Door::bind(parts).await?);
        }
        let mut collector = Collector::new(CollectorParts {
            config: self.config(),
            hotkey: self.cast.validator.clone(),
            rules: Arc::clone(&self.rules),
            ledger: zero.clone(),
            payer_salt: SALT,
            clock: Arc::new(Clock::new()),
        });
        let begun = Instant::now();
        let mut started = Instant::now();
        // A question that comes too early is refused at once and costs nothing; only the one that is answered is timed.
        while !self.doors.is_empty() && !collector.collect(1, NOW_MS).await.is_empty() {
            if begun.elapsed() > ASK_FOR {
                return Err("a gateway did not answer".into());
            }
            tokio::time::sleep(ASK_EACH).await;
            started = Instant::now();
        }
        let miners =
            self.cast.miners.iter().map(|miner| Miner::new(miner.public(), miner.public())).collect();
        let facts = TempoFacts {
            epoch_index: 1,
            block: BlockRef { number: 1, hash: [1; 32] },
            timestamp_ms: NOW_MS,
            miners,
        };
        if self.doors.is_empty() {
            started = Instant::now();
        }
        cut(zero, &self.rules, &self.cast.validator, facts).await?;
        Ok(started.elapsed())
    }

    /// Writes the bundle of all logs; how long that took since the head.
    pub async fn export(&self) -> Result<(PathBuf, Duration), Box<dyn Error>> {
        let (_, zero) = &self.ledgers[0];
        let bundle = self.place.join("bundle");
        let record = zero.read(|reader| reader.latest_head()).await?.ok_or("there is no head")?;
        let started = Instant::now();
        bring(&self.config(), &record.head.head, &bundle).await?;
        let (signer, to) = (self.cast.validator.clone(), bundle.clone());
        zero.read(move |reader| Ok(export(reader, &signer, None, &to, |_, _| ()))).await??;
        Ok((bundle, started.elapsed()))
    }

    /// Where the ledgers lie.
    pub fn folders(&self) -> Vec<PathBuf> {
        self.ledgers.iter().map(|(log, _)| self.place.join(format!("ledger-{}", log.shard))).collect()
    }

    fn config(&self) -> ShardsConfig {
        let shards = self.ledgers.iter().skip(1).map(|(log, _)| log.shard);
        let peer = |(shard, door): (u8, &Door)| Peer { shard, url: format!("http://{}", door.address()) };
        let peers = shards.zip(&self.doors).map(peer).collect();
        ShardsConfig {
            peers,
            answer_timeout_ms: 600_000,
            papers_timeout_ms: 600_000,
            ..ShardsConfig::default()
        }
    }
}

async fn append_all(ledger: Ledger, calls: Vec<Countersigned>, in_flight: usize) -> Result<(), AppendError> {
    let mut under_way = FuturesUnordered::new();
    for call in calls {
        if under_way.len() == in_flight {
            under_way.next().await.transpose()?;
        }
        under_way.push(ledger.append(call));
    }
    while under_way.next().await.transpose()?.is_some() {}
    Ok(())
}

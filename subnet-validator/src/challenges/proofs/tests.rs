//! Miners that do not have what they say, played over HTTP.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Mutex;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use parity_scale_codec::Encode as _;
use protocol::catalogue::{Catalogue, Model};
use protocol::catalogue_document::{Modality, WeightFile};
use protocol::challenge::product::{Rows as ProductRows, row_hash};
use protocol::challenge::{
    Answer, Challenge, OpenedRow, Pieces, Product, ProductTask, Shown, SignedChallenge,
};
use protocol::digest::Digest;
use protocol::evidence::{MISSED_GAP_MS, ValidEvidence};
use protocol::inventory::HotModel;
use protocol::merkle;
use protocol::standing::{Standing, standings};
use protocol::weight_tree::{HashedWeights, PIECE_BYTES, WeightHasher};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::challenges::DeviceBand;
use crate::config::FleetConfig;
use crate::fleet::FleetParts;
use crate::fleet::axon::AxonAddress;
use crate::fleet::view::{KnownInventory, MinerEntry, View};
use crate::ledger::schema::Owner;
use crate::ledger::{Ledger, LedgerConfig};
use crate::metrics::Metrics;

const NOW_MS: u64 = 1_752_076_800_000;

/// What a miner does with a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Honest,
    /// A file of the same size, and a product of which every second row is guessed.
    Other,
    /// Says that it has nothing to show.
    Refuses,
    /// Its first answer again.
    Old,
    /// Its first answer, signed for the new challenge.
    OldSignedAnew,
    /// Answers when nobody waits any more.
    Late,
}

struct Played {
    way: Way,
    key: Keypair,
    first: Mutex<Option<Answer>>,
}

fn key(name: &str) -> Keypair {
    Keypair::from_dev_uri(name).unwrap()
}

fn file() -> Vec<u8> {
    (0..PIECE_BYTES * 6 + 100).map(|at| (at / 5 + at / 70_001) as u8).collect()
}

fn hashed(content: &[u8]) -> HashedWeights {
    let mut hasher = WeightHasher::new();
    hasher.update(content);
    hasher.finish()
}

fn product(task: &ProductTask, seed: &Digest, is_guessed: bool) -> Product {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    let row = |place: u32| {
        task.left(seed).line(place, &mut a);
        let sum = |column| {
            task.right(seed).line(column, &mut b);
            a.iter().zip(&b).map(|(a, b)| u32::from(*a) * u32::from(*b)).sum()
        };
        if is_guessed && place % 2 == 1 {
            vec![9; task.columns as usize]
        } else {
            (0..task.columns).map(sum).collect()
        }
    };
    let rows: Vec<Vec<u32>> = (0..task.rows).map(row).collect();
    let leaves: Vec<Digest> = rows.iter().map(|row| row_hash(row)).collect();
    let root = merkle::root(&leaves);
    let open = |place: u32| OpenedRow {
        values: rows[place as usize].clone(),
        path: merkle::inclusion_proof(&leaves, place as usize).unwrap(),
    };
    Product { root, rows: ProductRows(task.places(seed, &root).into_iter().map(open).collect()) }
}

impl Played {
    fn show(&self, challenge: &Challenge) -> Answer {
        let is_other = self.way == Way::Other;
        let shown = match &challenge.task {
            Task::Product(task) => Shown::Product(product(task, &challenge.seed, is_other)),
            Task::Weights(task) => {
                let mut content = file();
                if is_other {
                    content.iter_mut().for_each(|byte| *byte ^= 1);
                }
                let read = |start: u64, length: usize| {
                    let start = start as usize;
                    Ok::<_, ()>(content[start..start + length].to_vec())
                };
                let pieces = Pieces::show(task, &challenge.seed, &hashed(&content), read);
                Shown::Weights(pieces.unwrap())
            }
        };
        Answer { challenge: challenge.digest(), shown }
    }
}

async fn answer(State(played): State<Arc<Played>>, body: Bytes) -> Result<Vec<u8>, StatusCode> {
    let asked = SignedChallenge::from_bytes(&body).unwrap().challenge;
    let new = played.show(&asked);
    let first = played.first.lock().unwrap().get_or_insert_with(|| new.clone()).clone();
    let answer = match played.way {
        Way::Honest | Way::Other => new,
        Way::Refuses => return Err(StatusCode::NOT_FOUND),
        Way::Old => first,
        Way::OldSignedAnew => Answer { challenge: asked.digest(), ..first },
        Way::Late => return std::future::pending().await,
    };
    Ok(answer.sign(&played.key).encode())
}

/// One miner, and the validator's side that asks it.
struct Stage {
    proofs: Proofs,
    ledger: Ledger,
    server: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn with(way: Way) -> Self {
        let miner = key("//Bob");
        let played = Arc::new(Played { way, key: miner.clone(), first: Mutex::default() });
        let router = Router::new().route("/challenge", post(answer)).with_state(played);
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let axon = AxonAddress { socket: listener.local_addr().unwrap(), certificate: None };
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

        let folder = tempfile::tempdir().unwrap();
        let (hotkey, clock) = (key("//Alice"), Arc::new(Clock::new()));
        let owner = Owner::single(hotkey.public(), 64);
        let ledger = Ledger::open(LedgerConfig::new(folder.path().to_owned(), owner)).unwrap();
        let weights = hashed(&file());
        let model = Model {
            id: "m".parse().unwrap(),
            weights_digest: weights.sha256,
            prompt_multiplier: 1,
            completion_multiplier: 1,
            memory_bytes: 1,
        };
        let hot = HotModel {
            id: model.id.clone(),
            weights_digest: model.weights_digest,
            context_tokens: 1,
            slots: 1,
            in_flight: 0,
        };
        let inventory = KnownInventory {
            received_at_ms: u64::MAX,
            issued_at_ms: 0,
            hot_since_ms: [(model.id.clone(), 0)].into(),
            device: "cpu: Played, 2 threads".to_owned(),
            memory_bytes: 20_000,
            models: vec![hot],
        };
        let entry = MinerEntry { uid: 0, hotkey: miner.public(), axon, inventory: Some(inventory) };
        let parts = FleetParts {
            limits: FleetConfig::default(),
            netuid: 64,
            hotkey: hotkey.clone(),
            catalogue: Arc::new(Catalogue::new([model.clone()]).unwrap()),
            ledger: ledger.clone(),
            payer_salt: [0; 32],
            clock: Arc::clone(&clock),
            metrics: Arc::new(Metrics::default()),
        };
        let file = WeightFile {
            name: "m.gguf".to_owned(),
            bytes: weights.bytes,
            sha256: weights.sha256,
            sources: Vec::new(),
            root: Some(weights.root()),
        };
        let number = |value| NonZeroU32::new(value).unwrap();
        let band = DeviceBand {
            name: "CPU".to_owned(),
            memory_milli: 1_000,
            columns: number(50),
            inner: number(40),
            answer_ms_max: number(10_000),
        };
        let mut config = ChallengesConfig { devices: vec![band], ..ChallengesConfig::default() };
        if way == Way::Late {
            config.weight_answer_ms_max = number(40);
        }
        let proofs = Proofs {
            config,
            netuid: 64,
            fleet: Fleet::with_static_view(parts, View::new([entry])),
            docket: Arc::new(Docket::new(ledger.clone(), hotkey.clone(), Arc::clone(&clock))),
            hotkey,
            clock,
            metrics: Arc::default(),
            offers: vec![Offer { model, modality: Modality::Text, files: vec![file] }],
        };
        Self { proofs, ledger, server, _folder: folder }
    }

    /// Asks for weights this many times, far enough apart, and gives what was kept as evidence.
    async fn ask_for_weights(&self, times: u64) -> Vec<ValidEvidence> {
        let mut rows = Rows::default();
        for time in 0..times {
            let question = self.proofs.of_weights().pop().unwrap();
            self.proofs.put(question, NOW_MS + time * MISSED_GAP_MS, &mut rows).await;
        }
        self.evidence()
    }

    async fn ask_for_product(&self) -> Vec<ValidEvidence> {
        let question = self.proofs.of_products().pop().unwrap();
        self.proofs.put(question, NOW_MS, &mut Rows::default()).await;
        self.evidence()
    }

    /// How many challenges about weights came to what: sent, answered, missed, wrong, doubted.
    fn counted(&self) -> [u64; 5] {
        [Came::Sent, Came::Answered, Came::Missed, Came::Wrong, Came::Doubted]
            .map(|came| self.proofs.metrics.challenges(Asked::Weights, came))
    }

    fn evidence(&self) -> Vec<ValidEvidence> {
        self.ledger.reader().evidence(0..u64::MAX).unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn standing(found: &[ValidEvidence]) -> Standing {
    standings(found, 0..NOW_MS + 10 * MISSED_GAP_MS).of(&key("//Bob").public())
}

#[tokio::test]
async fn an_honest_miner_shows_weights_and_product_and_nothing_is_kept_against_it() {
    let stage = Stage::with(Way::Honest).await;
    assert_eq!(stage.ask_for_weights(4).await, []);
    assert_eq!(stage.ask_for_product().await, []);
    assert_eq!(stage.counted(), [4, 4, 0, 0, 0]);
    assert_eq!(stage.proofs.metrics.challenges(Asked::Product, Came::Answered), 1);
}

#[tokio::test]
async fn another_file_of_the_same_size_convicts_at_once() {
    let stage = Stage::with(Way::Other).await;
    let found = stage.ask_for_weights(1).await;
    assert_eq!((found.len(), standing(&found)), (1, Standing::Convicted));
    assert_eq!(stage.counted(), [1, 0, 0, 1, 0]);
}

#[tokio::test]
async fn a_product_of_which_half_is_guessed_convicts_at_once() {
    let stage = Stage::with(Way::Other).await;
    let found = stage.ask_for_product().await;
    assert_eq!((found.len(), standing(&found)), (1, Standing::Convicted));
}

#[tokio::test]
async fn an_old_answer_signed_anew_convicts_and_sent_again_is_no_answer() {
    let stage = Stage::with(Way::OldSignedAnew).await;
    assert_eq!(stage.ask_for_weights(1).await, []);
    assert_eq!(standing(&stage.ask_for_weights(2).await), Standing::Convicted);
    let stage = Stage::with(Way::Old).await;
    assert_eq!(stage.ask_for_weights(3).await, [], "the first was right, and two misses are no row");
    assert_eq!(standing(&stage.ask_for_weights(3).await), Standing::Doubted);
}

#[tokio::test]
async fn a_miner_without_the_file_and_one_that_is_late_are_doubted_after_a_row_and_never_convicted() {
    for way in [Way::Refuses, Way::Late] {
        let stage = Stage::with(way).await;
        assert_eq!(stage.ask_for_weights(2).await, [], "{way:?}: two are no row");
        let found = stage.ask_for_weights(3).await;
        assert_eq!((found.len(), standing(&found)), (1, Standing::Doubted), "{way:?}");
        assert_eq!(stage.counted(), [5, 0, 5, 0, 1], "{way:?}");
    }
}

#[tokio::test]
async fn who_says_that_it_serves_no_more_is_not_held_to_what_it_misses() {
    let mut stage = Stage::with(Way::Refuses).await;
    let question = stage.proofs.of_weights().pop().unwrap();
    stage.proofs.offers[0].model.weights_digest = Digest([1; 32]);
    assert_eq!(stage.proofs.of_weights(), []);
    let mut rows = Rows::default();
    for time in 0..4 {
        stage.proofs.put(question.clone(), NOW_MS + time * MISSED_GAP_MS, &mut rows).await;
    }
    assert_eq!(stage.evidence(), []);
}

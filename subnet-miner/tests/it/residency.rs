//! Models come and go while the miner serves: real ones, under one memory budget, by demand that the test makes up.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt;
use model_runtime::{Event, GenerateRequest, Prompt, Runtime, RuntimeConfig};
use protocol::account::AccountId;
use protocol::catalogue_document::{CatalogueDocument, Modality, Offer, WeightFile};
use protocol::demand::{DemandBook, ModelDemand};
use protocol::digest::Digest;
use protocol::signing::Keypair;
use protocol::ticket::ModelId;
use subnet_miner::demand::{Demand, Sources, ValidatorDemand};
use subnet_miner::models::Models;
use subnet_miner::permits::{PermitPolicy, Permits};
use subnet_miner::residency::{self, ResidencyParts, ResidencyStatus};
use subnet_miner::store::{ContentConfig, ContentStore};
use subnet_miner::strategist::{Knapsack, Mode, Policy, StrategistConfig};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::file_server::{Act, FileServer, offer};
use crate::fixture::{NETUID, now_ms};

const SMOL: &str = "SmolLM2-135M-Instruct";
const GEMMA: &str = "gemma-3-270m";
/// Holds either model and not both.
const ONE_MODEL: u64 = 400 << 20;

/// A running residency without axon or chain.
struct Fixture {
    models: Models,
    runtime: Runtime,
    demand: watch::Sender<Demand>,
    told: watch::Receiver<ResidencyStatus>,
    stop: CancellationToken,
    validator: AccountId,
    running: tokio::task::JoinHandle<()>,
    _server: FileServer,
    _folder: tempfile::TempDir,
}

impl Fixture {
    async fn start(memory_bytes: u64, offers: Vec<Offer>) -> Self {
        Self::start_with(memory_bytes, offers, vec![models_folder()]).await
    }

    /// With the files of the offers in these folders.
    async fn start_with(memory_bytes: u64, offers: Vec<Offer>, local_paths: Vec<PathBuf>) -> Self {
        let key = Keypair::from_dev_uri("//Alice").unwrap();
        let validator = key.public();
        let document = CatalogueDocument::new(NETUID, validator, now_ms(), offers).sign(&key);
        let server = FileServer::start(serde_json::to_vec(&document).unwrap(), vec![Act::Serve]).await;
        let gateway = server.url().replace("/model.gguf", "");
        let folder = tempfile::tempdir().unwrap();
        let store = ContentStore::open(ContentConfig {
            path: folder.path().join("weights"),
            local_paths,
            ..ContentConfig::default()
        })
        .unwrap();
        let runtime = Runtime::start(RuntimeConfig {
            context_tokens_max: 512,
            memory_bytes_max: Some(memory_bytes),
            ..RuntimeConfig::default()
        })
        .unwrap();
        let config = StrategistConfig {
            decide_ms: 50.try_into().unwrap(),
            policy: Policy { stay_ms_min: 0, ..Policy::default() },
            mode: Mode::On,
            ..StrategistConfig::default()
        };
        let (models, stop) = (Models::default(), CancellationToken::new());
        let (demand, asked) = watch::channel(Demand::default());
        let (_, sources) = watch::channel(Sources::from([(validator, gateway)]));
        let permits = Permits::with_stakes(PermitPolicy::default(), [(validator, 1_000)], now_ms());
        let (told, work) = residency::start(ResidencyParts {
            strategy: Box::new(Knapsack::new(config.policy.clone())),
            config,
            memory_bytes,
            netuid: NETUID,
            runtime: runtime.clone(),
            models: models.clone(),
            store,
            sources,
            demand: asked,
            permits: watch::channel(permits).1,
            announce: watch::channel(0).0,
            stop: stop.clone(),
        });
        let running = tokio::spawn(work);
        Self { models, runtime, demand, told, stop, validator, running, _server: server, _folder: folder }
    }

    /// Users ask for these models so many times in an hour.
    fn users_ask_for(&self, calls: &[(&str, u64)]) {
        let demand = calls.iter().map(|(model, calls)| {
            let demand = ModelDemand {
                window_ms: 3_600_000,
                calls: *calls,
                unserved: *calls,
                ..ModelDemand::default()
            };
            (id(model), demand)
        });
        let book = DemandBook { demand: demand.collect(), bounties: BTreeMap::new() };
        let heard = ValidatorDemand { book, connected: true, ..ValidatorDemand::default() };
        self.demand.send_replace(Demand { validators: [(self.validator, heard)].into() });
    }

    async fn until(&mut self, what: &str, reached: impl FnMut(&ResidencyStatus) -> bool) {
        let waited = tokio::time::timeout(Duration::from_secs(120), self.told.wait_for(reached)).await;
        waited.unwrap_or_else(|_| panic!("waited in vain: {what}")).unwrap();
    }

    async fn stop(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

fn id(model: &str) -> ModelId {
    model.parse().unwrap()
}

/// Where `scripts/get-model` puts models.
fn models_folder() -> PathBuf {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let user =
        || variable("XDG_CACHE_HOME").unwrap_or_else(|| variable("HOME").unwrap_or_default().join(".cache"));
    variable("SUBNET64_CACHE").unwrap_or_else(|| user().join("subnet64")).join("models")
}

/// An offer of a file that `scripts/get-model` has fetched.
fn fetched(model: &str, name: &str, sha256: &str) -> Offer {
    let bytes = std::fs::metadata(models_folder().join(name)).expect("run scripts/get-model").len();
    let sha256: Digest = format!("0x{sha256}").parse().unwrap();
    let file = WeightFile { name: name.to_owned(), bytes, sha256, sources: Vec::new(), root: None };
    let mut offer = offer(model, vec![file]);
    offer.model.memory_bytes = bytes + bytes / 4;
    offer
}

fn smol() -> Offer {
    let sha256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
    fetched(SMOL, "SmolLM2-135M-Instruct.Q4_1.gguf", sha256)
}

fn gemma() -> Offer {
    let sha256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818";
    fetched(GEMMA, "gemma-3-270m-q4_k_m.gguf", sha256)
}

/// An offer of a folder with a model of embeddings.
fn embedder(model: &str, folder: &Path) -> Offer {
    let names = ["config.json", "model.safetensors", "tokenizer.json", "sentence_bert_config.json"];
    let pooled = ["modules.json", "1_Pooling/config.json"].iter().filter(|name| folder.join(name).exists());
    let files = names.iter().chain(pooled).map(|name| {
        let content = std::fs::read(folder.join(name)).expect("run scripts/get-model all-minilm-l6-v2");
        crate::file_server::file(name, &content, &[])
    });
    let mut offer = offer(model, files.collect());
    let weights = offer.files.iter().find(|file| file.name == "model.safetensors").unwrap();
    offer.model.weights_digest = weights.sha256;
    offer.model.memory_bytes = weights.bytes * 5 / 4;
    offer.modality = Modality::Embedding;
    offer
}

async fn begin(models: &Models, model: &str, tokens: u32) -> model_runtime::Generation {
    let prompt = Prompt::Text("Once upon a time".to_owned());
    let request = GenerateRequest { ignore_end: true, ..GenerateRequest::greedy(prompt, tokens) };
    models.get(&id(model)).unwrap().handle().generate(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_model_stays_until_it_has_answered_and_then_makes_room_for_what_users_want() {
    let mut fixture = Fixture::start(ONE_MODEL, vec![smol(), gemma()]).await;
    fixture.users_ask_for(&[(SMOL, 100)]);
    fixture.until("the model that is asked for comes", |told| told.held.contains_key(&id(SMOL))).await;

    let mut story = begin(&fixture.models, SMOL, 200).await;
    fixture.users_ask_for(&[(SMOL, 1), (GEMMA, 1_000)]);
    let mut tokens = 0;
    while let Some(event) = story.next().await {
        match event {
            Event::Token { .. } => tokens += 1,
            Event::Finished(_) => break,
            Event::Failed(reason) => panic!("{reason}"),
        }
        assert!(!fixture.told.borrow().held.contains_key(&id(GEMMA)), "there is memory for one");
    }
    assert!(tokens >= 199);
    drop(story);
    fixture.until("the wanted model takes its place", |told| told.held.contains_key(&id(GEMMA))).await;
    assert!(fixture.models.get(&id(SMOL)).is_none());
    assert!(fixture.models.get(&id(GEMMA)).is_some());
    assert!(fixture.runtime.memory_bytes() <= ONE_MODEL);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_models_answer_at_once_under_one_budget_and_a_broken_third_disturbs_neither() {
    let broken_bytes = b"no model at all".repeat(10);
    let server = FileServer::start(broken_bytes.clone(), vec![Act::Serve]).await;
    let broken =
        offer("broken", vec![crate::file_server::file("broken.gguf", &broken_bytes, &[server.url()])]);
    let mut fixture = Fixture::start(2 * ONE_MODEL, vec![smol(), gemma(), broken]).await;
    fixture.users_ask_for(&[(SMOL, 100), (GEMMA, 100), ("broken", 1_000_000)]);
    fixture.until("both good models are ready", |told| told.held.len() == 2).await;
    fixture.until("the broken one is reported", |told| told.failures.contains_key(&id("broken"))).await;
    assert!(fixture.models.get(&id("broken")).is_none());

    let streams = [begin(&fixture.models, SMOL, 12).await, begin(&fixture.models, GEMMA, 12).await];
    let mut both = futures::stream::select_all(
        streams.map(|stream| stream.map(|event| matches!(event, Event::Finished(_)))),
    );
    let mut finished = 0;
    while let Some(is_end) = both.next().await {
        finished += u32::from(is_end);
    }
    assert_eq!(finished, 2);
    let told = fixture.told.borrow().clone();
    assert!(told.memory_bytes <= told.memory_bytes_max);
    assert!(told.failures[&id("broken")].contains("could not be loaded"), "{told:?}");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_of_embeddings_is_offered_only_when_its_vectors_mean_something() {
    let minilm = models_folder().join("all-MiniLM-L6-v2");
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model-runtime/tests/vectors/embeddings/tiny");
    // An encoder whose weights are all zero: every text is the same to it.
    let blank = tempfile::tempdir().unwrap();
    for name in ["config.json", "tokenizer.json", "sentence_bert_config.json"] {
        std::fs::copy(tiny.join(name), blank.path().join(name)).unwrap();
    }
    let mut weights = std::fs::read(tiny.join("model.safetensors")).unwrap();
    // Its form: eight bytes with the length of the description, the description, and the numbers.
    let head = 8 + usize::try_from(u64::from_le_bytes(weights[..8].try_into().unwrap())).unwrap();
    weights[head..].fill(0);
    std::fs::write(blank.path().join("model.safetensors"), weights).unwrap();
    // Text where vectors are offered.
    let mut text = smol();
    (text.model.id, text.modality) = (id("text"), Modality::Embedding);

    let offers = vec![embedder("minilm", &minilm), embedder("blank", blank.path()), text];
    let folders = vec![models_folder(), minilm, blank.path().to_owned()];
    let mut fixture = Fixture::start_with(3 * ONE_MODEL, offers, folders).await;
    fixture.users_ask_for(&[("minilm", 100), ("blank", 100), ("text", 100)]);
    fixture.until("the right one is ready", |told| told.held.contains_key(&id("minilm"))).await;
    fixture.until("the others are reported", |told| told.failures.len() == 2).await;
    let told = fixture.told.borrow().clone();
    assert_eq!(told.held.len(), 1, "{told:?}");
    assert!(told.failures[&id("blank")].contains("its vectors are wrong"), "{told:?}");
    assert!(told.failures[&id("text")].contains("it took no request"), "{told:?}");
    let vectors = fixture.models.get(&id("minilm")).unwrap().handle().embed(vec!["a".to_owned()]).await;
    assert_eq!(vectors.unwrap()[0].vector.len(), 384);
    assert!(fixture.models.get(&id("blank")).is_none());
    fixture.stop().await;
}

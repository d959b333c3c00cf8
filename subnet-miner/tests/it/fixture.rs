//! A running axon, and a validator that calls it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model_runtime::{Runtime, RuntimeConfig};
use protocol::account::AccountId;
use protocol::btauth::{self, RequestParts};
use protocol::digest::Digest;
use protocol::openai::Endpoint;
use protocol::signing::Keypair;
use protocol::ticket::{self, Kind, ModelId, SignedTicket, Ticket};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use subnet_miner::axon::{Axon, AxonBindError, AxonConfig, AxonParts, Limits};
use subnet_miner::device::Device;
use subnet_miner::models::{ModelLocation, Models};
use subnet_miner::permits::{PermitPolicy, Permits};
use subnet_miner::receipts::{ReceiptReader, ReceiptStore, StoreConfig, StoredReceipt};
use tokio::sync::watch;

pub const NETUID: u16 = 64;
pub const MODEL: &str = "echo";
pub const CHAT: &str = "/v1/chat/completions";

/// An axon, its store's folder, and one permitted validator.
pub struct Fixture {
    pub miner: Keypair,
    pub validator: Keypair,
    pub permits: watch::Sender<Permits>,
    pub folder: tempfile::TempDir,
    pub client: reqwest::Client,
    running: Option<(Axon, ReceiptStore)>,
    address: SocketAddr,
    limits: Limits,
    models: Models,
    sequence: AtomicU64,
    nonce_ns: AtomicU64,
}

impl Fixture {
    pub async fn start() -> Self {
        Self::with(Limits::default()).await
    }

    pub async fn with(limits: Limits) -> Self {
        Self::serving([(MODEL.parse().unwrap(), ModelLocation::Echo)].into(), limits).await
    }

    /// An axon with other models than the echo.
    pub async fn serving(locations: BTreeMap<ModelId, ModelLocation>, limits: Limits) -> Self {
        // The first test of the process wins; all install the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let miner = Keypair::from_dev_uri("//Bob").unwrap();
        let validator = Keypair::from_dev_uri("//Alice").unwrap();
        let (permits, _) =
            watch::channel(Permits::of(PermitPolicy::default(), [validator.public()], now_ms()));
        let config = RuntimeConfig { context_tokens_max: 65_536, ..RuntimeConfig::default() };
        let runtime = Runtime::start(config).unwrap();
        let mut fixture = Self {
            miner,
            validator,
            permits,
            folder: tempfile::tempdir().unwrap(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            running: None,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            limits,
            models: Models::load(&runtime, &locations).await.unwrap(),
            sequence: AtomicU64::new(1),
            nonce_ns: AtomicU64::new(0),
        };
        fixture.open().await;
        fixture
    }

    async fn open(&mut self) {
        let receipts =
            ReceiptStore::open(self.folder.path(), &StoreConfig::default(), self.miner.clone()).unwrap();
        let axon = self.bind(self.limits.clone(), receipts.clone()).await.unwrap();
        self.address = axon.address();
        self.running = Some((axon, receipts));
    }

    async fn bind(&self, limits: Limits, receipts: ReceiptStore) -> Result<Axon, AxonBindError> {
        let config =
            AxonConfig { bind: SocketAddr::from(([127, 0, 0, 1], 0)), limits, ..AxonConfig::default() };
        let parts = AxonParts {
            netuid: NETUID,
            hotkey: self.miner.clone(),
            models: self.models.clone(),
            device: Device { name: "test".to_owned(), memory_bytes: 1 },
            permits: self.permits.subscribe(),
            receipts,
        };
        Axon::bind(config, parts).await
    }

    /// Why a second axon with these limits does not start.
    pub async fn bind_error(&self, limits: Limits) -> AxonBindError {
        let (_, receipts) = self.running.as_ref().unwrap();
        self.bind(limits, receipts.clone()).await.unwrap_err()
    }

    /// Stops axon and store as an operator does, and starts them again on the same folder.
    pub async fn restart(&mut self) {
        let (axon, receipts) = self.running.take().unwrap();
        axon.shutdown().await;
        receipts.close().await;
        self.open().await;
    }

    /// Drops the axon in the middle of whatever it does, and starts again on the same folder.
    pub async fn crash(&mut self) {
        let (axon, receipts) = self.running.take().unwrap();
        drop(axon);
        receipts.close().await;
        self.open().await;
    }

    /// Everything in the receipt store, which is closed for it and opened again.
    pub async fn stored(&mut self) -> Vec<StoredReceipt> {
        let (axon, receipts) = self.running.take().unwrap();
        axon.shutdown().await;
        receipts.close().await;
        let stored = ReceiptReader::open(self.folder.path()).unwrap().newest(None, u64::MAX).unwrap();
        self.open().await;
        stored
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A ticket for `body` with the next sequence number.
    pub fn ticket(&self, body: &[u8]) -> Ticket {
        Ticket {
            netuid: NETUID,
            validator: self.validator.public(),
            miner: self.miner.public(),
            model: ModelId::try_from(MODEL).unwrap(),
            weights_digest: Digest::of(b""),
            request_sha256: Digest::of(body),
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed),
            issued_at_ms: now_ms(),
            deadline_ms: now_ms() + 60_000,
            prompt_tokens_max: 65_536,
            completion_tokens_max: 65_536,
            payer: Digest::ZERO,
            kind: Kind::Chat,
        }
    }

    /// A request of any endpoint and model that lacks nothing.
    pub fn ask(&self, endpoint: Endpoint, body: &Value) -> RequestBuilder {
        let model: ModelId = body["model"].as_str().unwrap().parse().unwrap();
        let weights_digest = self.models.get(&model).map_or(Digest::ZERO, |model| model.weights_digest());
        let body = serde_json::to_vec(body).unwrap();
        let ticket = Ticket { kind: endpoint.kind(), model, weights_digest, ..self.ticket(&body) };
        self.ask_with(endpoint, &body, &ticket.sign(&self.validator))
    }

    /// The same with a ticket of choice.
    pub fn ask_with(&self, endpoint: Endpoint, body: &[u8], ticket: &SignedTicket) -> RequestBuilder {
        let target = endpoint.path();
        let headers = sign(&self.validator, target, body, &self.miner.public(), self.nonce_ns());
        let request = self.client.post(self.url(target)).body(body.to_vec());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        request.header(ticket::HEADER, ticket.to_header())
    }

    pub fn signed_ticket(&self, body: &[u8]) -> SignedTicket {
        self.ticket(body).sign(&self.validator)
    }

    /// The headers of a request that the validator signs now.
    pub fn auth(&self, body: &[u8]) -> Vec<(String, String)> {
        self.auth_at(body, self.nonce_ns())
    }

    pub fn auth_at(&self, body: &[u8], nonce_ns: u64) -> Vec<(String, String)> {
        sign(&self.validator, CHAT, body, &self.miner.public(), nonce_ns)
    }

    /// A nonce of now that was not used before.
    pub fn nonce_ns(&self) -> u64 {
        let now = now_ns();
        self.nonce_ns.fetch_max(now, Ordering::Relaxed);
        self.nonce_ns.fetch_add(1, Ordering::Relaxed)
    }

    pub fn post(&self, body: &[u8], headers: &[(String, String)]) -> RequestBuilder {
        let request = self.client.post(self.url(CHAT)).body(body.to_vec());
        headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    /// A request that lacks nothing.
    pub fn chat(&self, body: &[u8]) -> RequestBuilder {
        self.chat_with(body, &self.signed_ticket(body))
    }

    /// The same with a ticket of choice.
    pub fn chat_with(&self, body: &[u8], ticket: &SignedTicket) -> RequestBuilder {
        self.post(body, &self.auth(body)).header(ticket::HEADER, ticket.to_header())
    }
}

/// The btauth headers of a request that `sender` signs.
pub fn sign(
    sender: &Keypair,
    target: &str,
    body: &[u8],
    receiver: &AccountId,
    nonce_ns: u64,
) -> Vec<(String, String)> {
    let parts = RequestParts { method: "POST", target, body_sha256: Digest::of(body) };
    btauth::sign(sender, &parts, receiver, nonce_ns).map(|(name, value)| (name.to_owned(), value)).into()
}

/// A chat request's body.
pub fn chat_body(text: &str, more: Value) -> Vec<u8> {
    let mut body = json!({ "model": MODEL, "messages": [{ "role": "user", "content": text }] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::to_vec(&body).unwrap()
}

/// The status and the error code of an answer that is an OpenAI error object.
pub async fn refusal(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    assert!(response.headers().contains_key("x-request-id"));
    let error = response.json::<Value>().await.unwrap()["error"].clone();
    assert!(!error["message"].as_str().unwrap().is_empty());
    assert!(error["type"].is_string());
    (status, error["code"].as_str().unwrap().to_owned())
}

pub fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap()
}

pub fn now_ms() -> u64 {
    now_ns() / 1_000_000
}

/// Fails the test instead of hanging it.
pub async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it takes far less than 20 seconds")
}

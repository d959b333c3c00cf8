//! What the tests share: keys, receipts, a miner that can misbehave, and a validator's serving side around it.

// Named by path, because another test binary includes this file too.
#[path = "support/miner.rs"]
pub mod miner;
#[path = "support/stand.rs"]
pub mod stand;
#[path = "support/tls.rs"]
pub mod tls;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use protocol::catalogue::{Catalogue, Model};
use protocol::digest::Digest;
use protocol::receipt::{Countersigned, FinishReason, MinerSigned, Observation, Outcome, Receipt};
use protocol::signing::Keypair;
use protocol::ticket::{Kind, Ticket};
use subnet_validator::ledger::{Ledger, LedgerConfig, Owner};

pub const NETUID: u16 = 64;

/// Derived once: that costs as much as signing a hundred receipts.
pub fn validator() -> Keypair {
    static KEY: LazyLock<Keypair> = LazyLock::new(|| Keypair::from_dev_uri("//Alice").unwrap());
    KEY.clone()
}

pub fn miner_key(name: &str) -> Keypair {
    Keypair::from_dev_uri(name).unwrap()
}

pub fn owner() -> Owner {
    Owner::single(validator().public(), NETUID)
}

pub fn weights_digest() -> Digest {
    Digest::of(b"echo")
}

pub fn catalogue() -> Catalogue {
    // The tests' miners hold the first one; nobody holds the second.
    let models = ["echo", "spare"].map(|id| Model {
        id: id.parse().unwrap(),
        weights_digest: weights_digest(),
        prompt_multiplier: 250,
        completion_multiplier: 1_000,
        memory_bytes: 1 << 20,
    });
    Catalogue::new(models).unwrap()
}

/// Marsaglia's xorshift: the same numbers in every run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// One call whose every detail is fixed, so that its bytes are too.
pub struct Call {
    pub miner: Keypair,
    pub sequence: u64,
    pub issued_at_ms: u64,
    pub completion_tokens: u32,
    pub outcome: Outcome,
    pub kind: Kind,
}

impl Call {
    pub fn new(miner: &Keypair, sequence: u64) -> Self {
        Self {
            miner: miner.clone(),
            sequence,
            issued_at_ms: 1_000_000 + sequence,
            completion_tokens: 3,
            outcome: Outcome::Delivered,
            kind: Kind::Chat,
        }
    }

    pub fn sign(&self) -> Countersigned {
        let ticket = Ticket {
            netuid: NETUID,
            validator: validator().public(),
            miner: self.miner.public(),
            model: "echo".parse().unwrap(),
            weights_digest: weights_digest(),
            request_sha256: Digest::of(b"request"),
            sequence: self.sequence,
            issued_at_ms: self.issued_at_ms,
            deadline_ms: self.issued_at_ms + 1_000,
            prompt_tokens_max: 100,
            completion_tokens_max: 100,
            payer: Digest::ZERO,
            kind: self.kind,
        };
        let receipt = Receipt {
            ticket_hash: ticket.hash(),
            output_sha256: Digest::of(b"output"),
            prompt_tokens: 5,
            completion_tokens: self.completion_tokens,
            first_token_ms: 1,
            total_ms: 2,
            finish_reason: FinishReason::Stop,
            fingerprint: None,
            previous: Digest::ZERO,
        };
        let observation = Observation {
            first_byte_ms: 1,
            last_byte_ms: 2,
            tokens_delivered: self.completion_tokens,
            output_sha256: Digest::of(b"output"),
            outcome: self.outcome,
        };
        let ticket = ticket.sign(&validator()).verify().unwrap();
        MinerSigned::check(ticket, receipt.sign(&self.miner))
            .unwrap()
            .countersign(observation, &validator())
            .unwrap()
    }
}

pub fn receipt(miner: &Keypair, sequence: u64) -> Countersigned {
    Call::new(miner, sequence).sign()
}

pub fn open_ledger(path: &Path) -> Ledger {
    Ledger::open(LedgerConfig::new(path.to_owned(), owner())).unwrap()
}

/// Copies the folder of a running ledger: what a crash at this moment would leave. Answers the copy of its newest log.
pub fn crash_image(from: &Path, to: &Path) -> PathBuf {
    loop {
        match copy_folder(from, to) {
            Ok(log) => return log.expect("RocksDB has a write-ahead log"),
            // A database that was just opened removes what it needs no more: begin anew.
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::remove_dir_all(to).unwrap(),
            Err(error) => panic!("{}: {error}", from.display()),
        }
    }
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<Option<PathBuf>> {
    fs::create_dir_all(to)?;
    let mut log = None;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let copy = to.join(entry.file_name());
        fs::copy(entry.path(), &copy)?;
        if copy.extension().is_some_and(|extension| extension == "log") {
            log = Some(copy);
        }
    }
    Ok(log)
}

/// An HTTP request to one of the servers under test.
pub struct Ask {
    request: Request<Full<Bytes>>,
}

impl Ask {
    pub fn new(method: &str, address: SocketAddr, target: &str) -> Self {
        let request = Request::builder().method(method).uri(format!("http://{address}{target}"));
        Self { request: request.body(Full::default()).unwrap() }
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request.headers_mut().insert(name, value.parse().unwrap());
        self
    }

    pub fn key(self, secret: &str) -> Self {
        self.header("authorization", &format!("Bearer {secret}"))
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        *self.request.body_mut() = Full::new(body.into());
        self.header("content-type", "application/json")
    }

    pub async fn open(self) -> Response<Incoming> {
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        client.request(self.request).await.unwrap()
    }

    pub async fn send(self) -> Reply {
        let response = self.open().await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply { status: head.status, headers: head.headers, body }
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    /// `error.code` of an OpenAI error object, after checking the object's shape.
    pub fn error_code(&self) -> String {
        let json = self.json();
        let error = json["error"].as_object().unwrap();
        assert!(error["message"].is_string() && error["type"].is_string());
        assert!(error.contains_key("param") && error.contains_key("code"));
        error["code"].as_str().unwrap_or_default().to_owned()
    }
}

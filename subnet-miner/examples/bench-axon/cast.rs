//! Who takes part, and what they send.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use http::request::Parts;
use protocol::account::AccountId;
use protocol::btauth::{self, RequestParts};
use protocol::digest::Digest;
use protocol::openai::Endpoint;
use protocol::signing::Keypair;
use protocol::ticket::{self, Kind, Ticket, first_sequence};
use serde_json::json;

pub const NETUID: u16 = 64;
/// The model that the axon holds.
pub const MODEL: &str = "echo";
/// One that it does not hold: such a request is admitted whole and then refused.
const ABSENT: &str = "absent/model";
/// Of the validator that asks.
const GATEWAYS: u64 = 16;
/// How long requests are good for that were signed before the clock is started, in seconds.
pub const SIGNED_AHEAD_S: u64 = 240;

pub struct Cast {
    pub miner: Keypair,
    pub validator: Keypair,
    sequence: AtomicU64,
    nonce_ns: AtomicU64,
}

/// A request, for the wire or for admission alone.
#[derive(Clone)]
pub struct Asked {
    sequence: u64,
    pub endpoint: Endpoint,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// Makes one request after the other.
pub type Make = fn(&Cast) -> Asked;

impl Cast {
    pub fn new() -> Self {
        Self {
            miner: Keypair::from_dev_uri("//Bob").unwrap(),
            validator: Keypair::from_dev_uri("//Alice").unwrap(),
            sequence: AtomicU64::new(1),
            nonce_ns: AtomicU64::new(0),
        }
    }

    /// A chat request for a model that the axon does not hold.
    pub fn chat(&self) -> Asked {
        let text =
            "What a validator sends: a few sentences of a user, some two hundred bytes of them, in JSON.";
        let body =
            json!({ "model": ABSENT, "messages": [{ "role": "user", "content": text }], "max_tokens": 64 });
        self.ask(Endpoint::Chat, ABSENT, serde_json::to_vec(&body).unwrap())
    }

    /// One in the validator's name, with a signature that another key made.
    pub fn forged(&self) -> Asked {
        let mut asked = self.chat();
        let eve = Keypair::from_dev_uri("//Eve").unwrap();
        let by_eve = self.sign(&eve, asked.endpoint, &asked.body, now_ns());
        for (name, value) in by_eve.into_iter().filter(|(name, _)| *name == btauth::SIGNATURE) {
            asked
                .headers
                .iter_mut()
                .filter(|field| field.0 == name)
                .for_each(|field| field.1.clone_from(&value));
        }
        asked
    }

    /// A request that the axon answers, from a model that computes nothing, with a receipt on disk.
    pub fn answered(&self) -> Asked {
        let body = json!({ "model": MODEL, "messages": [{ "role": "user", "content": "word" }] });
        self.ask(Endpoint::Chat, MODEL, serde_json::to_vec(&body).unwrap())
    }

    fn ask(&self, endpoint: Endpoint, model: &str, body: Vec<u8>) -> Asked {
        let mut headers = self.sign(&self.validator, endpoint, &body, self.nonce_ns());
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        // Numbered as by 16 gateways: an axon remembers 1,024 numbers of each, and a request may wait for the disk while others pass.
        let number = first_sequence((sequence % GATEWAYS) as u8) + sequence / GATEWAYS;
        headers.push((ticket::HEADER, self.ticket(number, endpoint.kind(), model, &body)));
        Asked { sequence, endpoint, headers, body }
    }

    pub fn sign(
        &self,
        sender: &Keypair,
        endpoint: Endpoint,
        body: &[u8],
        nonce_ns: u64,
    ) -> Vec<(&'static str, String)> {
        let parts = RequestParts { method: "POST", target: endpoint.path(), body_sha256: Digest::of(body) };
        btauth::sign(sender, &parts, &self.receiver(), nonce_ns).to_vec()
    }

    fn ticket(&self, sequence: u64, kind: Kind, model: &str, body: &[u8]) -> String {
        let issued_at_ms = now_ns() / 1_000_000;
        let ticket = Ticket {
            netuid: NETUID,
            validator: self.validator.public(),
            miner: self.miner.public(),
            model: model.parse().unwrap(),
            weights_digest: Digest::of(b""),
            request_sha256: Digest::of(body),
            sequence,
            issued_at_ms,
            deadline_ms: issued_at_ms + SIGNED_AHEAD_S * 1_000,
            prompt_tokens_max: 4_096,
            completion_tokens_max: 4_096,
            payer: Digest::ZERO,
            kind,
        };
        ticket.sign(&self.validator).to_header()
    }

    fn receiver(&self) -> AccountId {
        self.miner.public()
    }

    /// A nonce of now that was not used before.
    pub fn nonce_ns(&self) -> u64 {
        self.nonce_ns.fetch_max(now_ns(), Ordering::Relaxed);
        self.nonce_ns.fetch_add(1, Ordering::Relaxed)
    }

    /// So many requests, signed on all cores and in the order of their numbers.
    pub fn sign_all(&self, count: usize, make: Make) -> Vec<Asked> {
        let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
        let share = count.div_ceil(threads);
        let one = || (0..share).map(|_| make(self)).collect::<Vec<_>>();
        let mut asked: Vec<Asked> = std::thread::scope(|scope| {
            let shares: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
            shares.into_iter().flat_map(|share| share.join().unwrap()).collect()
        });
        // The axon remembers a window of numbers, so they must come nearly in order.
        asked.sort_by_key(|asked| asked.sequence);
        asked.truncate(count);
        asked
    }
}

impl Asked {
    /// As the wire has it.
    pub fn bytes(&self) -> Vec<u8> {
        let head: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let (path, length) = (self.endpoint.path(), self.body.len());
        let line = format!("POST {path} HTTP/1.1\r\nhost: axon\r\ncontent-type: application/json\r\n");
        [line.as_bytes(), head.as_bytes(), format!("content-length: {length}\r\n\r\n").as_bytes(), &self.body]
            .concat()
    }

    /// As admission gets it.
    pub fn parts(&self) -> Parts {
        let mut request = http::Request::post(self.endpoint.path());
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body(()).unwrap().into_parts().0
    }
}

pub fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap()
}

//! The exchange between two gateways of one validator, over the wire.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use protocol::account::AccountId;
use protocol::btauth::{self, RequestParts};
use protocol::digest::Digest;
use protocol::signing::Keypair;
use protocol::ticket::first_sequence;
use subnet_validator::audit::export::export;
use subnet_validator::audit::review::review;
use subnet_validator::clock::Clock;
use subnet_validator::ledger::{Ledger, LedgerConfig, Owner};
use subnet_validator::shards::collect::{Collector, CollectorParts};
use subnet_validator::shards::door::{Door, DoorParts};
use subnet_validator::shards::papers::bring;
use subnet_validator::shards::{Ask as Question, Peer, SIGNATURE, ShardsConfig, TARGET, salt_hash};

use crate::heads::{facts, head, rules, serve};
use crate::support::{Ask, Call, miner_key, open_ledger, owner, validator};

pub const SALT: [u8; 32] = [7; 32];

pub fn open_one(path: &Path) -> Ledger {
    Ledger::open(LedgerConfig::new(path.to_owned(), Owner { shard: 1, ..owner() })).unwrap()
}

async fn serve_one(ledger: &Ledger, epoch_index: u64, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let issued_at_ms = facts(epoch_index).timestamp_ms - 1_000 + number;
        let call = Call { issued_at_ms, ..Call::new(&miner_key("//Charlie"), first_sequence(1) + number) };
        ledger.append(call.sign()).await.unwrap();
    }
}

pub async fn door(ledger: &Ledger, bundles: &Path) -> Door {
    let parts = DoorParts {
        config: ShardsConfig { own: 1, bind: ([127, 0, 0, 1], 0).into(), ..ShardsConfig::default() },
        hotkey: validator(),
        rules: rules(),
        ledger: ledger.clone(),
        payer_salt: SALT,
        bundles: bundles.to_owned(),
        leaves_max: 1_000,
        clock: Arc::new(Clock::new()),
    };
    Door::bind(parts).await.unwrap()
}

pub fn config(door: &Door) -> ShardsConfig {
    let peers = vec![Peer { shard: 1, url: format!("http://{}", door.address()) }];
    ShardsConfig { peers, answer_timeout_ms: 10_000, papers_timeout_ms: 10_000, ..ShardsConfig::default() }
}

pub fn collector(ledger: &Ledger, config: ShardsConfig, payer_salt: [u8; 32]) -> Collector {
    let clock = Arc::new(Clock::new());
    let (ledger, hotkey) = (ledger.clone(), validator());
    Collector::new(CollectorParts { config, hotkey, rules: rules(), ledger, payer_salt, clock })
}

/// A door takes nothing that was signed before it opened, so the first requests may come too early.
pub async fn collected(collector: &mut Collector, epoch_index: u64) {
    let mut again = tokio::time::interval(Duration::from_millis(100));
    let asking = async {
        while !collector.collect(epoch_index, facts(epoch_index).timestamp_ms).await.is_empty() {
            again.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking).await.expect("the gateway answers");
}

#[tokio::test]
async fn a_head_gateway_collects_heads_sums_and_parts_and_auditors_agree() {
    let root = tempfile::tempdir().unwrap();
    let (zero, one) = (open_ledger(&root.path().join("zero")), open_one(&root.path().join("one")));
    let (bundles, of_one) = (root.path().join("bundles"), root.path().join("bundles-of-one"));
    let opened = door(&one, &of_one).await;
    let config = config(&opened);
    let mut collector = collector(&zero, config.clone(), SALT);
    for epoch_index in [1, 2] {
        serve(&zero, "//Bob", epoch_index, 10 * epoch_index..10 * epoch_index + 2).await;
        serve_one(&one, epoch_index, 10 * epoch_index..10 * epoch_index + 3).await;
        collected(&mut collector, epoch_index).await;
        let record = head(&zero, epoch_index).await;
        bring(&config, &record.head.head, &bundles).await.unwrap();
        let to = bundles.clone();
        let written = zero.read(move |reader| Ok(export(reader, &validator(), None, &to, |_, _| ()))).await;
        written.unwrap().unwrap();
        let reviewed = review(&bundles, Some(&validator().public()), |_, _| ()).unwrap();
        assert_eq!(reviewed.replayed.leaves, 5 * epoch_index);
        let counted: Vec<_> = reviewed.replayed.table.rows.iter().map(|row| row.invocations).collect();
        assert_eq!(counted.iter().sum::<u64>(), 5 * epoch_index);
        assert_eq!(reviewed.replayed.table, record.table);
    }
    // Asked again it says the same, and once it is gone the shard is missing.
    assert_eq!(collector.collect(2, facts(2).timestamp_ms).await, Vec::<u8>::new());
    drop(opened);
    assert_eq!(collector.collect(3, facts(3).timestamp_ms).await, [1]);
    serve(&zero, "//Bob", 3, 40..41).await;
    let away = head(&zero, 3).await.head.head;
    assert_eq!(away.shard(1).map(|named| (named.epoch_index, named.log.tree_size)), Some((2, 6)));
    // What the bundle needs of it is there from before.
    bring(&config, &away, &bundles).await.unwrap();
}

#[tokio::test]
async fn a_gateway_that_names_payers_otherwise_is_not_counted() {
    let root = tempfile::tempdir().unwrap();
    let (zero, one) = (open_ledger(&root.path().join("zero")), open_one(&root.path().join("one")));
    let opened = door(&one, &root.path().join("bundles")).await;
    serve_one(&one, 1, 0..1).await;
    collected(&mut collector(&zero, config(&opened), SALT), 1).await;
    let mut other = collector(&zero, config(&opened), [8; 32]);
    assert_eq!(other.collect(1, facts(1).timestamp_ms).await, [1]);
}

/// What the head gateway asks shard 1 at the end of the first tempo, as it is sent.
fn question() -> Vec<u8> {
    let ask = Question {
        shard: 1,
        epoch_index: 1,
        window_end_ms: facts(1).timestamp_ms,
        policy: rules().document().hash(),
        payer_salt: salt_hash(&SALT),
    };
    serde_json::to_vec(&ask).unwrap()
}

async fn knock(opened: &Door, signer: Option<&Keypair>, receiver: &AccountId) -> StatusCode {
    let body = question();
    let parts = RequestParts { method: "POST", target: TARGET, body_sha256: Digest::of(&body) };
    let mut request = Ask::new("POST", opened.address(), TARGET);
    if let Some(signer) = signer {
        for (name, value) in btauth::sign(signer, &parts, receiver, Clock::new().nonce_ns()) {
            request = request.header(name, &value);
        }
    }
    request.body(body).send().await.status
}

#[tokio::test]
async fn nobody_but_the_validators_own_hotkey_is_answered() {
    let root = tempfile::tempdir().unwrap();
    let one = open_one(&root.path().join("one"));
    let opened = door(&one, &root.path().join("bundles")).await;
    let (alice, eve) = (validator(), miner_key("//Eve"));
    assert_eq!(knock(&opened, None, &alice.public()).await, StatusCode::UNAUTHORIZED);
    assert_eq!(knock(&opened, Some(&eve), &alice.public()).await, StatusCode::FORBIDDEN);
    assert_eq!(
        knock(&opened, Some(&alice), &eve.public()).await,
        StatusCode::UNAUTHORIZED,
        "meant for another"
    );
    assert!(one.reader().latest_shard_head().unwrap().is_none(), "nobody has made it sign");
}

/// Somebody on the wire between two gateways, who hands on what the door says, or something else.
#[derive(Clone, Default)]
struct Wire {
    spoil: Arc<Mutex<Spoil>>,
    /// The first answer that went by.
    first: Arc<Mutex<Option<(String, Bytes)>>>,
}

#[derive(Clone, Copy, Default)]
enum Spoil {
    #[default]
    Nothing,
    /// The answer's byte at this place, counted from the end.
    Byte(usize),
    /// The answer's signature is left out.
    Signature,
    /// The first answer again.
    Replay,
}

impl Wire {
    /// Listens, and hands on to the door at this address.
    async fn tap(&self, door: SocketAddr) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let wire = self.clone();
        let handed = Router::new().fallback(move |request| {
            let wire = wire.clone();
            async move { wire.hand_on(door, request).await }
        });
        tokio::spawn(async move { axum::serve(listener, handed).await });
        address
    }

    async fn hand_on(&self, door: SocketAddr, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let mut ask = Ask::new(head.method.as_str(), door, head.uri.path());
        for name in [btauth::HOTKEY, btauth::NONCE, btauth::RECEIVER, btauth::SIGNATURE, btauth::VERSION] {
            ask = ask.header(name, head.headers[name].to_str().unwrap());
        }
        let reply = ask.body(to_bytes(body, 4_096).await.unwrap()).send().await;
        let Some(signature) = reply.headers.get(SIGNATURE) else {
            return (reply.status, reply.body).into_response();
        };
        let answer = (signature.to_str().unwrap().to_owned(), reply.body.clone());
        let first = self.first.lock().unwrap().get_or_insert(answer.clone()).clone();
        let spoil = *self.spoil.lock().unwrap();
        let (signature, body) = match spoil {
            Spoil::Replay => first,
            Spoil::Signature => return answer.1.into_response(),
            Spoil::Nothing => answer,
            Spoil::Byte(at) => {
                let mut body = answer.1.to_vec();
                let at = body.len() - 1 - at;
                body[at] ^= 1;
                (answer.0, body.into())
            }
        };
        ([(SIGNATURE, signature)], body).into_response()
    }
}

#[tokio::test]
async fn an_answer_that_was_altered_on_the_way_or_is_of_another_tempo_is_not_counted() {
    let root = tempfile::tempdir().unwrap();
    let (zero, one) = (open_ledger(&root.path().join("zero")), open_one(&root.path().join("one")));
    let opened = door(&one, &root.path().join("bundles")).await;
    let wire = Wire::default();
    let peers = vec![Peer { shard: 1, url: format!("http://{}", wire.tap(opened.address()).await) }];
    let config = ShardsConfig { peers, ..config(&opened) };
    serve_one(&one, 1, 0..2).await;
    // Handed on as it is, it counts.
    collected(&mut collector(&zero, config.clone(), SALT), 1).await;
    head(&zero, 1).await;
    let bytes = wire.first.lock().unwrap().clone().unwrap().1.len();

    serve_one(&one, 2, 10..13).await;
    let end_ms = facts(2).timestamp_ms;
    let mut asking = collector(&zero, config, SALT);
    let places = (0..bytes).step_by(bytes / 6).map(Spoil::Byte);
    for spoil in places.chain([Spoil::Signature, Spoil::Replay]) {
        *wire.spoil.lock().unwrap() = spoil;
        assert_eq!(asking.collect(2, end_ms).await, [1]);
    }
    // Nothing of it was kept: the shard would be named as it was.
    let named = head(&zero, 2).await.head.head.shard(1).expect("it is named");
    assert_eq!((named.epoch_index, named.log.tree_size), (1, 2));
    *wire.spoil.lock().unwrap() = Spoil::Nothing;
    assert_eq!(asking.collect(3, facts(3).timestamp_ms).await, Vec::<u8>::new());
    let named = head(&zero, 3).await.head.head.shard(1).expect("it is named");
    assert_eq!((named.epoch_index, named.log.tree_size), (3, 5));
}

#[tokio::test]
async fn a_request_that_somebody_recorded_is_not_answered_again() {
    let root = tempfile::tempdir().unwrap();
    let one = open_one(&root.path().join("one"));
    let opened = door(&one, &root.path().join("bundles")).await;
    let body = question();
    let parts = RequestParts { method: "POST", target: TARGET, body_sha256: Digest::of(&body) };
    let alice = validator();
    // A door takes nothing that was signed before it opened, so the first of them may come too early.
    let mut again = tokio::time::interval(Duration::from_millis(100));
    let taken = async {
        loop {
            let signed = btauth::sign(&alice, &parts, &alice.public(), Clock::new().nonce_ns());
            let send = || {
                let ask = Ask::new("POST", opened.address(), TARGET);
                signed
                    .iter()
                    .fold(ask, |ask, (name, value)| ask.header(name, value))
                    .body(body.clone())
                    .send()
            };
            if send().await.status == StatusCode::OK {
                return send().await.status;
            }
            again.tick().await;
        }
    };
    let second = tokio::time::timeout(Duration::from_secs(20), taken).await.expect("the door answers");
    assert_eq!(second, StatusCode::UNAUTHORIZED);
}

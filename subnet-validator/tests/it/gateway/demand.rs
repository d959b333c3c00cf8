//! The demand log as miners read it.

use std::time::Duration;

use crate::support::miner::{Manner, TestMiner, now_ms};
use crate::support::stand::Stand;
use crate::support::{Ask, miner_key, validator};
use http::StatusCode;
use http_body_util::BodyExt;
use protocol::btauth::{self, RequestParts};
use protocol::demand::{DemandBook, DemandChange, DemandEvent, DemandState, EVENTS_TARGET};
use protocol::digest::Digest;
use protocol::signing::Keypair;

/// A request for the log, signed now.
fn ask(stand: &Stand, key: &Keypair, target: &str, nonce_ns: u64) -> Ask {
    let parts = RequestParts { method: "GET", target, body_sha256: Digest::of(b"") };
    let headers = btauth::sign(key, &parts, &validator().public(), nonce_ns);
    let ask = Ask::new("GET", stand.gateway.address(), target);
    headers.into_iter().fold(ask, |ask, (name, value)| ask.header(name, &value))
}

fn nonce_ns() -> u64 {
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    now_ms() * 1_000_000 + COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

struct Log {
    body: hyper::body::Incoming,
    text: String,
}

impl Log {
    async fn open(stand: &Stand, key: &Keypair, target: &str) -> Self {
        let response = ask(stand, key, target, nonce_ns()).open().await;
        assert_eq!(response.status(), StatusCode::OK);
        Self { body: response.into_body(), text: String::new() }
    }

    /// The next event's id, name and data.
    async fn next(&mut self) -> (String, String, String) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name));
                    line.unwrap_or_default().to_owned()
                };
                let found = (field("id: "), field("event: "), field("data: "));
                self.text = rest.to_owned();
                return found;
            }
            let frame = tokio::time::timeout(Duration::from_secs(20), self.body.frame()).await.unwrap();
            let data = frame.unwrap().unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }
}

#[tokio::test]
async fn a_miner_reads_the_state_then_changes_and_resumes_where_it_stopped() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::cold(&[&miner], |_| {}).await;
    stand.fleet.warm_up(&"spare".parse().unwrap()).unwrap();

    let mut log = Log::open(&stand, &miner.key, EVENTS_TARGET).await;
    let (id, name, data) = log.next().await;
    assert_eq!(name, "state");
    let state: DemandState = serde_json::from_str(&data).unwrap();
    assert_eq!(state.validator, validator().public());
    assert_eq!(state.book.bounties.keys().map(|id| id.as_str()).collect::<Vec<_>>(), ["spare"]);
    drop(log);

    // Something happens while nobody reads.
    stand.fleet.warm_up(&"echo".parse().unwrap()).unwrap();
    let mut log = Log::open(&stand, &miner.key, &format!("{EVENTS_TARGET}?after={id}")).await;
    let (next_id, name, data) = log.next().await;
    assert_eq!(name, "change");
    let event: DemandEvent = serde_json::from_str(&data).unwrap();
    assert!(matches!(event.change, DemandChange::BountyOpened { .. }));
    let (mut cursor, mut book): (_, DemandBook) = (id.parse().unwrap(), state.book);
    book.follow(&mut cursor, &event).unwrap();
    assert_eq!(cursor.to_string(), next_id);

    // And while it does.
    stand.push(&miner.inventory(4)).await;
    let (_, _, data) = log.next().await;
    let event: DemandEvent = serde_json::from_str(&data).unwrap();
    book.follow(&mut cursor, &event).unwrap();
    assert!(matches!(event.change, DemandChange::BountyClaimed { .. }), "{event:?}");
    assert_eq!(book.bounties.len(), 1);
}

#[tokio::test]
async fn a_place_that_the_log_does_not_reach_back_to_is_gone() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::cold(&[&miner], |fleet| fleet.demand.events_max = 1).await;
    let first = stand.fleet.demand().log.state().0;
    for model in ["spare", "echo"] {
        stand.fleet.warm_up(&model.parse().unwrap()).unwrap();
    }
    let old = format!("{EVENTS_TARGET}?after={first}");
    let gone = ask(&stand, &miner.key, &old, nonce_ns()).send().await;
    assert_eq!((gone.status, gone.error_code().as_str()), (StatusCode::GONE, "cursor_gone"));
    let other = format!("{EVENTS_TARGET}?after=00000000000000ff-0");
    let other = ask(&stand, &miner.key, &other, nonce_ns()).send().await;
    assert_eq!(other.error_code(), "cursor_gone");
    let bad = ask(&stand, &miner.key, &format!("{EVENTS_TARGET}?after=x"), nonce_ns()).send().await;
    assert_eq!((bad.status, bad.error_code().as_str()), (StatusCode::BAD_REQUEST, "invalid_cursor"));
}

#[tokio::test]
async fn only_miners_read_the_log_and_each_request_counts_once() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::cold(&[&miner], |_| {}).await;
    let stranger = ask(&stand, &miner_key("//Mallory"), EVENTS_TARGET, nonce_ns()).send().await;
    assert_eq!((stranger.status, stranger.error_code().as_str()), (StatusCode::FORBIDDEN, "not_a_miner"));
    let unsigned = Ask::new("GET", stand.gateway.address(), EVENTS_TARGET).send().await;
    assert_eq!(unsigned.status, StatusCode::UNAUTHORIZED);

    let nonce_ns = nonce_ns();
    let once = ask(&stand, &miner.key, EVENTS_TARGET, nonce_ns).open().await;
    assert_eq!(once.status(), StatusCode::OK);
    let twice = ask(&stand, &miner.key, EVENTS_TARGET, nonce_ns).send().await;
    assert_eq!((twice.status, twice.error_code().as_str()), (StatusCode::UNAUTHORIZED, "auth_replayed"));

    let second = Log::open(&stand, &miner.key, EVENTS_TARGET).await;
    let third = ask(&stand, &miner.key, EVENTS_TARGET, self::nonce_ns()).send().await;
    assert_eq!(third.error_code(), "demand_log_busy");
    drop((once, second));
}

#[tokio::test]
async fn an_inventory_of_somebody_else_or_of_yesterday_is_refused() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::cold(&[&miner], |_| {}).await;
    let mut forged = miner.inventory(4);
    forged.inventory.models[0].slots = 9;
    let forged = stand.push(&forged).await;
    assert_eq!((forged.status, forged.error_code().as_str()), (StatusCode::BAD_REQUEST, "inventory_refused"));
    let mut old = miner.inventory(4).inventory;
    old.issued_at_ms -= 60_000;
    assert_eq!(stand.push(&old.sign(&miner.key)).await.error_code(), "inventory_refused");
    let stranger = TestMiner::start("//Mallory", Manner::Honest).await;
    assert_eq!(stand.push(&stranger.inventory(4)).await.error_code(), "not_a_miner");
    assert!(stand.fleet.miners()[0].models.is_empty());
}

//! Scopes, limits, quotas, signed requests and what is counted, over HTTP.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;
use protocol::btauth::{self, RequestParts};
use protocol::digest::Digest;
use protocol::signing::Keypair;
use subnet_validator::accounts::keys::NewAccount;
use subnet_validator::accounts::rights::{Limits, Scopes};
use subnet_validator::accounts::usage::Usage;

use crate::support::miner::{Manner, TestMiner};
use crate::support::stand::{Stand, hello};
use crate::support::{Ask, Reply, validator};

const CHAT: &str = "/v1/chat/completions";

impl Stand {
    fn key(&self, account: NewAccount) -> String {
        self.keys.create_key(account, 1).unwrap().secret
    }

    fn limited(&self, limits: Limits) -> String {
        self.key(NewAccount { limits, ..NewAccount::default() })
    }

    async fn hello_with(&self, secret: &str) -> Reply {
        self.post_with(secret, &hello(false)).await
    }

    async fn post_with(&self, secret: &str, body: &str) -> Reply {
        Ask::new("POST", self.gateway.address(), CHAT).key(secret).body(body.to_owned()).send().await
    }

    async fn get_with(&self, secret: &str, target: &str) -> Reply {
        Ask::new("GET", self.gateway.address(), target).key(secret).send().await
    }

    /// Waits until an account's usage counts so many calls, and returns it.
    async fn counted(&self, secret: &str, requests: u64) -> serde_json::Value {
        let counted = async {
            loop {
                let usage = self.get_with(secret, "/v1/usage").await.json();
                if usage["today"]["requests"] == requests {
                    return usage;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), counted).await.expect("the receipt is counted")
    }
}

fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

/// A chat signed by a hotkey at a time.
fn signed(stand: &Stand, sender: &Keypair, receiver: &Keypair, body: &str, nonce_ns: u64) -> Ask {
    let parts = RequestParts { method: "POST", target: CHAT, body_sha256: Digest::of(body.as_bytes()) };
    let headers = btauth::sign(sender, &parts, &receiver.public(), nonce_ns);
    let ask = Ask::new("POST", stand.gateway.address(), CHAT).body(body.to_owned());
    headers.into_iter().fold(ask, |ask, (name, value)| ask.header(name, &value))
}

#[tokio::test]
async fn an_account_reaches_only_the_endpoints_and_models_of_its_scopes() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::start(&[&miner]).await;
    let scoped = |models: &[&str], endpoints: &[&str]| {
        let models = models.iter().map(|model| model.parse().unwrap()).collect();
        let endpoints = endpoints.iter().map(|path| (*path).to_owned()).collect();
        NewAccount { scopes: Scopes { models, endpoints, admin: false }, ..NewAccount::default() }
    };

    let reader = stand.key(scoped(&[], &["models"]));
    assert_eq!(stand.get_with(&reader, "/v1/models/echo").await.status, StatusCode::OK);
    let refused = stand.hello_with(&reader).await;
    assert_eq!((refused.status, refused.error_code()), (StatusCode::FORBIDDEN, "endpoint_forbidden".into()));
    assert_eq!(refused.headers["x-should-retry"], "false");

    let other = stand.key(scoped(&["other"], &[]));
    let refused = stand.hello_with(&other).await;
    assert_eq!((refused.status, refused.error_code()), (StatusCode::FORBIDDEN, "model_forbidden".into()));
    // Two models in one body: whichever a later reader took, it is not let through.
    let twice = stand.post_with(&other, r#"{"model":"other","model":"echo","messages":[]}"#).await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST);

    let echo = stand.key(scoped(&["echo"], &["chat"]));
    assert_eq!(stand.hello_with(&echo).await.status, StatusCode::OK);
    let admin = stand.get_with(&echo, "/v1/admin/usage").await;
    assert_eq!(admin.status, StatusCode::FORBIDDEN);
    assert_eq!(miner.tickets().len(), 1);
}

#[tokio::test]
async fn requests_beyond_the_limit_are_told_exactly_when_to_come_back() {
    let stand = Stand::start(&[]).await;
    let secret = stand.limited(Limits { requests_per_minute: Some(2), ..Limits::default() });
    let first = stand.get_with(&secret, "/v1/models").await;
    assert_eq!(first.headers["x-ratelimit-limit-requests"], "2");
    assert_eq!(first.headers["x-ratelimit-remaining-requests"], "1");
    assert!(!first.headers.contains_key("x-ratelimit-limit-tokens"));
    assert_eq!(stand.get_with(&secret, "/v1/models").await.status, StatusCode::OK);

    let refused = stand.get_with(&secret, "/v1/models").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.error_code(), "rate_limit_exceeded");
    let wait_ms: u64 = refused.headers["retry-after-ms"].to_str().unwrap().parse().unwrap();
    // One request comes back every half minute; the test itself took less than twenty seconds of it.
    assert!((10_000..=30_000).contains(&wait_ms), "{wait_ms}");
    assert_eq!(refused.headers["retry-after"], wait_ms.div_ceil(1_000).to_string().as_str());
    // Nobody else is slowed.
    assert_eq!(stand.get_with(&stand.secret, "/v1/models").await.status, StatusCode::OK);
}

#[tokio::test]
async fn tokens_are_counted_from_receipts_and_their_limit_and_quota_are_kept() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::start(&[&miner]).await;
    let secret =
        stand.limited(Limits { tokens_per_minute: Some(12), tokens_per_day: Some(16), ..Limits::default() });
    // 5 prompt and 3 completion tokens each.
    assert_eq!(stand.hello_with(&secret).await.status, StatusCode::OK);
    let usage = stand.counted(&secret, 1).await;
    assert_eq!(
        (&usage["today"]["prompt_tokens"], &usage["today"]["completion_tokens"]),
        (&5.into(), &3.into())
    );
    // A quarter of a unit for each of 5 tokens and a whole for each of 3, as the catalogue of the tests says.
    assert_eq!(usage["month"]["compute_units_milli"], 4_250);
    assert_eq!(usage["limits"]["tokens_per_day"], 16);

    let second = stand.hello_with(&secret).await;
    assert_eq!(second.status, StatusCode::OK);
    assert_eq!(second.headers["x-ratelimit-limit-tokens"], "12");
    stand.counted(&secret, 2).await;
    // Both the minute and the day are used up; the day is what does not come back soon.
    let refused = stand.hello_with(&secret).await;
    assert_eq!(
        (refused.status, refused.error_code()),
        (StatusCode::TOO_MANY_REQUESTS, "insufficient_quota".into())
    );
    assert_eq!(refused.headers["x-should-retry"], "false");
    let wait_s: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=86_400).contains(&wait_s));
    // What only reads is still there.
    assert_eq!(stand.get_with(&secret, "/v1/models").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_stream_counts_as_in_progress_until_its_client_has_left() {
    let miner = TestMiner::start("//Bob", Manner::Stalls).await;
    let stand = Stand::start(&[&miner]).await;
    let secret = stand.limited(Limits { calls_in_flight_max: Some(1), ..Limits::default() });
    let open = || Ask::new("POST", stand.gateway.address(), CHAT).key(&secret).body(hello(true));
    let stream = open().open().await;
    assert_eq!(stream.status(), StatusCode::OK);
    let refused = open().send().await;
    assert_eq!(
        (refused.status, refused.error_code()),
        (StatusCode::TOO_MANY_REQUESTS, "too_many_calls".into())
    );
    drop(stream);
    miner.left_alone().await;
    let again = async {
        while open().open().await.status() != StatusCode::OK {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), again).await.expect("the place is free again");
}

#[tokio::test]
async fn what_was_used_survives_the_usage_file() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::start(&[&miner]).await;
    for _ in 0..3 {
        assert_eq!(stand.hello_with(&stand.secret).await.status, StatusCode::OK);
    }
    // As after a crash before the first write: there is no file, and the ledger says it all.
    let mut usage = Usage::default();
    usage.catch_up(&stand.ledger.reader(), &crate::support::catalogue()).unwrap();
    let id = &stand.keys.list().unwrap()[0].id;
    let payer = subnet_validator::accounts::payer(&[7; 32], id);
    let (_, day) = usage.days(&payer)[0];
    assert_eq!((day.requests, day.tokens()), (3, 24));
    // Counting again adds nothing.
    let before = usage.clone();
    usage.catch_up(&stand.ledger.reader(), &crate::support::catalogue()).unwrap();
    assert_eq!(usage, before);
}

#[tokio::test]
async fn a_hotkey_with_an_account_signs_its_requests_and_each_counts_once() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::start(&[&miner]).await;
    let (user, stranger) =
        (Keypair::from_dev_uri("//Ferdie").unwrap(), Keypair::from_dev_uri("//Eve").unwrap());
    stand.keys.create_for_hotkey(user.public(), NewAccount::default(), 1).unwrap();
    let body = hello(false);
    let ask =
        |sender: &Keypair, receiver: &Keypair, nonce_ns| signed(&stand, sender, receiver, &body, nonce_ns);

    let unknown = ask(&stranger, &validator(), now_ns()).send().await;
    assert_eq!((unknown.status, unknown.error_code()), (StatusCode::FORBIDDEN, "hotkey_unknown".into()));
    let misdirected = ask(&user, &stranger, now_ns()).send().await;
    assert_eq!(
        (misdirected.status, misdirected.error_code()),
        (StatusCode::UNAUTHORIZED, "auth_wrong_receiver".into())
    );
    let mut tampered = ask(&user, &validator(), now_ns());
    tampered = tampered.body(body.replace("Hi", "Ho"));
    let tampered = tampered.send().await;
    assert_eq!(
        (tampered.status, tampered.error_code()),
        (StatusCode::UNAUTHORIZED, "auth_bad_signature".into())
    );

    // Signed before the gateway started it might have been taken before: it says when a new one passes.
    let early = ask(&user, &validator(), now_ns() - 5_000_000_000).send().await;
    assert_eq!(
        (early.status, early.error_code()),
        (StatusCode::SERVICE_UNAVAILABLE, "replay_store_unavailable".into())
    );
    let accepted = async {
        loop {
            let nonce_ns = now_ns() + 1_900_000_000;
            let reply = ask(&user, &validator(), nonce_ns).send().await;
            if reply.status == StatusCode::OK {
                return nonce_ns;
            }
            assert_eq!(reply.error_code(), "replay_store_unavailable");
        }
    };
    let nonce_ns = tokio::time::timeout(Duration::from_secs(20), accepted).await.unwrap();
    let replayed = ask(&user, &validator(), nonce_ns).send().await;
    assert_eq!((replayed.status, replayed.error_code()), (StatusCode::UNAUTHORIZED, "auth_replayed".into()));
    assert_eq!(miner.tickets().len(), 1);
}

#[tokio::test]
async fn other_default_limits_come_into_force_without_a_restart() {
    let stand = Stand::start(&[]).await;
    assert!(
        !stand.get_with(&stand.secret, "/v1/models").await.headers.contains_key("x-ratelimit-limit-requests")
    );
    let mut config = subnet_validator::config::Config::default().gateway.accounts;
    config.requests_per_minute = 7;
    stand.accounts.reload(&config).unwrap();
    let reply = stand.get_with(&stand.secret, "/v1/models").await;
    assert_eq!(reply.headers["x-ratelimit-limit-requests"], "7");
    assert_eq!(reply.headers["x-ratelimit-remaining-requests"], "6");
}

#[tokio::test]
async fn an_administrator_sees_what_every_account_used() {
    let stand = Stand::start(&[]).await;
    let admin = stand
        .key(NewAccount { scopes: Scopes { admin: true, ..Scopes::default() }, ..NewAccount::default() });
    let list = stand.get_with(&admin, "/v1/admin/usage").await.json();
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    assert!(!list.to_string().contains("sk-"), "no secret is shown");
}

#[tokio::test]
async fn a_key_in_the_header_of_other_clients_is_as_good() {
    let stand = Stand::start(&[]).await;
    let ask = Ask::new("GET", stand.gateway.address(), "/v1/models").header("x-api-key", &stand.secret);
    assert_eq!(ask.send().await.status, StatusCode::OK);
}

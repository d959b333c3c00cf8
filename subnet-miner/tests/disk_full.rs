//! A disk that takes no more: no answer ends with a receipt that is not on disk, and service returns with the space.
//! In a process of its own, since the limit that stands for the full disk holds for all of it.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "it/fixture.rs"]
#[allow(dead_code)]
mod fixture;

use fixture::{Fixture, MODEL, in_time};
use protocol::openai::Endpoint;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

const SIGXFSZ: i32 = 25;

/// Whether a call ended with a receipt.
async fn is_served(fixture: &Fixture) -> bool {
    let body = json!({ "model": MODEL, "messages": [{ "role": "user", "content": "Hi" }], "max_tokens": 4 });
    let answer = in_time(fixture.ask(Endpoint::Chat, &body).send()).await.unwrap();
    answer.status().is_success()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_failed_is_used_again_without_a_restart_once_it_takes_bytes() {
    let mut fixture = Fixture::start().await;
    assert!(is_served(&fixture).await);
    // Writing past the limit then fails with an error instead of a signal that kills. The error is not the one of a full disk,
    // after which RocksDB recovers by itself.
    let _handled = signal(SignalKind::from_raw(SIGXFSZ)).unwrap();
    let before = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: Some(0), maximum: before.maximum }).unwrap();
    for _ in 0..3 {
        assert!(!is_served(&fixture).await, "an answer without a receipt");
    }
    setrlimit(Resource::Fsize, before).unwrap();
    // The disk is looked at five times a second.
    let again = async {
        while !is_served(&fixture).await {
            tokio::task::yield_now().await;
        }
    };
    in_time(again).await;
    assert!(is_served(&fixture).await);
    assert_eq!(fixture.stored().await.len(), 3, "what was refused is not in the store");
}

//! A disk that takes no more: nothing is acknowledged, the user gets 503, and service returns with the space.
//! In a process of its own, since the limit that stands for the full disk holds for all of it.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "it/support.rs"]
#[allow(dead_code)]
mod support;

use http::StatusCode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::miner::{Manner, TestMiner};
use support::stand::{Stand, events};
use tokio::signal::unix::{SignalKind, signal};

const SIGXFSZ: i32 = 25;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_means_unavailable_and_nothing_acknowledged() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::start(&[&miner]).await;
    assert_eq!(stand.hello(false).await.status, StatusCode::OK);
    let acknowledged = stand.ledger.head();

    // Writing past the limit then fails with an error instead of a signal that kills.
    let _handled = signal(SignalKind::from_raw(SIGXFSZ)).unwrap();
    let before = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: Some(0), maximum: before.maximum }).unwrap();
    let whole = stand.hello(false).await;
    let streamed = stand.hello(true).await;
    setrlimit(Resource::Fsize, before).unwrap();

    assert_eq!(
        (whole.status, whole.error_code().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "ledger_unavailable")
    );
    assert!(whole.headers.contains_key("retry-after"));
    let text = streamed.text();
    assert!(text.contains("ledger_unavailable") && !events(&text).contains(&"[DONE]"), "{text}");
    assert_eq!(stand.ledger.head(), acknowledged);
}

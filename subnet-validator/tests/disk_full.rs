//! A disk that takes no more: nothing is acknowledged, the user gets 503, and service returns with the space.
//! In a process of its own, since the limit that stands for the full disk holds for all of it.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "it/support.rs"]
#[allow(dead_code)]
mod support;

use std::fs;
use std::path::Path;

use http::StatusCode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use subnet_validator::ledger::AppendError;
use support::miner::{Manner, TestMiner};
use support::stand::{Stand, events};
use support::{miner_key, receipt};
use tokio::signal::unix::{SignalKind, signal};

const SIGXFSZ: i32 = 25;

/// The longest file in a folder: no file may grow past a limit below it.
fn log_bytes(folder: &Path) -> u64 {
    let logs = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let logs = logs.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.map(|path| fs::metadata(path).unwrap().len()).max().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_means_unavailable_until_there_is_space_again() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::start(&[&miner]).await;
    let ledger = stand.folder.path().join("ledger");
    assert_eq!(stand.hello(false).await.status, StatusCode::OK);

    // Writing past the limit then fails with an error instead of a signal that kills.
    let _handled = signal(SignalKind::from_raw(SIGXFSZ)).unwrap();
    let before = getrlimit(Resource::Fsize);
    // No byte at all, and a record that breaks off after some.
    for spare in [None, Some(50), Some(700)] {
        let acknowledged = stand.ledger.head();
        let limit = spare.map_or(0, |spare| log_bytes(&ledger) + spare);
        setrlimit(Resource::Fsize, Rlimit { current: Some(limit), maximum: before.maximum }).unwrap();
        // A sequence block may be in hand and the first record may still fit; the call after that finds the disk full.
        let mut refused = Vec::new();
        for number in 0..4 {
            let reply = stand.hello(number % 2 == 1).await;
            let text = reply.text();
            if text.contains("ledger_unavailable") {
                assert!(number % 2 == 1 || reply.status == StatusCode::SERVICE_UNAVAILABLE, "{text}");
                assert!(number % 2 == 1 || reply.headers.contains_key("retry-after"));
                assert!(!events_of(&text, number % 2 == 1).contains(&"[DONE]"), "{text}");
                refused.push(number);
            }
        }
        assert!(refused.len() >= 3, "{spare:?}: {refused:?}");
        let refusal = stand.ledger.append(receipt(&miner_key("//Eve"), 9)).await;
        let waits = matches!(
            refusal,
            Err(AppendError::DiskFull(_) | AppendError::DiskRefuses { .. } | AppendError::Storage(_))
        );
        assert!(waits, "{refusal:?}");
        let during = stand.ledger.head();
        setrlimit(Resource::Fsize, before).unwrap();

        // No restart: the next call finds the space.
        let back = stand.hello(false).await;
        assert_eq!(back.status, StatusCode::OK, "{}", back.text());
        assert!(stand.hello(true).await.text().contains("[DONE]"));
        let verified = stand.ledger.reader().verify(|_| ()).unwrap();
        assert_eq!((verified.size, verified.root), (stand.ledger.head().size, stand.ledger.head().root));
        assert!(during.size >= acknowledged.size && verified.size >= during.size + 2);
    }
}

fn events_of(text: &str, streamed: bool) -> Vec<&str> {
    if streamed && text.starts_with("data:") { events(text) } else { Vec::new() }
}

//! Which model and which miner: selectors, lists, hedging, affinity, and a validator that stops.

use std::time::Duration;

use crate::support::miner::{Manner, TestMiner};
use crate::support::stand::{Stand, hello};
use http::StatusCode;
use http_body_util::BodyExt;

fn asking_for(model: &str, content: &str) -> String {
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"{content}"}}]}}"#)
}

#[tokio::test]
async fn a_wish_and_a_list_reach_the_miner_as_the_models_own_name() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::start(&[&miner]).await;
    // Nobody holds `spare`; the list goes on instead of waiting.
    for model in ["echo:latency", "echo:throughput", "spare,echo", "spare:latency, echo"] {
        let reply = stand.chat(&asking_for(model, "hi")).send().await;
        assert_eq!(reply.status, StatusCode::OK, "{model}: {}", reply.text());
    }
    assert!(miner.tickets().iter().all(|ticket| ticket.model.as_str() == "echo"));
}

#[tokio::test]
async fn what_selects_nothing_says_what_there_is() {
    let stand = Stand::start(&[]).await;
    let unknown = stand.chat(&asking_for("echo,nothing", "hi")).send().await;
    assert_eq!((unknown.status, unknown.error_code().as_str()), (StatusCode::NOT_FOUND, "model_not_found"));
    assert!(unknown.text().contains("echo, spare"), "{}", unknown.text());
    let wish = stand.chat(&asking_for("echo:cheapest", "hi")).send().await;
    assert_eq!(
        (wish.status, wish.error_code().as_str()),
        (StatusCode::BAD_REQUEST, "invalid_model_selector")
    );
    assert!(wish.text().contains(":latency"), "{}", wish.text());
    assert_eq!(wish.json()["error"]["param"], "model");
}

#[tokio::test]
async fn with_hedging_a_silent_miner_costs_no_more_than_the_hedge() {
    let silent = TestMiner::start("//Bob", Manner::Silent).await;
    let good = TestMiner::start("//Charlie", Manner::Honest).await;
    let stand = Stand::start_with(&[&silent, &good], |_, fleet| fleet.hedge_after_ms = 20).await;
    for _ in 0..20 {
        let reply = tokio::time::timeout(Duration::from_secs(20), stand.hello(true)).await.unwrap();
        assert_eq!(reply.status, StatusCode::OK);
    }
    assert!(!silent.tickets().is_empty(), "it was asked too");
    // Who lost the race to the other is not blamed, and nothing of it is left open.
    assert!(stand.fleet.miners().iter().all(|miner| miner.in_flight == 0));
}

#[tokio::test]
async fn without_hedging_nobody_is_asked_twice_for_one_call() {
    let miners = [
        TestMiner::start("//Bob", Manner::Honest).await,
        TestMiner::start("//Charlie", Manner::Honest).await,
    ];
    let stand = Stand::start(&[&miners[0], &miners[1]]).await;
    for _ in 0..20 {
        stand.hello(false).await;
    }
    assert_eq!(miners.iter().map(|miner| miner.tickets().len()).sum::<usize>(), 20);
}

#[tokio::test]
async fn calls_that_begin_alike_go_to_one_miner_and_others_are_spread() {
    let mut miners = Vec::new();
    for name in ["//Bob", "//Charlie", "//Dave", "//Eve"] {
        miners.push(TestMiner::start(name, Manner::Honest).await);
    }
    let stand = Stand::start(&miners.iter().collect::<Vec<_>>()).await;
    let system = "The same long instructions for everybody who asks. ".repeat(30);
    for question in 0..20 {
        stand.chat(&asking_for("echo", &format!("{system} {question}"))).send().await;
    }
    let counts: Vec<usize> = miners.iter().map(|miner| miner.tickets().len()).collect();
    assert_eq!(counts.iter().filter(|count| **count > 0).count(), 1, "{counts:?}");
    for question in 0..40 {
        stand.chat(&asking_for("echo", &format!("{question} {system}"))).send().await;
    }
    let counts: Vec<usize> = miners.iter().map(|miner| miner.tickets().len()).collect();
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

#[tokio::test]
async fn a_validator_that_stops_finishes_what_it_began_and_sends_others_away() {
    let miner = TestMiner::start("//Bob", Manner::FinishesWhenTold).await;
    let stand = Stand::start(&[&miner]).await;
    let mut open = stand.chat(&hello(true)).open().await;
    open.body_mut().frame().await.unwrap().unwrap();

    stand.fleet.stop();

    let refused = stand.hello(false).await;
    assert_eq!(
        (refused.status, refused.error_code().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "stopping")
    );
    assert_eq!(refused.headers["retry-after"], "5");
    let mut drained = std::pin::pin!(stand.fleet.drain());
    assert!(futures::poll!(drained.as_mut()).is_pending(), "a stream is open");
    miner.finish();
    let rest = open.into_body().collect().await.unwrap().to_bytes();
    assert!(rest.ends_with(b"data: [DONE]\n\n"));
    tokio::time::timeout(Duration::from_secs(20), drained).await.unwrap();
    assert!(stand.receipts()[0].receipt.counts());
}

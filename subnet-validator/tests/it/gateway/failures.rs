use crate::support::miner::{Manner, TOKENS, TestMiner};
use crate::support::stand::{Stand, events, hello};
use http::StatusCode;
use http_body_util::BodyExt;
use protocol::receipt::Outcome;
use subnet_validator::metrics::Count;

/// Calls until the bad miner has been asked too, so that the test does not depend on who is drawn first.
async fn serve_until_asked(stand: &Stand, bad: &TestMiner, stream: bool) {
    for _ in 0..100 {
        let reply = stand.hello(stream).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        assert!(reply.text().contains(TOKENS[0]));
        if !bad.tickets().is_empty() {
            return;
        }
    }
    panic!("the bad miner was never drawn");
}

#[tokio::test]
async fn whatever_one_miner_does_wrong_before_its_first_byte_another_serves_the_call() {
    let whole = [
        Manner::Fails,
        Manner::Busy,
        Manner::WrongOutputHash,
        Manner::NoReceipt,
        Manner::ForgedReceipt,
        Manner::InflatedTokens,
    ];
    let cases =
        whole.map(|manner| (manner, false)).into_iter().chain([(Manner::Fails, true), (Manner::Busy, true)]);
    for (manner, stream) in cases {
        let bad = TestMiner::start("//Bob", manner).await;
        let good = TestMiner::start("//Charlie", Manner::Honest).await;
        let stand = Stand::start(&[&bad, &good]).await;
        serve_until_asked(&stand, &bad, stream).await;
        let paid = stand.receipts().into_iter().filter(|stored| stored.receipt.counts());
        assert!(
            paid.into_iter().all(|stored| stored.receipt.ticket().miner == good.key.public()),
            "{manner:?}"
        );
    }
}

#[tokio::test]
async fn a_miner_that_stays_silent_is_replaced_after_the_first_byte_limit() {
    let bad = TestMiner::start("//Bob", Manner::Silent).await;
    let good = TestMiner::start("//Charlie", Manner::Honest).await;
    let stand = Stand::start_with(&[&bad, &good], |_, fleet| fleet.first_byte_timeout_ms = 100).await;
    serve_until_asked(&stand, &bad, true).await;
}

#[tokio::test]
async fn every_attempt_has_a_ticket_of_its_own_and_no_miner_is_asked_twice() {
    let names = ["//Bob", "//Charlie", "//Dave", "//Eve"];
    let mut miners = Vec::new();
    for name in names {
        miners.push(TestMiner::start(name, Manner::Fails).await);
    }
    let stand = Stand::start(&miners.iter().collect::<Vec<_>>()).await;

    let reply = stand.hello(false).await;

    assert_eq!((reply.status, reply.error_code().as_str()), (StatusCode::BAD_GATEWAY, "miners_failed"));
    let asked: Vec<usize> = miners.iter().map(|miner| miner.tickets().len()).collect();
    assert_eq!(asked.iter().sum::<usize>(), 3, "three attempts");
    assert!(asked.iter().all(|calls| *calls <= 1));
    assert_eq!(stand.metrics.get(Count::AttemptFailed), 3);
    assert_eq!(stand.ledger.head().size, 0);
}

#[tokio::test]
async fn when_all_miners_are_busy_the_user_is_told_to_come_back() {
    let miner = TestMiner::start("//Bob", Manner::Busy).await;
    let stand = Stand::start(&[&miner]).await;
    let reply = stand.hello(true).await;
    assert_eq!((reply.status, reply.error_code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "miners_busy"));
    assert_eq!(reply.headers["retry-after"], "1");
}

#[tokio::test]
async fn without_miners_the_answer_is_unavailable_with_a_time_to_retry() {
    let stand = Stand::start(&[]).await;
    let reply = stand.hello(false).await;
    assert_eq!((reply.status, reply.error_code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "no_miner"));
    assert_eq!(reply.headers["retry-after"], "5");
}

#[tokio::test]
async fn a_miners_refusal_of_the_request_is_the_users_answer() {
    let miner = TestMiner::start("//Bob", Manner::RefusesRequest).await;
    let stand = Stand::start(&[&miner]).await;
    let reply = stand.hello(false).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    let error = &reply.json()["error"];
    assert!(error["message"].as_str().unwrap().contains("the prompt is too long"));
    assert_eq!(error["param"], "messages");
    assert_eq!(miner.tickets().len(), 1);
}

#[tokio::test]
async fn a_prompt_too_long_for_one_miner_goes_to_one_with_a_longer_context() {
    let [bob, charlie] = [
        TestMiner::start("//Bob", Manner::ShortContext).await,
        TestMiner::start("//Charlie", Manner::ShortContext).await,
    ];
    let dave = TestMiner::start("//Dave", Manner::Honest).await;
    let stand = Stand::start(&[&bob, &charlie, &dave]).await;
    for _ in 0..8 {
        let reply = stand.hello(false).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    }
    assert!(!bob.tickets().is_empty() || !charlie.tickets().is_empty(), "one of the short ones was asked");

    let stand = Stand::start(&[&bob, &charlie]).await;
    let before = bob.tickets().len() + charlie.tickets().len();
    let reply = stand.hello(false).await;
    assert_eq!(
        (reply.status, reply.error_code().as_str()),
        (StatusCode::BAD_REQUEST, "context_length_exceeded")
    );
    assert_eq!(bob.tickets().len() + charlie.tickets().len(), before + 1, "the other one is as short");
}

#[tokio::test]
async fn a_refused_ticket_is_not_the_users_fault() {
    let [bob, charlie] = [
        TestMiner::start("//Bob", Manner::RefusesTicket).await,
        TestMiner::start("//Charlie", Manner::Honest).await,
    ];
    let stand = Stand::start(&[&bob, &charlie]).await;
    for _ in 0..8 {
        assert_eq!(stand.hello(false).await.status, StatusCode::OK);
    }
    assert!(!bob.tickets().is_empty());
    let stand = Stand::start(&[&bob]).await;
    assert_eq!(stand.hello(false).await.status, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn a_miner_that_keeps_failing_is_left_alone() {
    let miner = TestMiner::start("//Bob", Manner::Fails).await;
    let stand = Stand::start(&[&miner]).await;
    for _ in 0..3 {
        assert_eq!(stand.hello(false).await.status, StatusCode::BAD_GATEWAY);
    }
    let reply = stand.hello(false).await;
    assert_eq!((reply.status, reply.error_code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "no_miner"));
    assert_eq!(reply.headers["retry-after"], "30");
    assert_eq!(miner.tickets().len(), 3);
}

/// Streams from one such miner: the last event's error code, after checking that no `[DONE]` followed.
async fn broken_stream(manner: Manner) -> (Stand, String) {
    let miner = TestMiner::start("//Bob", manner).await;
    let stand = Stand::start_with(&[&miner], |_, fleet| fleet.idle_timeout_ms = 100).await;
    let mut response = stand.chat(&hello(true)).open().await;
    assert_eq!(response.status(), StatusCode::OK, "{manner:?}");
    let first = response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
    miner.die();
    let rest = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8([first, rest].concat()).unwrap();
    let events = events(&text);
    assert!(!events.contains(&"[DONE]"), "{text}");
    let last: serde_json::Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert!(last["error"]["message"].is_string(), "{text}");
    assert!(events.len() > 1, "something had been relayed before");
    let code = last["error"]["code"].as_str().unwrap().to_owned();
    (stand, code)
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_in_an_error_event_and_pays_nothing() {
    let cases = [
        (Manner::DiesMidStream, "miner_failed"),
        (Manner::ErrorMidStream, "miner_failed"),
        (Manner::NoReceipt, "miner_failed"),
        (Manner::ForgedReceipt, "miner_unproven"),
        (Manner::Stalls, "miner_timeout"),
    ];
    for (manner, expected) in cases {
        let (stand, code) = broken_stream(manner).await;
        assert_eq!(code, expected, "{manner:?}");
        assert_eq!(stand.ledger.head().size, 0, "{manner:?}");
    }
}

#[tokio::test]
async fn a_miner_that_says_it_is_still_at_it_is_waited_for_past_the_time_of_silence() {
    let miner = TestMiner::start("//Bob", Manner::Ponders).await;
    let stand = Stand::start_with(&[&miner], |_, fleet| fleet.idle_timeout_ms = 200).await;
    let text = stand.hello(true).await.text();
    assert!(events(&text).contains(&"[DONE]"), "{text}");
    assert!(!text.contains("still at it"), "the miner's comments are not passed on: {text}");
    assert_eq!(stand.ledger.head().size, 1);
}

#[tokio::test]
async fn a_receipt_for_another_output_is_kept_as_evidence_and_does_not_count() {
    let (stand, code) = broken_stream(Manner::WrongOutputHash).await;
    assert_eq!(code, "miner_unproven");
    let receipts = stand.receipts();
    assert_eq!(receipts.len(), 1);
    assert_eq!(receipts[0].receipt.observation().outcome, Outcome::OutputMismatch);
    assert!(!receipts[0].receipt.counts());
    assert_eq!(stand.metrics.get(Count::ReceiptUnpaid), 1);
}

#[tokio::test]
async fn a_client_that_leaves_takes_the_miners_connection_with_it() {
    let miner = TestMiner::start("//Bob", Manner::Stalls).await;
    let stand = Stand::start(&[&miner]).await;
    let mut response = stand.chat(&hello(true)).open().await;
    assert!(response.body_mut().frame().await.unwrap().unwrap().is_data());

    drop(response);

    miner.left_alone().await;
    stand.fleet.drain().await;
    assert_eq!(stand.metrics.get(Count::CallAbandoned), 1);
    assert_eq!(stand.fleet.miners()[0].in_flight, 0);
}

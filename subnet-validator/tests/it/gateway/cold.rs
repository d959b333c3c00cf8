//! Models that no miner holds: calls wait, a bounty is claimed once, and the queue goes in order.

use std::time::Duration;

use crate::support::miner::{Manner, TOKENS, TestMiner};
use crate::support::stand::{Stand, hello};
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use protocol::demand::{Cursor, DemandChange};
use protocol::digest::Digest;
use protocol::receipt::Outcome;
use protocol::ticket::Kind;

/// Fails the test instead of hanging it.
async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it takes far less than 20 seconds")
}

/// Opens a streamed call and reads the first word of progress.
async fn begin(stand: &Stand, body: &str) -> (Response<Incoming>, String) {
    let mut response = in_time(stand.chat(body).open()).await;
    assert_eq!(response.status(), StatusCode::OK);
    let frame = in_time(response.body_mut().frame()).await.unwrap().unwrap().into_data().unwrap();
    (response, String::from_utf8(frame.to_vec()).unwrap())
}

async fn rest(response: Response<Incoming>) -> String {
    let bytes = in_time(response.into_body().collect()).await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn numbered(number: usize) -> String {
    format!(r#"{{"model":"echo","messages":[{{"role":"user","content":"number {number}"}}],"stream":true}}"#)
}

/// Waits until the miner has had so many calls.
async fn tickets(miner: &TestMiner, count: usize) -> Vec<protocol::ticket::Ticket> {
    in_time(async {
        loop {
            let tickets = miner.tickets();
            if tickets.len() >= count {
                return tickets;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// Everything in the demand log so far.
async fn changes(stand: &Stand) -> Vec<DemandChange> {
    let events = stand.fleet.demand().log.after(first_place(stand), usize::MAX).unwrap();
    events.into_iter().map(|event| event.change).collect()
}

fn first_place(stand: &Stand) -> Cursor {
    Cursor { sequence: 0, ..stand.fleet.demand().log.state().0 }
}

#[tokio::test]
async fn a_stream_for_a_cold_model_tells_how_the_wait_goes_and_is_served_when_a_miner_is_ready() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::cold(&[&miner], |_| {}).await;
    let (response, first) = begin(&stand, &hello(true)).await;
    assert_eq!(first, ": waiting position=1\n\n");

    let pushed = stand.push(&miner.inventory(4)).await;
    assert_eq!(pushed.status, StatusCode::OK);

    let text = rest(response).await;
    assert!(TOKENS.iter().all(|token| text.contains(token)) && text.ends_with("data: [DONE]\n\n"), "{text}");
    let mut kinds: Vec<Kind> = tickets(&miner, 2).await.iter().map(|ticket| ticket.kind).collect();
    kinds.sort_by_key(|kind| *kind as u8);
    assert_eq!(kinds, [Kind::Chat, Kind::BountyClaim]);
}

#[tokio::test]
async fn a_whole_answer_of_a_cold_model_comes_after_the_wait() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::cold(&[&miner], |_| {}).await;
    let (reply, _) = in_time(async {
        tokio::join!(stand.hello(false), async {
            while stand.fleet.demand().waiting.models().is_empty() {
                tokio::task::yield_now().await;
            }
            stand.push(&miner.inventory(4)).await
        })
    })
    .await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
}

#[tokio::test]
async fn a_list_whose_first_model_is_waited_for_goes_on_to_one_that_is_there() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::cold(&[&miner], |_| {}).await;
    stand.push(&miner.inventory(4)).await;
    let asking_for = |model: &str, stream: bool| {
        format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}],"stream":{stream}}}"#)
    };
    let (_waiting, first) = begin(&stand, &asking_for("spare", true)).await;
    assert!(first.starts_with(": waiting"), "{first}");
    let reply = in_time(stand.chat(&asking_for("spare,echo", false)).send()).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    let (_behind, second) = begin(&stand, &asking_for("spare", true)).await;
    assert!(second.starts_with(": waiting position=2"), "{second}");
}

#[tokio::test]
async fn the_queue_is_served_in_the_order_in_which_it_came() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::cold(&[&miner], |fleet| fleet.demand.bounty_step_ms = 0).await;
    let mut waiting = Vec::new();
    for number in 0..6 {
        let (response, first) = begin(&stand, &numbered(number)).await;
        assert_eq!(first, format!(": waiting position={}\n\n", number + 1));
        waiting.push(response);
    }
    // One slot: one call at a time.
    stand.push(&miner.inventory(1)).await;
    for response in waiting {
        assert!(rest(response).await.ends_with("data: [DONE]\n\n"));
    }
    let expected: Vec<Digest> = (0..6).map(|number| Digest::of(numbered(number).as_bytes())).collect();
    let served = tickets(&miner, 7).await;
    let served: Vec<Digest> = served
        .iter()
        .filter(|ticket| ticket.kind == Kind::Chat)
        .map(|ticket| ticket.request_sha256)
        .collect();
    assert_eq!(served, expected);
}

#[tokio::test]
async fn of_two_miners_that_compete_the_first_one_ready_gets_the_bounty_and_it_is_paid_once() {
    let first = TestMiner::start("//Bob", Manner::Honest).await;
    let second = TestMiner::start("//Charlie", Manner::Honest).await;
    let stand = Stand::cold(&[&first, &second], |fleet| {
        // Grows at once to all it can.
        fleet.demand.bounty_step_ms = 1;
        fleet.demand.bounty_claims_max = 3;
    })
    .await;
    let (response, _) = begin(&stand, &hello(true)).await;
    in_time(async {
        while stand.fleet.warm_up(&"echo".parse().unwrap()).unwrap().bounty_claims != Some(3) {
            tokio::task::yield_now().await;
        }
    })
    .await;

    stand.push(&second.inventory(4)).await;
    stand.push(&first.inventory(4)).await;
    rest(response).await;

    let claims =
        |miner: &TestMiner| miner.tickets().iter().filter(|ticket| ticket.kind == Kind::BountyClaim).count();
    in_time(async {
        while claims(&second) < 3 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // Another call finds the bounty gone.
    assert_eq!(stand.hello(false).await.status, StatusCode::OK);
    assert_eq!((claims(&first), claims(&second)), (0, 3));
    let claimed: Vec<DemandChange> = changes(&stand)
        .await
        .into_iter()
        .filter(|change| matches!(change, DemandChange::BountyClaimed { .. }))
        .collect();
    let model = "echo".parse().unwrap();
    assert_eq!(claimed, [DemandChange::BountyClaimed { model, miner: second.key.public(), claims: 3 }]);
    let paid = stand.receipts();
    let paid = paid.iter().filter(|stored| stored.receipt.ticket().kind == Kind::BountyClaim);
    assert!(paid.clone().all(|stored| stored.receipt.counts()) && paid.count() >= 2);
}

#[tokio::test]
async fn a_miner_that_cannot_prove_its_claim_leaves_the_bounty_to_the_next() {
    let liar = TestMiner::start("//Bob", Manner::NoReceipt).await;
    let honest = TestMiner::start("//Charlie", Manner::Honest).await;
    let stand = Stand::cold(&[&liar, &honest], |_| {}).await;
    let (response, _) = begin(&stand, &hello(true)).await;
    stand.push(&liar.inventory(4)).await;
    tickets(&liar, 1).await;
    stand.push(&honest.inventory(4)).await;
    rest(response).await;
    in_time(async {
        while !honest.tickets().iter().any(|ticket| ticket.kind == Kind::BountyClaim) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_full_queue_and_a_wait_in_vain_say_when_to_come_back() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::cold(&[&miner], |fleet| {
        fleet.demand.waiting_per_model_max = 1;
        fleet.demand.wait_ms_max = 200;
    })
    .await;
    let (response, _) = begin(&stand, &hello(true)).await;
    let full = stand.hello(false).await;
    assert_eq!((full.status, full.error_code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "queue_full"));
    assert!(full.headers.contains_key("retry-after"));

    let text = rest(response).await;
    assert!(text.contains("\"code\":\"model_cold\"") && !text.contains("[DONE]"), "{text}");
    let late = stand.hello(false).await;
    assert_eq!((late.status, late.error_code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "model_cold"));
    assert!(late.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn a_user_who_leaves_the_queue_is_not_served() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::cold(&[&miner], |_| {}).await;
    let (response, _) = begin(&stand, &hello(true)).await;
    drop(response);
    in_time(async {
        while !stand.fleet.demand().waiting.models().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    stand.push(&miner.inventory(4)).await;
    assert_eq!(tickets(&miner, 1).await[0].kind, Kind::BountyClaim);
    stand.fleet.drain().await;
    assert_eq!(miner.tickets().len(), 1);
}

#[tokio::test]
async fn a_model_can_be_warmed_up_before_it_is_needed() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::cold(&[&miner], |_| {}).await;
    let warm_up = || stand.ask("POST", "/v1/warmup").body(r#"{"model":"echo"}"#).send();
    let cold = warm_up().await;
    assert_eq!(cold.status, StatusCode::OK);
    assert_eq!((&cold.json()["state"], &cold.json()["bounty_claims"]), (&"cold".into(), &1.into()));
    stand.push(&miner.inventory(4)).await;
    tickets(&miner, 1).await;
    let hot = warm_up().await;
    assert_eq!((hot.status, &hot.json()["state"]), (StatusCode::OK, &"hot".into()));
    let unknown = stand.ask("POST", "/v1/warmup").body(r#"{"model":"none"}"#).send().await;
    assert_eq!(unknown.error_code(), "model_not_found");
}

#[tokio::test]
async fn a_user_who_leaves_a_stream_stops_the_miner_which_signs_for_what_it_sent() {
    let miner = TestMiner::start("//Bob", Manner::StopsWhenTold).await;
    let stand = Stand::start_with(&[&miner], |_, fleet| fleet.cancel_timeout_ms = 20_000).await;
    let mut response = stand.chat(&hello(true)).open().await;
    in_time(response.body_mut().frame()).await.unwrap().unwrap();

    drop(response);

    in_time(stand.fleet.drain()).await;
    let receipts = stand.receipts();
    assert_eq!(receipts.len(), 1);
    assert_eq!(receipts[0].receipt.observation().outcome, Outcome::ClientGone);
    assert!(!receipts[0].receipt.counts());
    assert_eq!(stand.fleet.miners()[0].in_flight, 0);
}

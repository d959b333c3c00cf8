//! Each signed request counts once.

use protocol::ticket;
use serde_json::json;

use crate::fixture::{Fixture, chat_body, in_time, refusal};

/// Sends the same bytes as before, signature and all.
async fn again(fixture: &Fixture, body: &[u8], headers: &[(String, String)]) -> (u16, String) {
    refusal(in_time(fixture.post(body, headers).send()).await.unwrap()).await
}

async fn answered(fixture: &Fixture) -> (Vec<u8>, Vec<(String, String)>) {
    let body = chat_body("one", json!({}));
    let mut headers = fixture.auth(&body);
    headers.push((ticket::HEADER.to_owned(), fixture.signed_ticket(&body).to_header()));
    let response = in_time(fixture.post(&body, &headers).send()).await.unwrap();
    assert_eq!(response.status(), 200);
    (body, headers)
}

fn replayed() -> (u16, String) {
    (401, "auth_replayed".to_owned())
}

#[tokio::test]
async fn a_replayed_request_is_refused() {
    let fixture = Fixture::start().await;
    let (body, headers) = answered(&fixture).await;
    assert_eq!(again(&fixture, &body, &headers).await, replayed());
}

#[tokio::test]
async fn a_nonce_that_was_let_in_is_refused_whatever_is_signed_with_it() {
    let fixture = Fixture::start().await;
    let (body, mut headers) = answered(&fixture).await;
    let (_, signature) = headers.iter_mut().find(|(name, _)| name.ends_with("signature")).unwrap();
    // Well-formed, and no signature of anybody's: checking it would be work for nothing.
    *signature = format!("0x{}", "8".repeat(128));
    assert_eq!(again(&fixture, &body, &headers).await, replayed());
}

#[tokio::test]
async fn of_many_copies_sent_at_once_one_is_answered() {
    let fixture = Fixture::start().await;
    let body = chat_body("one", json!({}));
    let mut headers = fixture.auth(&body);
    headers.push((ticket::HEADER.to_owned(), fixture.signed_ticket(&body).to_header()));
    let copies =
        (0..16).map(|_| async { fixture.post(&body, &headers).send().await.unwrap().status().as_u16() });
    let mut statuses = in_time(futures::future::join_all(copies)).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [&[200][..], &[401; 15]].concat());
}

#[tokio::test]
async fn a_request_replayed_after_a_restart_is_refused_and_a_new_one_is_not() {
    let mut fixture = Fixture::start().await;
    let (body, headers) = answered(&fixture).await;
    fixture.restart().await;
    assert_eq!(again(&fixture, &body, &headers).await, replayed());
    answered(&fixture).await;
}

#[tokio::test]
async fn a_request_replayed_after_a_crash_is_refused() {
    let mut fixture = Fixture::start().await;
    let (body, headers) = answered(&fixture).await;
    fixture.crash().await;
    assert_eq!(again(&fixture, &body, &headers).await, replayed());

    // The mark on disk is up to a second ahead, so what was signed right after is refused with it ...
    let fresh = fixture.auth(&body);
    assert_eq!(again(&fixture, &body, &fresh).await, replayed());
    // ... and what was signed later is not.
    let later = fixture.auth_at(&body, fixture.nonce_ns() + 1_500_000_000);
    let ticket = fixture.signed_ticket(&body).to_header();
    let response = in_time(fixture.post(&body, &later).header(ticket::HEADER, ticket).send()).await.unwrap();
    assert_eq!(response.status(), 200);
}

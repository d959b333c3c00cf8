//! What is not served, and how that is said.

use protocol::digest::Digest;
use protocol::signing::Keypair;
use protocol::ticket::{self, Kind, SignedTicket, Ticket};
use reqwest::RequestBuilder;
use serde_json::json;
use subnet_miner::permits::{PermitPolicy, Permits};

use crate::fixture::{CHAT, Fixture, chat_body, in_time, now_ms, now_ns, refusal, sign};

async fn refused(request: RequestBuilder) -> (u16, String) {
    refusal(in_time(request.send()).await.unwrap()).await
}

fn code(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// Sends a good request with a ticket that differs from a good one in what `change` changes.
async fn with_ticket(fixture: &Fixture, change: impl FnOnce(Ticket) -> SignedTicket) -> (u16, String) {
    let body = chat_body("one", json!({}));
    refused(fixture.chat_with(&body, &change(fixture.ticket(&body)))).await
}

#[tokio::test]
async fn a_request_without_signature_is_refused() {
    let fixture = Fixture::start().await;
    assert_eq!(refused(fixture.post(&chat_body("one", json!({})), &[])).await, code(401, "auth_malformed"));
}

#[tokio::test]
async fn a_signature_by_another_key_is_refused() {
    let fixture = Fixture::start().await;
    let body = chat_body("one", json!({}));
    let mut headers = fixture.auth(&body);
    let forged = sign(&fixture.miner, CHAT, &body, &fixture.miner.public(), now_ns());
    headers.iter_mut().zip(forged).filter(|(header, _)| header.0.ends_with("signature")).for_each(
        |(header, forged)| {
            header.1 = forged.1;
        },
    );
    assert_eq!(refused(fixture.post(&body, &headers)).await, code(401, "auth_bad_signature"));
}

#[tokio::test]
async fn a_body_changed_after_signing_is_refused() {
    let fixture = Fixture::start().await;
    let headers = fixture.auth(&chat_body("one", json!({})));
    let other = chat_body("two", json!({}));
    assert_eq!(refused(fixture.post(&other, &headers)).await, code(401, "auth_bad_signature"));
}

#[tokio::test]
async fn a_request_signed_for_another_path_is_refused() {
    let fixture = Fixture::start().await;
    let body = chat_body("one", json!({}));
    let headers = sign(&fixture.validator, "/v1/other", &body, &fixture.miner.public(), now_ns());
    assert_eq!(refused(fixture.post(&body, &headers)).await, code(401, "auth_bad_signature"));
}

#[tokio::test]
async fn a_request_for_another_receiver_is_refused() {
    let fixture = Fixture::start().await;
    let body = chat_body("one", json!({}));
    let headers = sign(&fixture.validator, CHAT, &body, &fixture.validator.public(), now_ns());
    assert_eq!(refused(fixture.post(&body, &headers)).await, code(401, "auth_wrong_receiver"));
}

#[tokio::test]
async fn requests_signed_too_long_ago_or_too_far_ahead_are_refused() {
    let fixture = Fixture::start().await;
    let body = chat_body("one", json!({}));
    for nonce_ns in [now_ns() - 10_500_000_000, now_ns() + 4_000_000_000] {
        let headers = fixture.auth_at(&body, nonce_ns);
        assert_eq!(refused(fixture.post(&body, &headers)).await, code(401, "auth_stale"));
    }
}

#[tokio::test]
async fn a_doubled_auth_header_is_refused() {
    let fixture = Fixture::start().await;
    let body = chat_body("one", json!({}));
    let mut headers = fixture.auth(&body);
    headers.push(headers[0].clone());
    assert_eq!(refused(fixture.post(&body, &headers)).await, code(401, "auth_malformed"));
}

#[tokio::test]
async fn a_caller_without_permit_is_refused_until_it_has_one() {
    let fixture = Fixture::start().await;
    let charlie = Keypair::from_dev_uri("//Charlie").unwrap();
    let body = chat_body("one", json!({}));
    let ticket = || Ticket { validator: charlie.public(), ..fixture.ticket(&body) }.sign(&charlie);
    let request = || {
        let headers = sign(&charlie, CHAT, &body, &fixture.miner.public(), now_ns());
        fixture.post(&body, &headers).header(ticket::HEADER, ticket().to_header())
    };
    assert_eq!(refused(request()).await, code(403, "forbidden_no_permit"));
    fixture.permits.send_replace(Permits::of(PermitPolicy::default(), [charlie.public()], now_ms()));
    assert_eq!(in_time(request().send()).await.unwrap().status(), 200);
    let body = chat_body("one", json!({}));
    assert_eq!(refused(fixture.chat(&body)).await, code(403, "forbidden_no_permit"));
}

#[tokio::test]
async fn a_caller_without_permit_is_refused_before_its_signature_is_checked() {
    let fixture = Fixture::start().await;
    let charlie = Keypair::from_dev_uri("//Charlie").unwrap();
    let body = chat_body("one", json!({}));
    let headers = sign(&charlie, CHAT, &chat_body("two", json!({})), &fixture.miner.public(), now_ns());
    assert_eq!(refused(fixture.post(&body, &headers)).await, code(403, "forbidden_no_permit"));
    fixture.permits.send_replace(Permits::of(PermitPolicy::default(), [charlie.public()], now_ms()));
    let headers = sign(&charlie, CHAT, &chat_body("two", json!({})), &fixture.miner.public(), now_ns());
    assert_eq!(refused(fixture.post(&body, &headers)).await, code(401, "auth_bad_signature"));
}

#[tokio::test]
async fn forged_requests_spoil_nothing_for_good_ones_that_arrive_with_them() {
    let fixture = Fixture::start().await;
    let body = chat_body("one", json!({}));
    let all = (0..24).map(async |number: u32| {
        let good = fixture.chat(&body);
        let forged_ticket = fixture.ticket(&body).sign(&fixture.miner);
        let other = chat_body("two", json!({}));
        match number % 3 {
            0 => refused(fixture.chat_with(&body, &forged_ticket)).await,
            1 => {
                let signed = fixture.auth(&other);
                let ticket = fixture.signed_ticket(&body).to_header();
                refused(fixture.post(&body, &signed).header(ticket::HEADER, ticket)).await
            }
            _ => code(in_time(good.send()).await.unwrap().status().as_u16(), "answered"),
        }
    });
    for (number, found) in futures::future::join_all(all).await.into_iter().enumerate() {
        let expected =
            [code(401, "ticket_bad_signature"), code(401, "auth_bad_signature"), code(200, "answered")];
        assert_eq!(found, expected[number % 3], "{number}");
    }
}

#[tokio::test]
async fn permits_read_too_long_ago_do_not_count() {
    let fixture = Fixture::start().await;
    fixture.permits.send_replace(Permits::of(PermitPolicy::default(), [fixture.validator.public()], 0));
    let body = chat_body("one", json!({}));
    assert_eq!(refused(fixture.chat(&body)).await, code(503, "metagraph_stale"));
}

#[tokio::test]
async fn a_missing_or_unreadable_ticket_is_refused() {
    let fixture = Fixture::start().await;
    let body = chat_body("one", json!({}));
    assert_eq!(refused(fixture.post(&body, &fixture.auth(&body))).await, code(400, "ticket_missing"));
    let garbage = fixture.post(&body, &fixture.auth(&body)).header(ticket::HEADER, "0x00");
    assert_eq!(refused(garbage).await, code(400, "ticket_malformed"));
}

#[tokio::test]
async fn a_ticket_must_be_signed_by_the_caller_it_names() {
    let fixture = Fixture::start().await;
    let forged = with_ticket(&fixture, |ticket| ticket.sign(&fixture.miner)).await;
    assert_eq!(forged, code(401, "ticket_bad_signature"));
    let other = with_ticket(&fixture, |ticket| {
        Ticket { validator: fixture.miner.public(), ..ticket }.sign(&fixture.miner)
    });
    assert_eq!(other.await, code(403, "ticket_wrong_sender"));
}

#[tokio::test]
async fn a_ticket_for_something_else_is_refused() {
    let fixture = Fixture::start().await;
    let validator = fixture.validator.public();
    let sign = |ticket: Ticket| ticket.sign(&fixture.validator);
    let cases = [
        (
            with_ticket(&fixture, |ticket| sign(Ticket { request_sha256: Digest::of(b"other"), ..ticket }))
                .await,
            "ticket_wrong_request",
        ),
        (with_ticket(&fixture, |ticket| sign(Ticket { netuid: 1, ..ticket })).await, "ticket_wrong_subnet"),
        (
            with_ticket(&fixture, |ticket| sign(Ticket { miner: validator, ..ticket })).await,
            "ticket_wrong_miner",
        ),
        (
            with_ticket(&fixture, |ticket| sign(Ticket { deadline_ms: now_ms() - 1, ..ticket })).await,
            "ticket_expired",
        ),
        (
            with_ticket(&fixture, |ticket| sign(Ticket { model: "other".parse().unwrap(), ..ticket })).await,
            "ticket_wrong_model",
        ),
        (
            with_ticket(&fixture, |ticket| sign(Ticket { kind: Kind::Embedding, ..ticket })).await,
            "ticket_wrong_kind",
        ),
        (
            with_ticket(&fixture, |ticket| sign(Ticket { completion_tokens_max: 0, ..ticket })).await,
            "ticket_without_tokens",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, code(400, expected));
    }
}

#[tokio::test]
async fn a_ticket_for_other_weights_of_the_model_is_refused() {
    let fixture = Fixture::start().await;
    let found = with_ticket(&fixture, |ticket| {
        Ticket { weights_digest: Digest::of(b"other"), ..ticket }.sign(&fixture.validator)
    });
    assert_eq!(found.await, code(404, "weights_not_found"));
}

#[tokio::test]
async fn a_used_ticket_is_refused_also_after_a_restart() {
    let mut fixture = Fixture::start().await;
    let body = chat_body("one", json!({}));
    let ticket = fixture.signed_ticket(&body);
    assert_eq!(in_time(fixture.chat_with(&body, &ticket).send()).await.unwrap().status(), 200);
    assert_eq!(refused(fixture.chat_with(&body, &ticket)).await, code(400, "ticket_sequence_used"));
    fixture.restart().await;
    assert_eq!(refused(fixture.chat_with(&body, &ticket)).await, code(400, "ticket_sequence_used"));
}

#[tokio::test]
async fn a_body_that_is_no_chat_request_is_refused() {
    let fixture = Fixture::start().await;
    for body in [&b"{"[..], b"[]", br#"{"model":"echo"}"#, br#"{"model":"echo","messages":[]}"#] {
        assert_eq!(refused(fixture.chat(body)).await, code(400, "invalid_request"));
    }
    let response =
        in_time(fixture.chat(&chat_body("one", json!({ "temperature": 9 }))).send()).await.unwrap();
    let error = response.json::<serde_json::Value>().await.unwrap();
    assert_eq!(error["error"]["param"], "temperature");
}

#[tokio::test]
async fn a_model_that_is_not_loaded_is_refused() {
    let fixture = Fixture::start().await;
    let body = chat_body("one", json!({ "model": "unknown/model" }));
    let ticket = Ticket { model: "unknown/model".parse().unwrap(), ..fixture.ticket(&body) };
    let found = refused(fixture.chat_with(&body, &ticket.sign(&fixture.validator))).await;
    assert_eq!(found, code(404, "model_not_found"));
}

#[tokio::test]
async fn a_prompt_longer_than_the_ticket_allows_is_refused() {
    let fixture = Fixture::start().await;
    let body = chat_body("one two three", json!({}));
    let ticket = Ticket { prompt_tokens_max: 2, ..fixture.ticket(&body) }.sign(&fixture.validator);
    assert_eq!(refused(fixture.chat_with(&body, &ticket)).await, code(400, "context_length_exceeded"));
}

#[tokio::test]
async fn unknown_paths_and_methods_get_error_objects_too() {
    let fixture = Fixture::start().await;
    assert_eq!(refused(fixture.client.get(fixture.url("/nothing"))).await, code(404, "not_found"));
    assert_eq!(refused(fixture.client.get(fixture.url(CHAT))).await, code(405, "method_not_allowed"));
}

//! Answers and their receipts.

use protocol::digest::{Digest, Hasher};
use protocol::openai::{ChatChunk, ChatCompletion, FinishReason as Named};
use protocol::receipt::{self, FinishReason, MinerSigned, SignedReceipt};
use serde_json::{Value, json};

use crate::fixture::{Fixture, MODEL, NETUID, chat_body, in_time, now_ms};

#[tokio::test]
async fn a_whole_answer_comes_with_a_receipt_over_its_bytes() {
    let fixture = Fixture::start().await;
    let body = chat_body("one two three", json!({}));
    let ticket = fixture.signed_ticket(&body);
    let response =
        in_time(fixture.chat_with(&body, &ticket).header("x-request-id", "abc-1").send()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-request-id"], "abc-1");
    let header = response.headers()[receipt::HEADER].to_str().unwrap().to_owned();
    let bytes = response.bytes().await.unwrap();

    let completion: ChatCompletion = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(completion.choices[0].message.content.as_deref(), Some("one two three"));
    assert_eq!(completion.choices[0].finish_reason, Some(Named::Stop));
    assert_eq!(completion.model, MODEL);

    let signed =
        MinerSigned::check(ticket.verify().unwrap(), SignedReceipt::from_header(&header).unwrap()).unwrap();
    let receipt = signed.receipt();
    assert_eq!(receipt.output_sha256, Digest::of(&[&bytes[..], b"\n"].concat()));
    assert_eq!(receipt.finish_reason, FinishReason::Stop);
    assert_eq!(receipt.prompt_tokens, completion.usage.prompt_tokens);
    assert_eq!(receipt.completion_tokens, completion.usage.completion_tokens);
    assert_eq!(receipt.prompt_tokens, 3);
    assert!(receipt.completion_tokens >= 3);
}

#[tokio::test]
async fn a_streamed_answer_ends_with_a_receipt_over_its_chunks() {
    let fixture = Fixture::start().await;
    let body =
        chat_body("one two three", json!({ "stream": true, "stream_options": { "include_usage": true } }));
    let ticket = fixture.signed_ticket(&body);
    let stream = read_stream(&fixture, &body, &ticket).await;

    assert_eq!(stream.content_type, "text/event-stream");
    let chunks: Vec<ChatChunk> = stream.data.iter().map(|json| serde_json::from_str(json).unwrap()).collect();
    let first = &chunks[0].choices[0].delta;
    assert_eq!((first.role.as_deref(), first.content.as_deref()), (Some("assistant"), Some("")));
    let text: String = chunks
        .iter()
        .flat_map(|chunk| &chunk.choices)
        .filter_map(|choice| choice.delta.content.clone())
        .collect();
    assert_eq!(text, "one two three");
    let [.., finish, usage] = &chunks[..] else { panic!("too few chunks") };
    assert_eq!(finish.choices[0].finish_reason, Some(Named::Stop));
    assert!(usage.choices.is_empty());
    assert!(chunks[..chunks.len() - 2].iter().all(|chunk| chunk.choices[0].finish_reason.is_none()));

    let signed = MinerSigned::check(ticket.verify().unwrap(), stream.receipt.unwrap()).unwrap();
    let mut hasher = Hasher::new();
    for json in &stream.data {
        hasher.update(json.as_bytes());
        hasher.update(b"\n");
    }
    assert_eq!(signed.receipt().output_sha256, hasher.finish());
    assert_eq!(signed.receipt().completion_tokens, usage.usage.unwrap().completion_tokens);
    assert!(signed.receipt().first_token_ms <= signed.receipt().total_ms);
}

#[tokio::test]
async fn a_stream_reports_usage_only_when_asked() {
    let fixture = Fixture::start().await;
    let body = chat_body("one", json!({ "stream": true }));
    let stream = read_stream(&fixture, &body, &fixture.signed_ticket(&body)).await;
    assert!(stream.data.iter().all(|json| !json.contains("usage")), "{:?}", stream.data);
    assert!(stream.receipt.is_some());
}

#[tokio::test]
async fn the_tickets_token_limit_ends_an_answer() {
    let fixture = Fixture::start().await;
    let body = chat_body("one two three four", json!({ "max_tokens": 100 }));
    let ticket = protocol::ticket::Ticket { completion_tokens_max: 2, ..fixture.ticket(&body) }
        .sign(&fixture.validator);
    let response = in_time(fixture.chat_with(&body, &ticket).send()).await.unwrap();
    let header = response.headers()[receipt::HEADER].to_str().unwrap().to_owned();
    let completion: ChatCompletion = response.json().await.unwrap();
    assert_eq!(completion.choices[0].message.content.as_deref(), Some("one two"));
    assert_eq!(completion.choices[0].finish_reason, Some(Named::Length));
    let signed =
        MinerSigned::check(ticket.verify().unwrap(), SignedReceipt::from_header(&header).unwrap()).unwrap();
    assert_eq!(signed.receipt().finish_reason, FinishReason::Length);
    assert_eq!(signed.receipt().completion_tokens, 2);
}

#[tokio::test]
async fn each_receipt_names_the_one_before_also_after_a_restart() {
    let mut fixture = Fixture::start().await;
    let first = receipt_of(&fixture).await;
    let second = receipt_of(&fixture).await;
    fixture.restart().await;
    let third = receipt_of(&fixture).await;
    assert_eq!(first.receipt.previous, Digest::ZERO);
    assert_eq!(second.receipt.previous, first.receipt.hash());
    assert_eq!(third.receipt.previous, second.receipt.hash());
}

#[tokio::test]
async fn tickets_may_arrive_out_of_order() {
    let fixture = Fixture::start().await;
    let body = chat_body("one", json!({}));
    let (early, late) = (fixture.signed_ticket(&body), fixture.signed_ticket(&body));
    for ticket in [late, early] {
        let response = in_time(fixture.chat_with(&body, &ticket).send()).await.unwrap();
        assert_eq!(response.status(), 200);
    }
}

#[tokio::test]
async fn the_inventory_is_signed_and_names_what_is_loaded() {
    let fixture = Fixture::start().await;
    let response = in_time(fixture.client.get(fixture.url("/inventory")).send()).await.unwrap();
    let signed: protocol::inventory::SignedInventory = response.json().await.unwrap();
    let inventory = signed.verify(now_ms(), 5_000, &fixture.miner.public()).unwrap();
    assert_eq!(inventory.netuid, NETUID);
    assert_eq!(inventory.models.len(), 1);
    assert_eq!(inventory.models[0].id.as_str(), MODEL);
    assert_eq!(inventory.models[0].weights_digest, Digest::of(b""));
    assert!(inventory.models[0].slots > 0);
}

#[tokio::test]
async fn health_needs_no_signature() {
    let fixture = Fixture::start().await;
    let response = in_time(fixture.client.get(fixture.url("/health")).send()).await.unwrap();
    assert_eq!(response.status(), 200);
    let health = response.json::<Value>().await.unwrap();
    assert_eq!(health, json!({ "status": "ok", "models": 1, "validators": 1 }));
}

struct Stream {
    content_type: String,
    data: Vec<String>,
    receipt: Option<SignedReceipt>,
}

async fn read_stream(fixture: &Fixture, body: &[u8], ticket: &protocol::ticket::SignedTicket) -> Stream {
    let response = in_time(fixture.chat_with(body, ticket).send()).await.unwrap();
    assert_eq!(response.status(), 200);
    let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    let text = in_time(response.text()).await.unwrap();
    let mut stream = Stream { content_type, data: Vec::new(), receipt: None };
    for event in text.split_terminator("\n\n") {
        assert!(stream.receipt.is_none(), "nothing follows the receipt");
        match event.strip_prefix("event: receipt\ndata: ") {
            Some(receipt) => stream.receipt = Some(SignedReceipt::from_header(receipt).unwrap()),
            None => stream.data.push(event.strip_prefix("data: ").unwrap().to_owned()),
        }
    }
    stream
}

async fn receipt_of(fixture: &Fixture) -> SignedReceipt {
    let response = in_time(fixture.chat(&chat_body("one", json!({}))).send()).await.unwrap();
    SignedReceipt::from_header(response.headers()[receipt::HEADER].to_str().unwrap()).unwrap()
}

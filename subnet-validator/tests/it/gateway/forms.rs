//! Other forms of asking than a chat: converted here, answered by a chat that its receipt covers.

use crate::support::Ask;
use crate::support::miner::{Manner, TOKENS, TestMiner};
use crate::support::stand::Stand;
use http::StatusCode;
use protocol::ticket::Kind;
use serde_json::{Value, json};

const MESSAGE: &str = r#"{"model":"echo","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#;

/// Names and data of a stream's events.
fn named_events(stream: &str) -> Vec<(String, Value)> {
    let event = |event: &str| {
        let (name, data) = event.split_once("\ndata: ").unwrap();
        (name.strip_prefix("event: ").unwrap().to_owned(), serde_json::from_str(data).unwrap())
    };
    stream.split_terminator("\n\n").map(event).collect()
}

#[tokio::test]
async fn a_message_of_anthropics_form_is_answered_by_a_chat_with_a_receipt() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::start(&[&miner]).await;

    // Its clients send the key in a header of its own.
    let ask = Ask::new("POST", stand.gateway.address(), "/v1/messages").header("x-api-key", &stand.secret);
    let reply = ask.body(MESSAGE).send().await;

    assert_eq!(reply.status, StatusCode::OK);
    let message = reply.json();
    assert_eq!(message["content"], json!([{"type": "text", "text": TOKENS.concat()}]));
    assert_eq!(
        (&message["stop_reason"], &message["usage"]["output_tokens"]),
        (&json!("end_turn"), &json!(3))
    );
    let receipts = stand.receipts();
    assert!(receipts[0].receipt.counts());
    assert_eq!(receipts[0].receipt.ticket().kind, Kind::Chat);
}

#[tokio::test]
async fn a_streamed_message_has_anthropics_events_in_their_order() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::start(&[&miner]).await;
    let body = MESSAGE.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"");

    let text = stand.ask("POST", "/v1/messages").body(body).send().await.text();

    let events = named_events(&text);
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names[0], names[1]), ("message_start", "content_block_start"));
    assert_eq!(names[names.len() - 3..], ["content_block_stop", "message_delta", "message_stop"]);
    let said: String = events.iter().filter_map(|(_, data)| data["delta"]["text"].as_str()).collect();
    assert_eq!(said, TOKENS.concat());
    assert_eq!(stand.ledger.head().size, 1);
}

#[tokio::test]
async fn errors_of_messages_have_anthropics_form() {
    let stand = Stand::start(&[]).await;
    let ask = |body: &'static str| stand.ask("POST", "/v1/messages").body(body).send();
    let unknown =
        ask(r#"{"model":"nobody","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#).await;
    assert_eq!((unknown.status, &unknown.json()["type"]), (StatusCode::NOT_FOUND, &json!("error")));
    assert_eq!(unknown.json()["error"]["type"], "not_found_error");
    let none = ask(r#"{"model":"echo","max_tokens":0,"messages":[{"role":"user","content":"Hi"}]}"#).await;
    assert_eq!(
        (none.status, &none.json()["error"]["type"]),
        (StatusCode::BAD_REQUEST, &json!("invalid_request_error"))
    );
    let cold = ask(MESSAGE).await;
    assert_eq!(cold.json()["error"]["type"], "overloaded_error");
    assert!(cold.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn errors_name_the_field_that_the_user_wrote() {
    let stand = Stand::start(&[]).await;
    let told = async |path: &str, body: Value| {
        let reply = stand.ask("POST", path).body(body.to_string()).send().await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        reply.json()["error"].clone()
    };
    let stops = vec!["x"; 17];
    let message = json!({"model": "echo", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]});
    let mut with_stops = message.clone();
    with_stops["stop_sequences"] = json!(stops);
    let error = told("/v1/messages", with_stops).await;
    assert!(error["message"].as_str().unwrap().starts_with("stop_sequences: stop_sequences may"), "{error}");
    let response = json!({"model": "echo", "input": "Hi", "max_output_tokens": 0});
    let error = told("/v1/responses", response).await;
    assert_eq!(error["param"], "max_output_tokens", "{error}");
    assert!(error["message"].as_str().unwrap().starts_with("max_output_tokens"), "{error}");
}

#[tokio::test]
async fn a_response_is_answered_by_a_chat_whole_and_streamed() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::start(&[&miner]).await;
    let ask = |body: Value| stand.ask("POST", "/v1/responses").body(body.to_string()).send();

    let whole = ask(json!({"model": "echo", "input": "Hi"})).await.json();
    assert_eq!(whole["output"][0]["content"][0]["text"], TOKENS.concat());
    assert_eq!((&whole["status"], &whole["usage"]["total_tokens"]), (&json!("completed"), &json!(8)));

    let text = ask(json!({"model": "echo", "input": "Hi", "stream": true})).await.text();
    let events = named_events(&text);
    let said: String = events
        .iter()
        .filter(|(name, _)| name == "response.output_text.delta")
        .filter_map(|(_, data)| data["delta"].as_str())
        .collect();
    assert_eq!(said, TOKENS.concat());
    let (last, data) = events.last().unwrap();
    assert_eq!(
        (last.as_str(), &data["response"]["output"][0]["content"][0]["text"]),
        ("response.completed", &json!(TOKENS.concat()))
    );
    assert_eq!(stand.ledger.head().size, 2);

    let stored = ask(json!({"model": "echo", "input": "Hi", "previous_response_id": "resp_1"})).await;
    assert_eq!(
        (stored.status, stored.json()["error"]["param"].as_str()),
        (StatusCode::BAD_REQUEST, Some("previous_response_id"))
    );
}

#[tokio::test]
async fn a_stream_that_breaks_off_says_so_in_its_own_form() {
    let miner = TestMiner::start("//Bob", Manner::ErrorMidStream).await;
    let stand = Stand::start(&[&miner]).await;
    let body = MESSAGE.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"");
    let text = stand.ask("POST", "/v1/messages").body(body).send().await.text();
    let (name, data) = named_events(&text).pop().unwrap();
    assert_eq!((name.as_str(), &data["error"]["type"]), ("error", &json!("api_error")));
    let body = json!({"model": "echo", "input": "Hi", "stream": true}).to_string();
    let text = stand.ask("POST", "/v1/responses").body(body).send().await.text();
    let (name, data) = named_events(&text).pop().unwrap();
    assert_eq!((name.as_str(), &data["response"]["status"]), ("response.failed", &json!("failed")));
}

#[tokio::test]
async fn the_openapi_document_needs_no_key_and_every_answer_tells_its_time() {
    let stand = Stand::start(&[]).await;
    let reply = Ask::new("GET", stand.gateway.address(), "/openapi.json").send().await;
    assert_eq!((reply.status, reply.json()["openapi"].as_str()), (StatusCode::OK, Some("3.1.0")));
    let elapsed_ms: u64 = reply.headers["openai-processing-ms"].to_str().unwrap().parse().unwrap();
    assert!(elapsed_ms < 10_000);
    let closed = Ask::new("GET", stand.gateway.address(), "/v1/nothing-here").send().await;
    assert_eq!(closed.status, StatusCode::UNAUTHORIZED);
    assert_eq!(stand.ask("GET", "/v1/nothing-here").send().await.status, StatusCode::NOT_FOUND);
    assert_eq!(stand.ask("GET", "/v1/messages").send().await.status, StatusCode::METHOD_NOT_ALLOWED);
}

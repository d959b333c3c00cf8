use crate::support::miner::{Manner, TestMiner};
use crate::support::stand::{Stand, hello};
use http::StatusCode;

#[tokio::test]
async fn malformed_requests_are_refused_with_the_field_at_fault_and_reach_no_miner() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::start(&[&miner]).await;
    let cases = [
        ("", ""),
        ("{", ""),
        ("[]", ""),
        (r#"{"model":"echo"}"#, ""),
        (r#"{"model":"echo","messages":[]}"#, "messages"),
        (r#"{"model":"echo","messages":[{"role":"king","content":"x"}]}"#, "messages[0].role"),
        (r#"{"model":"echo","messages":[{"role":"user","content":"x"}],"temperature":9}"#, "temperature"),
        (r#"{"model":"echo","messages":[{"role":"user","content":"x"}],"n":17}"#, "n"),
    ];
    for (body, param) in cases {
        let reply = stand.chat(body).send().await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{body}");
        reply.error_code();
        assert_eq!(reply.json()["error"]["param"].as_str().unwrap_or_default(), param, "{body}");
    }
    assert!(miner.tickets().is_empty());
}

#[tokio::test]
async fn an_unknown_model_is_not_found() {
    let stand = Stand::start(&[]).await;
    let reply = stand.chat(&hello(false).replace("echo", "gpt-9")).send().await;
    assert_eq!((reply.status, reply.error_code().as_str()), (StatusCode::NOT_FOUND, "model_not_found"));
}

#[tokio::test]
async fn too_large_a_body_is_refused() {
    let stand = Stand::start_with(&[], |gateway, _| gateway.body_bytes_max = 100).await;
    let reply = stand.chat(&hello(false).replace("Hi", &"x".repeat(100))).send().await;
    assert_eq!(
        (reply.status, reply.error_code().as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large")
    );
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_get_error_objects_too() {
    let stand = Stand::start(&[]).await;
    for target in ["/v1/nothing", "/nothing"] {
        let reply = stand.ask("GET", target).send().await;
        assert_eq!((reply.status, reply.error_code().as_str()), (StatusCode::NOT_FOUND, "unknown_path"));
    }
    let reply = stand.ask("GET", "/v1/chat/completions").send().await;
    assert_eq!(
        (reply.status, reply.error_code().as_str()),
        (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed")
    );
}

#[tokio::test]
async fn a_call_past_the_limit_is_told_when_to_come_back() {
    let miner = TestMiner::start("//Bob", Manner::Stalls).await;
    let stand = Stand::start_with(&[&miner], |gateway, _| gateway.requests_in_flight_max = 1).await;
    let held = stand.chat(&hello(true)).open().await;
    assert_eq!(held.status(), StatusCode::OK);

    let reply = stand.hello(false).await;

    assert_eq!(
        (reply.status, reply.error_code().as_str()),
        (StatusCode::TOO_MANY_REQUESTS, "too_many_calls")
    );
    assert_eq!(reply.headers["retry-after"], "1");
}

#[tokio::test]
async fn an_address_may_hold_only_so_many_connections() {
    use tokio::io::AsyncReadExt;
    let stand = Stand::start_with(&[], |gateway, _| gateway.connections_per_address_max = 1).await;
    let mut first = tokio::net::TcpStream::connect(stand.gateway.address()).await.unwrap();
    let mut second = tokio::net::TcpStream::connect(stand.gateway.address()).await.unwrap();
    assert_eq!(second.read(&mut [0; 1]).await.unwrap(), 0, "it is closed without a word");
    assert_eq!(health_over(&mut first).await, "HTTP/1.1 200 OK");
}

/// The status line of `/health` over a connection that is open.
async fn health_over(stream: &mut tokio::net::TcpStream) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await.unwrap();
    String::from_utf8(answer.to_vec()).unwrap()
}

#[tokio::test]
async fn a_connection_that_never_finishes_its_request_head_is_closed() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let stand = Stand::start_with(&[], |gateway, _| gateway.header_read_timeout_ms = 50).await;
    let mut slow = tokio::net::TcpStream::connect(stand.gateway.address()).await.unwrap();
    slow.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    let mut answer = Vec::new();
    // Ends only because the server closes the connection.
    slow.read_to_end(&mut answer).await.unwrap();
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
}

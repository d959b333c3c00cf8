use std::time::Instant;

use tokio::net::TcpListener;

use super::*;

const DEADLINE_MS: u64 = 400;

async fn connect_to(urls: &[String]) -> (ConnectError, Duration) {
    let started = Instant::now();
    let config = ConnectConfig { request_timeout_ms: DEADLINE_MS, ..ConnectConfig::new(urls) };
    let error = ChainClient::connect(config).await.unwrap_err();
    (error, started.elapsed())
}

fn url(listener: &TcpListener) -> String {
    format!("ws://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn connecting_to_nothing_names_the_endpoint_and_the_reason() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url(&listener);
    drop(listener);
    let (error, took) = connect_to(std::slice::from_ref(&url)).await;
    assert!(took < Duration::from_millis(4 * DEADLINE_MS), "{took:?}");
    let text = error.to_string();
    assert!(text.contains(&url) && text.to_lowercase().contains("refused"), "{text}");
    assert!(error.hint().contains("check the URL"));
}

#[tokio::test]
async fn endpoints_that_never_answer_cost_no_more_than_the_deadline() {
    // They accept connections and say nothing, as a half-open proxy does.
    let (one, two) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (error, took) = connect_to(&[url(&one), url(&two)]).await;
    assert!(took < Duration::from_millis(4 * DEADLINE_MS), "{took:?}");
    assert!(matches!(&error, ConnectError::Unreachable { tried } if tried.len() == 2), "{error}");
}

#[tokio::test]
async fn something_else_than_a_url_is_refused() {
    let (error, _) = connect_to(&["not a url".to_owned()]).await;
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
    let (error, _) = connect_to(&[]).await;
    assert_eq!(error, ConnectError::NoEndpoint);
}

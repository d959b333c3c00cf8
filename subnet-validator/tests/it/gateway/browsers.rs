//! Which web pages may call the gateway.

use http::StatusCode;

use crate::support::stand::Stand;
use crate::support::{Ask, Reply};

const PAGE: &str = "https://chat.example.org";

async fn stand(origins: &[&str]) -> Stand {
    Stand::start_with(&[], |gateway, _| {
        gateway.cors.origins = origins.iter().map(|o| (*o).to_owned()).collect()
    })
    .await
}

async fn preflight(stand: &Stand, origin: &str) -> Reply {
    Ask::new("OPTIONS", stand.gateway.address(), "/v1/chat/completions")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization, content-type")
        .send()
        .await
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_call_and_read_the_limits() {
    let stand = stand(&[PAGE]).await;
    let reply = preflight(&stand, PAGE).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    assert_eq!(reply.headers["access-control-allow-origin"], PAGE);
    assert_eq!(reply.headers["access-control-allow-headers"], "authorization, content-type");
    assert_eq!(reply.headers["vary"], "origin");

    let reply = stand.ask("GET", "/v1/models").header("origin", PAGE).send().await;
    assert_eq!(reply.headers["access-control-allow-origin"], PAGE);
    assert!(reply.headers["access-control-expose-headers"].to_str().unwrap().contains("retry-after"));
    // A refusal must be readable too, or the page cannot tell why.
    let reply = Ask::new("GET", stand.gateway.address(), "/v1/models").header("origin", PAGE).send().await;
    assert_eq!(
        (reply.status, reply.headers["access-control-allow-origin"] == PAGE),
        (StatusCode::UNAUTHORIZED, true)
    );
}

#[tokio::test]
async fn a_page_of_another_origin_gets_no_permission() {
    let stand = stand(&[PAGE]).await;
    for origin in ["https://evil.example.org", "https://chat.example.org.evil.example", "null"] {
        assert!(
            !preflight(&stand, origin).await.headers.contains_key("access-control-allow-origin"),
            "{origin}"
        );
        let reply = stand.ask("GET", "/v1/models").header("origin", origin).send().await;
        assert!(!reply.headers.contains_key("access-control-allow-origin"), "{origin}");
    }
}

#[tokio::test]
async fn a_star_allows_every_origin_and_nothing_is_allowed_by_default() {
    let reply = preflight(&stand(&["*"]).await, PAGE).await;
    assert_eq!(reply.headers["access-control-allow-origin"], "*");
    assert!(!preflight(&stand(&[]).await, PAGE).await.headers.contains_key("access-control-allow-origin"));
}

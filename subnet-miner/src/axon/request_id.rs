//! One id per request, from the validator or made here, on every answer and in every log line.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use chain_client::cli::logging::traces::{self, TRACEPARENT};
use http::HeaderValue;
use tracing::Instrument;

/// The header that carries the id, both ways.
pub const HEADER: &str = "x-request-id";

const CHARS_MAX: usize = 128;

/// Takes or makes the request's id, opens its log span, and puts the id on the answer.
pub(super) async fn assign(request: Request, next: Next) -> Response {
    let given = request.headers().get(HEADER).and_then(|value| value.to_str().ok()).filter(|id| is_safe(id));
    let id = given.map_or_else(|| format!("req_{}", random_hex()), str::to_owned);
    let span = tracing::info_span!("request", otel.kind = "server", request_id = %id, method = %request.method(), path = request.uri().path());
    traces::join(&span, request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok()));
    let mut response = next.run(request).instrument(span.clone()).await;
    span.in_scope(|| tracing::debug!(status = response.status().as_u16(), "answered"));
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

/// Ids go into logs and headers, so only plain characters pass.
fn is_safe(id: &str) -> bool {
    (1..=CHARS_MAX).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}

/// Sixteen random bytes in hex. Ids need to differ, not to be secret, so zeroes will do should the system have none.
pub(super) fn random_hex() -> String {
    let mut bytes = [0; 16];
    if let Err(error) = getrandom::fill(&mut bytes) {
        tracing::warn!(%error, "the system gave no randomness for an id");
    }
    hex::encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_ids_are_taken_over() {
        assert!(is_safe("req_0a-b.c:d"));
        assert!(!is_safe(""));
        assert!(!is_safe("a b"));
        assert!(!is_safe(&"a".repeat(CHARS_MAX + 1)));
        assert_ne!(random_hex(), random_hex());
    }
}

//! `x-request-id`: taken from the client if it is one, made otherwise, sent back and passed on to the miner. So is the trace that the
//! client may name by `traceparent`.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use chain_client::cli::logging::traces::{self, TRACEPARENT};
use http::{HeaderName, HeaderValue};
use tracing::Instrument;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const BYTES_MAX: usize = 128;

/// The id of the request in hand.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub(super) String);

pub(super) async fn assign(mut request: Request, next: Next) -> Response {
    let given = request.headers().get(&HEADER).and_then(|value| value.to_str().ok());
    let given = given
        .filter(|id| (1..=BYTES_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()));
    let id = given.map_or_else(generate, str::to_owned);
    request.extensions_mut().insert(RequestId(id.clone()));
    let path = request.uri().path();
    let span = tracing::info_span!("request", otel.kind = "server", request_id = id, method = %request.method(), path);
    traces::join(&span, request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok()));
    let mut response = next.run(request).instrument(span).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

fn generate() -> String {
    format!("req_{}", random_hex())
}

/// Sixteen random bytes in hex.
pub(super) fn random_hex() -> String {
    let mut bytes = [0u8; 16];
    // Without randomness the id is all zero, which is still a valid one.
    let _ = getrandom::fill(&mut bytes);
    hex::encode(bytes)
}

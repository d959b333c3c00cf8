//! `openai-processing-ms`: how long it took until the answer's head, as OpenAI tells it.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use tokio::time::Instant;

const HEADER: HeaderName = HeaderName::from_static("openai-processing-ms");

pub(super) async fn measure(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let mut response = next.run(request).await;
    let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    response.headers_mut().insert(HEADER, HeaderValue::from(elapsed_ms));
    response
}

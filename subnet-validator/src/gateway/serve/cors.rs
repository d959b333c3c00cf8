//! Cross-origin requests: which web pages may call the gateway from a browser.

use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::{Request, State as Handed};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};

/// What a page may read of an answer beside its body.
const EXPOSED: &str = "x-request-id, retry-after, retry-after-ms, x-should-retry, \
    x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, \
    x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens";

/// Which origins may call from a browser. Read again on SIGHUP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorsConfig {
    /// Origins such as `https://chat.example.org`; `*` is every origin. Default [], none.
    pub origins: Vec<String>,
}

/// The origins in force.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Cors(RwLock<CorsConfig>);

impl Cors {
    pub(in crate::gateway) fn new(config: CorsConfig) -> Self {
        Self(RwLock::new(config))
    }

    pub(in crate::gateway) fn set(&self, config: CorsConfig) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// What to answer this origin with, if it may call.
    fn allow(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        let config = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if config.origins.iter().any(|allowed| allowed == "*") {
            return Some(HeaderValue::from_static("*"));
        }
        config.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
    }
}

/// Answers browsers' questions and marks answers to allowed origins. Without an `Origin` nothing changes.
pub(in crate::gateway) async fn apply(
    Handed(cors): Handed<Arc<Cors>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(origin) = request.headers().get(ORIGIN) else { return next.run(request).await };
    let allowed = cors.allow(origin);
    let asks =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response =
        if asks { preflight(request.headers(), allowed.is_some()) } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("origin"));
    if let Some(allowed) = allowed {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
    response
}

/// An origin that may not call gets an answer without permissions, which the browser refuses by itself.
fn preflight(asked: &HeaderMap, allowed: bool) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    if allowed {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
        let wanted = asked.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        let wanted = wanted.unwrap_or(HeaderValue::from_static("authorization, content-type"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted);
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    response
}

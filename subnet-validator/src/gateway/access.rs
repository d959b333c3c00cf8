//! Who may pass: an API key (`Authorization: Bearer sk-...`, or `x-api-key` as some clients send it) or a request signed by a
//! hotkey (btauth/1); within its scopes and limits.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{Request, State as Handed};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use protocol::btauth::RequestParts;
use protocol::digest::Digest;
use serde::Deserialize;

use super::error::GatewayError;
use super::{State, body};
pub use crate::accounts::keys::{ApiKey, ApiKeys};
use crate::accounts::meter::{Exceeded, Left};
use crate::accounts::signed::{SignedError, SignedRequests};
use crate::accounts::{Accounts, Open};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Why a caller may not do this, or not now.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The request claims to be signed and is not as it must be.
    #[error(transparent)]
    Signed(#[from] SignedError),
    /// No account has this hotkey.
    #[error("this hotkey has no account here")]
    UnknownHotkey,
    /// The account's scopes leave this path out.
    #[error("this account may not use `{path}`")]
    Endpoint {
        /// The path below `/v1/`.
        path: String,
    },
    /// The account's scopes leave this model out.
    #[error("this account may not use the model `{model}`")]
    Model {
        /// What was asked for.
        model: String,
    },
    /// A limit or a quota.
    #[error(transparent)]
    Limit(#[from] Exceeded),
}

/// The caller of a request, after its key was checked.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// The account's id, or `anonymous` where accounts are switched off and none was named.
    pub(super) key_id: String,
    /// The account.
    pub(super) account: Option<Arc<ApiKey>>,
}

/// The request's target as it was sent, which nested routers do not see any more.
#[derive(Debug, Clone)]
pub(super) struct Target(String);

/// Keeps the request's target for [`require`].
pub(super) async fn note_target(mut request: Request, next: Next) -> Response {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
    request.extensions_mut().insert(Target(target));
    next.run(request).await
}

/// Lets a request pass if its caller may make it, and notes whose it is.
pub(super) async fn require(
    Handed(state): Handed<Arc<State>>,
    request: Request,
    next: Next,
) -> Result<Response, GatewayError> {
    let Target(target) = request.extensions().get::<Target>().cloned().unwrap_or(Target(String::new()));
    let (account, mut request) = identify(&state, &target, request).await?;
    let Some(account) = account else {
        request.extensions_mut().insert(Caller { key_id: "anonymous".into(), account: None });
        return Ok(next.run(request).await);
    };
    let path = target.split('?').next().unwrap_or_default().trim_start_matches('/');
    let path = path.strip_prefix("v1/").unwrap_or(path);
    if !account.scopes.allow_endpoint(path) {
        return Err(AccessError::Endpoint { path: path.to_owned() }.into());
    }
    // What asks a model is posted; the rest only reads.
    let open = if request.method() == Method::POST {
        let open = state.accounts.begin(&account).map_err(AccessError::Limit)?;
        if account.scopes.restricts_models() {
            request = with_allowed_model(&state, &account, request).await?;
        }
        Some(open)
    } else {
        state.accounts.request(&account).map_err(AccessError::Limit)?;
        None
    };
    request
        .extensions_mut()
        .insert(Caller { key_id: account.id.clone(), account: Some(Arc::clone(&account)) });
    let mut response = next.run(request).await;
    tell_limits(response.headers_mut(), &state.accounts, &account);
    Ok(match open {
        Some(open) => response.map(|body| Body::new(Held { body, _open: open })),
        None => response,
    })
}

/// Whose request it is; `None` only where accounts are switched off.
async fn identify(
    state: &State,
    target: &str,
    request: Request,
) -> Result<(Option<Arc<ApiKey>>, Request), GatewayError> {
    let headers = request.headers();
    if SignedRequests::claimed(headers) {
        let (account, request) = signed(state, target, request).await?;
        return Ok((Some(account), request));
    }
    let given = headers.get(AUTHORIZATION).map(|value| value.to_str().ok().and_then(bearer));
    let given = given.or_else(|| headers.get(API_KEY).map(|value| value.to_str().ok())).flatten();
    let account = given.and_then(|secret| state.accounts.keys().check(secret, state.clock.now_ms()));
    if account.is_none() && state.config.require_api_key {
        return Err(if given.is_some() { GatewayError::BadKey } else { GatewayError::NoKey });
    }
    Ok((account, request))
}

/// Cheap checks first; the nonce is taken last, so that nobody without an account uses up memory.
async fn signed(
    state: &State,
    target: &str,
    request: Request,
) -> Result<(Arc<ApiKey>, Request), GatewayError> {
    let raw = SignedRequests::headers(request.headers()).map_err(AccessError::Signed)?;
    let known = state.accounts.keys().of_hotkey(&raw.sender(), state.clock.now_ms());
    let account = known.ok_or(AccessError::UnknownHotkey)?;
    let (parts, body) = request.into_parts();
    let signed = state.accounts.signed();
    // When its head was here: a slow body makes a request no older.
    let now_ns = state.clock.now_ms().saturating_mul(1_000_000);
    signed.check_head(&raw, parts.method.as_str(), target, now_ns).map_err(AccessError::Signed)?;
    let body = read(state, body).await?;
    let request = RequestParts { method: parts.method.as_str(), target, body_sha256: Digest::of(&body) };
    let caller = signed.verify(&raw, &request, now_ns).map_err(AccessError::Signed)?;
    signed.once(&caller, now_ns).map_err(AccessError::Signed)?;
    Ok((account, Request::from_parts(parts, Body::from(body))))
}

/// Reads the body for the model it names. What cannot be understood is refused here: a later reader might understand it
/// differently.
async fn with_allowed_model(
    state: &State,
    account: &ApiKey,
    request: Request,
) -> Result<Request, GatewayError> {
    #[derive(Deserialize)]
    struct Named {
        model: Option<String>,
    }
    let (parts, body) = request.into_parts();
    let body = read(state, body).await?;
    let Named { model } = serde_json::from_slice(&body).map_err(GatewayError::Json)?;
    match model {
        Some(model) if !account.scopes.allow_model(&model) => Err(AccessError::Model { model }.into()),
        _ => Ok(Request::from_parts(parts, Body::from(body))),
    }
}

async fn read(state: &State, body: Body) -> Result<Bytes, GatewayError> {
    body::read(body, state.config.body_bytes_max, state.config.body_read_timeout_ms).await
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, secret) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(secret.trim())
}

/// `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, where the account has such limits.
fn tell_limits(headers: &mut HeaderMap, accounts: &Accounts, account: &ApiKey) {
    const REQUESTS: [HeaderName; 3] = [
        HeaderName::from_static("x-ratelimit-limit-requests"),
        HeaderName::from_static("x-ratelimit-remaining-requests"),
        HeaderName::from_static("x-ratelimit-reset-requests"),
    ];
    const TOKENS: [HeaderName; 3] = [
        HeaderName::from_static("x-ratelimit-limit-tokens"),
        HeaderName::from_static("x-ratelimit-remaining-tokens"),
        HeaderName::from_static("x-ratelimit-reset-tokens"),
    ];
    let (requests, tokens) = accounts.left(account);
    for (names, left) in [(REQUESTS, requests), (TOKENS, tokens)] {
        let Some(Left { limit, remaining, reset_ms }) = left else { continue };
        let [limit_name, remaining_name, reset_name] = names;
        headers.insert(limit_name, HeaderValue::from(limit));
        headers.insert(remaining_name, HeaderValue::from(remaining));
        if let Ok(value) = HeaderValue::from_str(&duration(reset_ms)) {
            headers.insert(reset_name, value);
        }
    }
}

/// A time as OpenAI's headers write it: `17ms`, `1.5s`, `6m0s`.
fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..60_000 if ms.is_multiple_of(1_000) => format!("{}s", ms / 1_000),
        1_000..60_000 => format!("{}.{:03}s", ms / 1_000, ms % 1_000),
        _ => format!("{}m{}s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

/// An answer whose call is in progress until its body has been sent, or given up.
struct Held {
    body: Body,
    _open: Open,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn times_are_written_as_clients_of_openai_read_them() {
        for (ms, expected) in
            [(0, "0ms"), (17, "17ms"), (1_000, "1s"), (1_500, "1.500s"), (60_000, "1m0s"), (361_000, "6m1s")]
        {
            assert_eq!(duration(ms), expected);
        }
    }
}

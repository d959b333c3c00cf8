//! Every answer of the gateway that is not a success: the only place on the users' side that knows HTTP statuses.
//!
//! The texts are for users and say nothing of the inside; the cause goes to the log under the request's id.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{HeaderValue, RETRY_AFTER};
use http::{HeaderName, StatusCode};
use protocol::demand::BadCursor;
use protocol::openai::{ErrorBody, RequestError};
use serde::Serialize;
use serde_json::{Value, json};

use super::access::AccessError;
use crate::accounts::meter::Exceeded;
use crate::accounts::signed::SignedError;
use crate::demand::log::Gone;
use crate::fleet::axon::error::AttemptError;
use crate::fleet::call::CallError;
use crate::fleet::miners::DoorError;
use crate::fleet::selector::SelectorError;

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// A call that was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// No key was given.
    #[error("no API key was given; send it as `Authorization: Bearer sk-...`")]
    NoKey,
    /// The key is unknown or revoked.
    #[error("the API key is not valid")]
    BadKey,
    /// The account may not do this, or not now.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The file of accounts cannot be read.
    #[error("the accounts cannot be read")]
    Accounts(#[source] std::io::Error),
    /// There is nothing at this path.
    #[error("there is nothing at this path")]
    UnknownPath,
    /// The path does not take this method.
    #[error("this path does not take this method")]
    WrongMethod,
    /// The body did not arrive in time.
    #[error("the request body did not arrive in time")]
    BodyTimeout,
    /// The body is too large.
    #[error("the request body is larger than {body_bytes_max} bytes")]
    BodyTooLarge {
        /// The limit.
        body_bytes_max: usize,
    },
    /// The connection broke inside the body.
    #[error("the request body could not be read")]
    BodyBroken,
    /// The body is not the JSON this path takes.
    #[error("the request body is not a valid request: {0}")]
    Json(serde_json::Error),
    /// A field is wrong.
    #[error("{}", .0.message)]
    Field(RequestError),
    /// The model is not in the catalogue.
    #[error("the model `{model}` does not exist")]
    UnknownModel {
        /// What was asked for.
        model: String,
    },
    /// The `model` field selects nothing.
    #[error(transparent)]
    Model(SelectorError),
    /// There is no such bundle, or no such file in it.
    #[error("there is no such file; `/audit/v1/epochs` lists the bundles")]
    NoBundle,
    /// A part of a file beyond its end was asked for.
    #[error("the file has {bytes} bytes; the part asked for is not in it")]
    Range {
        /// Its length.
        bytes: u64,
    },
    /// The place in the demand log is malformed.
    #[error("`after` is malformed: {0}")]
    Cursor(BadCursor),
    /// The demand log does not reach back that far.
    #[error("the demand log does not reach back to that place: {0}")]
    Gone(#[from] Gone),
    /// A miner is not let in.
    #[error(transparent)]
    Miner(#[from] DoorError),
    /// Too many calls are open here.
    #[error("too many calls are in progress; try again shortly")]
    Full,
    /// What a miner answered to a converted call is not what it should be. The relay has checked it, so this is our fault.
    #[error("the answer could not be converted")]
    Unreadable,
    /// The fleet did not serve it.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// The parts of an answer.
struct Answer {
    status: StatusCode,
    kind: &'static str,
    code: Option<String>,
    param: Option<String>,
    retry_after_ms: Option<u64>,
    /// The wait is known, not guessed: it is told as it is, however long.
    exact: bool,
    /// Waiting that long is nothing a client should do by itself.
    give_up: bool,
}

impl Answer {
    fn new(status: StatusCode, kind: &'static str, code: &str) -> Self {
        Self {
            status,
            kind,
            code: Some(code.to_owned()),
            param: None,
            retry_after_ms: None,
            exact: false,
            give_up: false,
        }
    }

    fn invalid(status: StatusCode, code: &str) -> Self {
        Self::new(status, "invalid_request_error", code)
    }

    fn retry(self, after_ms: u64) -> Self {
        Self { retry_after_ms: Some(after_ms), ..self }
    }

    fn param(self, param: Option<String>) -> Self {
        Self { param, ..self }
    }
}

impl GatewayError {
    fn answer(&self) -> Answer {
        match self {
            Self::NoKey | Self::BadKey => Answer::invalid(StatusCode::UNAUTHORIZED, "invalid_api_key"),
            Self::Access(error) => access_answer(error),
            Self::Accounts(_) => {
                Answer::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", "accounts_unavailable")
                    .retry(5_000)
            }
            Self::UnknownPath => Answer::invalid(StatusCode::NOT_FOUND, "unknown_path"),
            Self::WrongMethod => Answer::invalid(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::BodyTimeout => Answer::invalid(StatusCode::REQUEST_TIMEOUT, "body_timeout"),
            Self::BodyTooLarge { .. } => Answer::invalid(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::BodyBroken => Answer::invalid(StatusCode::BAD_REQUEST, "body_unreadable"),
            Self::Json(_) => Answer::invalid(StatusCode::BAD_REQUEST, "invalid_json"),
            Self::Field(error) => Answer { code: None, ..Answer::invalid(StatusCode::BAD_REQUEST, "") }
                .param(error.param.clone()),
            Self::UnknownModel { .. } | Self::Model(SelectorError::UnknownModel { .. }) => unknown_model(),
            Self::Model(_) => {
                Answer::invalid(StatusCode::BAD_REQUEST, "invalid_model_selector").param(Some("model".into()))
            }
            Self::NoBundle => Answer::invalid(StatusCode::NOT_FOUND, "no_bundle"),
            Self::Range { .. } => Answer::invalid(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable"),
            Self::Cursor(_) => {
                Answer::invalid(StatusCode::BAD_REQUEST, "invalid_cursor").param(Some("after".into()))
            }
            Self::Gone(_) => Answer::invalid(StatusCode::GONE, protocol::demand::GONE),
            Self::Miner(error) => miner_answer(error),
            Self::Full => {
                Answer::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "too_many_calls").retry(1_000)
            }
            Self::Unreadable => {
                Answer::new(StatusCode::BAD_GATEWAY, "server_error", "answer_unreadable").retry(1_000)
            }
            Self::Call(error) => call_answer(error),
        }
    }
}

fn access_answer(error: &AccessError) -> Answer {
    let limited = |code| Answer::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", code);
    let exactly = |code, after_ms| Answer { exact: true, ..limited(code).retry(after_ms) };
    let forbidden = |code| Answer::new(StatusCode::FORBIDDEN, "permission_error", code);
    match error {
        AccessError::Signed(SignedError::Auth(error)) => {
            Answer::new(StatusCode::UNAUTHORIZED, "authentication_error", error.code())
        }
        AccessError::Signed(SignedError::TooEarly { retry_after_ms }) => {
            Answer::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", "replay_store_unavailable")
                .retry(*retry_after_ms)
        }
        AccessError::Signed(SignedError::Full) => {
            Answer::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", "replay_store_unavailable")
                .retry(1_000)
        }
        AccessError::UnknownHotkey => forbidden("hotkey_unknown"),
        AccessError::Endpoint { .. } => forbidden("endpoint_forbidden"),
        AccessError::Model { .. } => forbidden("model_forbidden").param(Some("model".into())),
        AccessError::Limit(
            Exceeded::Requests { retry_after_ms, .. } | Exceeded::Tokens { retry_after_ms, .. },
        ) => exactly("rate_limit_exceeded", *retry_after_ms),
        AccessError::Limit(Exceeded::InFlight { .. }) => limited("too_many_calls").retry(1_000),
        AccessError::Limit(Exceeded::Quota { resets_in_s, .. }) => Answer {
            kind: "insufficient_quota",
            give_up: true,
            ..exactly("insufficient_quota", resets_in_s.saturating_mul(1_000))
        },
    }
}

fn miner_answer(error: &DoorError) -> Answer {
    match error {
        DoorError::Auth(error) => Answer::invalid(StatusCode::UNAUTHORIZED, error.code()),
        DoorError::NotAMiner => Answer::invalid(StatusCode::FORBIDDEN, "not_a_miner"),
        DoorError::Full | DoorError::Busy => {
            Answer::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", "demand_log_busy").retry(5_000)
        }
        DoorError::Inventory(_) | DoorError::OtherSubnet { .. } => {
            Answer::invalid(StatusCode::BAD_REQUEST, "inventory_refused")
        }
    }
}

fn call_answer(error: &CallError) -> Answer {
    const UNAVAILABLE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
    match error {
        CallError::UnknownModel { .. } => unknown_model(),
        CallError::Cold { retry_after_ms, .. } => {
            Answer::new(UNAVAILABLE, "server_error", "model_cold").retry(*retry_after_ms)
        }
        CallError::NoMiner { retry_after_ms, .. } => {
            Answer::new(UNAVAILABLE, "server_error", "no_miner").retry(*retry_after_ms)
        }
        CallError::QueueFull { retry_after_ms, .. } => {
            Answer::new(UNAVAILABLE, "server_error", "queue_full").retry(*retry_after_ms)
        }
        CallError::WaitedInVain { retry_after_ms, .. } => {
            Answer::new(UNAVAILABLE, "server_error", "model_cold").retry(*retry_after_ms)
        }
        CallError::Busy { retry_after_ms } => {
            Answer::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "miners_busy")
                .retry(*retry_after_ms)
        }
        CallError::Request(refusal) => {
            let status =
                if refusal.too_large { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
            Answer { code: refusal.code.clone(), ..Answer::invalid(status, "") }.param(refusal.param.clone())
        }
        CallError::AllFailed(_) => {
            Answer::new(StatusCode::BAD_GATEWAY, "server_error", "miners_failed").retry(1_000)
        }
        CallError::Stopping => Answer::new(UNAVAILABLE, "server_error", "stopping").retry(5_000),
        CallError::Ledger(_) => Answer::new(UNAVAILABLE, "server_error", "ledger_unavailable").retry(5_000),
    }
}

fn unknown_model() -> Answer {
    Answer::invalid(StatusCode::NOT_FOUND, "model_not_found").param(Some("model".into()))
}

impl GatewayError {
    /// The error object.
    #[must_use]
    pub fn body(&self) -> ErrorBody {
        let Answer { kind, code, param, .. } = self.answer();
        let mut body = ErrorBody::new(kind, self.to_string());
        body.error.code = code;
        body.error.param = param;
        body
    }

    /// The answer as Anthropic's clients read it.
    pub(super) fn into_anthropic(self) -> Response {
        let answer = self.answer();
        let kind = match answer.status {
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::FORBIDDEN => "permission_error",
            StatusCode::NOT_FOUND => "not_found_error",
            StatusCode::PAYLOAD_TOO_LARGE => "request_too_large",
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            StatusCode::SERVICE_UNAVAILABLE => "overloaded_error",
            status if status.is_client_error() => "invalid_request_error",
            _ => "api_error",
        };
        let message = match &answer.param {
            Some(param) => format!("{param}: {self}"),
            None => self.to_string(),
        };
        answer.into_response(anthropic_error(kind, &message))
    }
}

/// Anthropic's error object.
#[must_use]
pub(super) fn anthropic_error(kind: &str, message: &str) -> Value {
    json!({ "type": "error", "error": { "type": kind, "message": message } })
}

impl IntoResponse for GatewayError {
    fn into_response(self) -> Response {
        self.answer().into_response(self.body())
    }
}

impl Answer {
    fn into_response(self, body: impl Serialize) -> Response {
        let Self { status, retry_after_ms, exact, give_up, .. } = self;
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(after_ms) = retry_after_ms {
            // Of a guess no more than 30 s: clients do not try again by themselves after more than 120 s.
            let seconds = after_ms.div_ceil(1_000).max(1);
            headers.insert(RETRY_AFTER, HeaderValue::from(if exact { seconds } else { seconds.min(30) }));
            if exact {
                headers.insert(RETRY_AFTER_MS, HeaderValue::from(after_ms));
            }
        }
        if give_up || status.is_client_error() && retry_after_ms.is_none() {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        response
    }
}

/// The error object inside a stream that has already begun.
#[must_use]
pub fn stream_error(error: &AttemptError) -> ErrorBody {
    let (code, message) = match error {
        AttemptError::Ledger(_) => ("ledger_unavailable", "the answer's receipt could not be stored"),
        AttemptError::Silent { .. } => ("miner_timeout", "the miner stopped answering"),
        AttemptError::OutputMismatch | AttemptError::Receipt(_) | AttemptError::TokenMismatch { .. } => {
            ("miner_unproven", "the miner could not prove its answer")
        }
        _ => ("miner_failed", "the miner broke off its answer"),
    };
    ErrorBody::new("server_error", message).with_code(code)
}

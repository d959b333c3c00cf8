//! Every way a request can fail, and the only place where the axon's HTTP statuses stand.
//!
//! Answers are OpenAI error objects. Their texts are written here for the caller; what went wrong inside is logged where it
//! happened and not told.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use protocol::btauth::AuthError;
use protocol::header::HeaderError;
use protocol::openai::{ErrorBody, RequestError};
use protocol::ticket::TicketError;

use crate::permits::Refusal;
use crate::receipts::SequenceRefused;

/// Why a request gets no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AxonError {
    #[error(transparent)]
    Auth(AuthError),
    #[error("this miner's clock went back; sign the request again in a minute")]
    ClockWentBack,
    #[error("this miner cannot remember more signed requests at the moment")]
    NoncesFull,
    #[error(transparent)]
    Forbidden(Refusal),
    #[error("the body has more than {bytes_max} bytes")]
    BodyTooLarge { bytes_max: u32 },
    #[error("the body did not arrive in time")]
    BodyTimeout,
    #[error("the body could not be read")]
    BodyBroken,
    #[error("too many requests; wait {retry_after_ms} ms")]
    TooFast { retry_after_ms: u64 },
    #[error("this miner is answering as many requests as it can")]
    Busy,
    #[error(
        "this miner is answering as many requests as it can; a slot should be free in {retry_after_ms} ms"
    )]
    Full { retry_after_ms: u64 },
    #[error("the {} header is missing", protocol::ticket::HEADER)]
    TicketMissing,
    #[error("the ticket cannot be read")]
    TicketMalformed(#[source] HeaderError),
    #[error("the ticket is not signed by the validator it names")]
    TicketSignature,
    #[error(transparent)]
    Ticket(TicketError),
    #[error(transparent)]
    TicketSequence(SequenceRefused),
    #[error("the ticket is for another kind of request")]
    TicketKind,
    #[error("the ticket is for model `{ticket}`, the request for `{request}`")]
    TicketModel { ticket: String, request: String },
    #[error("the ticket allows no completion tokens")]
    TicketTokens,
    #[error("the body is not a valid request: {0}")]
    NotJson(serde_json::Error),
    #[error("{}", .0.message)]
    Request(RequestError),
    #[error("this miner does not hold model `{model}`")]
    UnknownModel { model: String },
    #[error("this miner holds other weights of model `{model}` than the ticket names")]
    OtherWeights { model: String },
    #[error("the prompt has {tokens} tokens, {tokens_max} are allowed")]
    PromptTooLong { param: &'static str, tokens: u64, tokens_max: u64 },
    #[error("the request cannot be turned into a prompt: {reason}")]
    Prompt { param: &'static str, reason: String },
    #[error("the answer cannot be kept to this form: {reason}")]
    Form { param: &'static str, reason: String },
    #[error("this model cannot do that: {reason}")]
    WrongModel { reason: String },
    #[error("the model makes vectors of {width} numbers; leave dimensions out or set it to {width}")]
    Dimensions { width: usize },
    #[error("the answer was not begun before the ticket's deadline")]
    Deadline,
    #[error("the model failed to answer")]
    Generation,
    #[error("this miner cannot store a receipt at the moment")]
    Storage,
    #[error("this miner does not keep that fingerprint")]
    NoFingerprint,
    #[error("the countersigned receipts are refused: {0}")]
    Copies(protocol::countersigned::CopyError),
    #[error("the challenge is refused: {0}")]
    Challenge(protocol::challenge::ChallengeError),
    #[error("the challenge asks for a larger product than this miner computes for nothing")]
    ProductTooLarge,
    #[error("this miner has nothing to show for that challenge")]
    NothingToShow,
    #[error("no answer to a ticket of yours with this hash is in the making")]
    NoSuchAnswer,
    #[error(
        "there is nothing at this path; see /v1/chat/completions, /v1/completions, /v1/embeddings, /tokenize, /detokenize, /inventory and /health"
    )]
    NoRoute,
    #[error("this path does not take that method")]
    Method,
}

impl AxonError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Auth(_) | Self::TicketSignature => StatusCode::UNAUTHORIZED,
            Self::Forbidden(Refusal::Denied | Refusal::NotPermitted) | Self::Ticket(TicketError::Sender) => {
                StatusCode::FORBIDDEN
            }
            Self::UnknownModel { .. }
            | Self::OtherWeights { .. }
            | Self::NoSuchAnswer
            | Self::NoRoute
            | Self::NothingToShow
            | Self::NoFingerprint => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooFast { .. } | Self::Busy | Self::Full { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::ClockWentBack
            | Self::NoncesFull
            | Self::Forbidden(Refusal::Stale)
            | Self::Deadline
            | Self::Generation
            | Self::Storage => StatusCode::SERVICE_UNAVAILABLE,
            Self::BodyBroken
            | Self::TicketMissing
            | Self::TicketMalformed(_)
            | Self::Ticket(_)
            | Self::TicketSequence(_)
            | Self::TicketKind
            | Self::TicketTokens
            | Self::TicketModel { .. }
            | Self::NotJson(_)
            | Self::Request(_)
            | Self::PromptTooLong { .. }
            | Self::Copies(_)
            | Self::Challenge(_)
            | Self::ProductTooLarge
            | Self::Prompt { .. }
            | Self::Form { .. }
            | Self::WrongModel { .. }
            | Self::Dimensions { .. } => StatusCode::BAD_REQUEST,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Auth(error) => error.code(),
            Self::ClockWentBack | Self::NoncesFull => "replay_store_unavailable",
            Self::Forbidden(Refusal::Denied) => "forbidden_denied",
            Self::Forbidden(Refusal::NotPermitted) => "forbidden_no_permit",
            Self::Forbidden(Refusal::Stale) => "metagraph_stale",
            Self::BodyTooLarge { .. } => "payload_too_large",
            Self::BodyTimeout => "request_timeout",
            Self::BodyBroken => "body_unreadable",
            Self::TooFast { .. } => "rate_limited",
            Self::Busy | Self::Full { .. } => "miner_busy",
            Self::TicketMissing => "ticket_missing",
            Self::TicketMalformed(_) => "ticket_malformed",
            Self::TicketSignature => "ticket_bad_signature",
            Self::Ticket(TicketError::Netuid { .. }) => "ticket_wrong_subnet",
            Self::Ticket(TicketError::Miner) => "ticket_wrong_miner",
            Self::Ticket(TicketError::Request) => "ticket_wrong_request",
            Self::Ticket(TicketError::IssuedAhead { .. }) => "ticket_issued_ahead",
            Self::Ticket(TicketError::Expired) => "ticket_expired",
            Self::Ticket(TicketError::Sender) => "ticket_wrong_sender",
            Self::TicketSequence(_) => "ticket_sequence_used",
            Self::TicketKind => "ticket_wrong_kind",
            Self::TicketModel { .. } => "ticket_wrong_model",
            Self::TicketTokens => "ticket_without_tokens",
            Self::NotJson(_) | Self::Request(_) => "invalid_request",
            Self::UnknownModel { .. } => "model_not_found",
            Self::OtherWeights { .. } => "weights_not_found",
            Self::PromptTooLong { .. } => "context_length_exceeded",
            Self::Prompt { .. } => "invalid_prompt",
            Self::Form { .. } => "invalid_schema",
            Self::WrongModel { .. } => "wrong_model",
            Self::Dimensions { .. } => "invalid_dimensions",
            Self::Deadline => "deadline_exceeded",
            Self::Generation => "generation_failed",
            Self::Storage => "receipt_store_unavailable",
            Self::NoFingerprint => "fingerprint_not_found",
            Self::Copies(_) => "countersigned_invalid",
            Self::Challenge(_) => "challenge_invalid",
            Self::ProductTooLarge => "product_too_large",
            Self::NothingToShow => "nothing_to_show",
            Self::NoSuchAnswer => "no_such_answer",
            Self::NoRoute => "not_found",
            Self::Method => "method_not_allowed",
        }
    }

    fn kind(&self) -> &'static str {
        match self.status() {
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::FORBIDDEN => "permission_error",
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            StatusCode::SERVICE_UNAVAILABLE => "server_error",
            _ => "invalid_request_error",
        }
    }

    /// The request field at fault, as OpenAI names it.
    fn param(&self) -> Option<String> {
        match self {
            Self::Request(error) => error.param.clone(),
            Self::UnknownModel { .. } | Self::OtherWeights { .. } | Self::TicketModel { .. } => {
                Some("model".to_owned())
            }
            Self::PromptTooLong { param, .. } | Self::Prompt { param, .. } | Self::Form { param, .. } => {
                Some((*param).to_owned())
            }
            Self::WrongModel { .. } => Some("model".to_owned()),
            Self::Dimensions { .. } => Some("dimensions".to_owned()),
            _ => None,
        }
    }

    /// Whole seconds to wait, where waiting helps: what a token bucket or the queue knows, else a second.
    fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::TooFast { retry_after_ms } | Self::Full { retry_after_ms } => {
                Some(retry_after_ms.div_ceil(1_000).max(1))
            }
            Self::ClockWentBack => Some(30),
            _ if self.status() == StatusCode::TOO_MANY_REQUESTS => Some(1),
            _ if self.status() == StatusCode::SERVICE_UNAVAILABLE => Some(1),
            _ => None,
        }
    }

    /// The error object, as an answer's body or as the data of a stream that has begun.
    pub fn body(&self) -> ErrorBody {
        let body = ErrorBody::new(self.kind(), self.to_string()).with_code(self.code());
        match self.param() {
            Some(param) => body.with_param(param),
            None => body,
        }
    }
}

impl IntoResponse for AxonError {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            tracing::warn!(code = self.code(), error = %self, "refused");
        } else {
            tracing::debug!(code = self.code(), error = %self, "refused");
        }
        let json = serde_json::to_vec(&self.body()).expect("an error object holds only text");
        let mut response = Response::new(json.into());
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after_s() {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

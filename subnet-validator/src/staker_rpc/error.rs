//! Errors as JSON-RPC has them: a number for the protocol, a stable code in `data` for programs.

use jsonrpsee::types::ErrorObjectOwned;
use serde_json::{Value, json};

use crate::ledger::ReadError;
use crate::market::desk::DeskError;

const INVALID_PARAMS: i32 = -32602;
const INTERNAL: i32 = -32603;
const UNAVAILABLE: i32 = -32001;
const NOT_FOUND: i32 = -32004;
const RATE_LIMITED: i32 = -32005;

/// Every error that this server makes itself: number, stable code, and what it means. (Numbers of `jsonrpsee` besides: -32700
/// unreadable, -32601 no such method, -32007 request too large, -32008 answer too large, -32010 batch too large, -32006 too many
/// subscriptions.)
pub(super) const ALL: [(i32, &str, &str); 9] = [
    (
        INVALID_PARAMS,
        "invalid_params",
        "A parameter is missing, unknown or out of range; the message says which.",
    ),
    (INTERNAL, "internal", "The answer could not be written. The validator's log says why."),
    (UNAVAILABLE, "ledger_unavailable", "The ledger could not be read. The validator's log says why."),
    (
        UNAVAILABLE,
        "log_too_large",
        "The log has outgrown proofs on request; a tempo's bundle holds all leaves.",
    ),
    (UNAVAILABLE, "not_ready", "The chain has not been read yet. Ask again in a few seconds."),
    (UNAVAILABLE, "chain_unavailable", "The chain did not answer. Ask again later."),
    (UNAVAILABLE, "busy", "Too many questions to the chain are waiting. Ask again later."),
    (NOT_FOUND, "not_found", "There is no such thing."),
    (
        RATE_LIMITED,
        "rate_limited",
        "Too many calls from this address; `data.retryAfterMs` says when to go on.",
    ),
];

fn error(code: &'static str, message: impl Into<String>, more: Value) -> ErrorObjectOwned {
    let number = ALL.iter().find(|(_, known, _)| *known == code).map_or(INTERNAL, |(number, ..)| *number);
    let mut data = json!({ "code": code });
    if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
        data.extend(more);
    }
    ErrorObjectOwned::owned(number, message, Some(data))
}

pub(super) fn invalid(message: impl Into<String>) -> ErrorObjectOwned {
    error("invalid_params", message, Value::Null)
}

pub(super) fn internal(cause: &dyn std::error::Error) -> ErrorObjectOwned {
    tracing::error!(error = cause.to_string(), "an answer to a staker could not be written");
    error("internal", "the answer could not be written", Value::Null)
}

pub(super) fn not_found(what: &str) -> ErrorObjectOwned {
    error("not_found", format!("no such {what}"), Value::Null)
}

pub(super) fn too_large(message: &str) -> ErrorObjectOwned {
    error("log_too_large", message, Value::Null)
}

pub(super) fn not_ready() -> ErrorObjectOwned {
    error("not_ready", "the chain has not been read yet", Value::Null)
}

pub(super) fn rate_limited(retry_after_ms: u64) -> ErrorObjectOwned {
    error("rate_limited", "too many calls from this address", json!({ "retryAfterMs": retry_after_ms }))
}

/// The cause goes to the log; the caller learns that there is one.
pub(super) fn ledger(cause: &ReadError) -> ErrorObjectOwned {
    tracing::error!(error = cause as &dyn std::error::Error, "the ledger could not be read for a staker");
    error("ledger_unavailable", "the ledger could not be read", Value::Null)
}

/// As [`ledger`], for files beside it.
pub(super) fn files(cause: &std::io::Error) -> ErrorObjectOwned {
    tracing::error!(error = cause as &dyn std::error::Error, "a file could not be read for a staker");
    error("ledger_unavailable", "the validator's files could not be read", Value::Null)
}

pub(super) fn desk(cause: &DeskError) -> ErrorObjectOwned {
    match cause {
        DeskError::Busy => error("busy", "too many questions to the chain are waiting", Value::Null),
        DeskError::Closed | DeskError::Chain(_) => {
            tracing::warn!(error = cause as &dyn std::error::Error, "the chain did not answer a staker");
            error("chain_unavailable", "the chain did not answer", Value::Null)
        }
    }
}

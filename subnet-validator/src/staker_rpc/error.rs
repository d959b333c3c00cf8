//! Errors as JSON-RPC has them: a number for the protocol, a stable code in `data` for programs.

use jsonrpsee::types::ErrorObjectOwned;
use serde_json::json;

use crate::ledger::ReadError;

const INVALID_PARAMS: i32 = -32602;
const NOT_FOUND: i32 = -32004;
const UNAVAILABLE: i32 = -32001;

pub(super) fn invalid(message: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(INVALID_PARAMS, message, Some(json!({ "code": "invalid_params" })))
}

pub(super) fn not_found(what: &str) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(NOT_FOUND, format!("no such {what}"), Some(json!({ "code": "not_found" })))
}

pub(super) fn too_large(message: &str) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(UNAVAILABLE, message, Some(json!({ "code": "log_too_large" })))
}

/// The cause goes to the log; the caller learns that there is one.
pub(super) fn ledger(error: &ReadError) -> ErrorObjectOwned {
    tracing::error!(error = error as &dyn std::error::Error, "the ledger could not be read for a staker");
    ErrorObjectOwned::owned(
        UNAVAILABLE,
        "the ledger could not be read",
        Some(json!({ "code": "ledger_unavailable" })),
    )
}

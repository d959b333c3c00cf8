//! Errors in the codes and words that clients of Substrate nodes know.

use jsonrpsee::types::{ErrorObject, ErrorObjectOwned};
use sp_core::H256;
use sp_runtime::transaction_validity::{InvalidTransaction, TransactionValidityError};

use crate::{chain::CallError, node::ProduceError, pool::PoolError};

const BAD_FORMAT: i32 = 1001;
const INVALID_TRANSACTION: i32 = 1010;
const UNKNOWN_VALIDITY: i32 = 1011;
const TEMPORARILY_BANNED: i32 = 1012;
const ALREADY_IMPORTED: i32 = 1013;
const PRIORITY_TOO_LOW: i32 = 1014;
const POOL_FULL: i32 = 1016;
const INVALID_COUNT: i32 = 4002;
const CLIENT: i32 = 4003;
const BAD_REQUEST: i32 = -32602;

/// No block has this hash.
pub(super) fn unknown_block(hash: H256) -> ErrorObjectOwned {
    let text = format!("Client error: UnknownBlock: Header was not found in the database: {hash:?}");
    ErrorObject::owned(CLIENT, text, None::<()>)
}

/// The state after this block is too old.
pub(super) fn discarded_state(hash: H256) -> ErrorObjectOwned {
    let text = format!("Client error: UnknownBlock: State already discarded for {hash:?}");
    ErrorObject::owned(CLIENT, text, None::<()>)
}

/// A method takes fewer at a time.
pub(super) fn count_exceeded(count: u32, max: u32) -> ErrorObjectOwned {
    let text = format!("count exceeds maximum value. value: {count}, max: {max}");
    ErrorObject::owned(INVALID_COUNT, text, None::<()>)
}

/// The parameters are not what the method takes.
pub(super) fn bad_request(text: impl Into<String>) -> ErrorObjectOwned {
    ErrorObject::owned(BAD_REQUEST, text, None::<()>)
}

/// The runtime gave no answer.
pub(super) fn call_failed(error: &CallError) -> ErrorObjectOwned {
    ErrorObject::owned(CLIENT, format!("Client error: Execution failed: {error}"), None::<()>)
}

/// What a developer asked for cannot be done.
pub(super) fn failed(error: &(dyn std::error::Error + 'static)) -> ErrorObjectOwned {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    ErrorObject::owned(CLIENT, text, None::<()>)
}

/// No block was made.
pub(super) fn not_produced(error: &ProduceError) -> ErrorObjectOwned {
    tracing::error!(error = ?error, "no block was made");
    ErrorObject::owned(CLIENT, error.to_string(), None::<()>)
}

/// The pool did not take the transaction.
pub(super) fn refused(error: &PoolError) -> ErrorObjectOwned {
    match error {
        PoolError::Undecodable => ErrorObject::owned(
            BAD_FORMAT,
            "Extrinsic has invalid format",
            Some("the bytes are not a transaction"),
        ),
        PoolError::Refused(TransactionValidityError::Invalid(InvalidTransaction::Custom(code))) => {
            ErrorObject::owned(
                INVALID_TRANSACTION,
                "Invalid Transaction",
                Some(format!("Custom error: {code}")),
            )
        }
        PoolError::Refused(TransactionValidityError::Invalid(reason)) => {
            let text: &'static str = (*reason).into();
            ErrorObject::owned(INVALID_TRANSACTION, "Invalid Transaction", Some(text))
        }
        PoolError::Refused(TransactionValidityError::Unknown(reason)) => {
            let text: &'static str = (*reason).into();
            ErrorObject::owned(UNKNOWN_VALIDITY, "Unknown Transaction Validity", Some(text))
        }
        PoolError::Banned(hash) => ErrorObject::owned(
            TEMPORARILY_BANNED,
            "Transaction is temporarily banned",
            Some(format!("{hash:?}")),
        ),
        PoolError::AlreadyImported(hash) => {
            ErrorObject::owned(ALREADY_IMPORTED, "Transaction Already Imported", Some(format!("{hash:?}")))
        }
        PoolError::PriorityTooLow { old, new } => ErrorObject::owned(
            PRIORITY_TOO_LOW,
            format!("Priority is too low: ({old} vs {new})"),
            Some("The transaction has too low priority to replace another transaction already in the pool."),
        ),
        PoolError::Full => ErrorObject::owned(
            POOL_FULL,
            "Immediately Dropped",
            Some("The transaction couldn't enter the pool because of the limit"),
        ),
        PoolError::Execution(error) => call_failed(error),
    }
}

//! How deep calls may nest in calls. Decoding and dispatching recurse, and natively the stack that ends is this process's own.

use parity_scale_codec::{DecodeLimit as _, Error};

use super::{Block, RuntimeCall, UncheckedExtrinsic};

/// Lists and boxes inside each other at most. The real chain, with wasm's own stack, allows 256.
pub const DEPTH_MAX: u32 = 16;

/// Decodes a transaction, unless its calls nest too deep. Bytes behind it are ignored.
pub fn decode_transaction(mut bytes: &[u8]) -> Result<UncheckedExtrinsic, Error> {
    UncheckedExtrinsic::decode_with_depth_limit(DEPTH_MAX, &mut bytes)
}

/// Whether the calls in the arguments of a runtime API nest no deeper than they may. What cannot be decoded does not: the
/// runtime would panic on it anyway.
pub fn may_be_decoded(method: &str, mut arguments: &[u8]) -> bool {
    match method {
        "BlockBuilder_apply_extrinsic"
        | "ShieldApi_try_decode_shielded_tx"
        | "TransactionPaymentApi_query_info"
        | "TransactionPaymentApi_query_fee_details" => decode_transaction(arguments).is_ok(),
        // Behind the source, which is one byte.
        "TaggedTransactionQueue_validate_transaction" => {
            arguments.split_first().is_some_and(|(_, transaction)| decode_transaction(transaction).is_ok())
        }
        "TransactionPaymentCallApi_query_call_info" | "TransactionPaymentCallApi_query_call_fee_details" => {
            RuntimeCall::decode_with_depth_limit(DEPTH_MAX, &mut arguments).is_ok()
        }
        "Core_execute_block" | "BlockBuilder_check_inherents" => {
            // The block's list and each transaction's bytes are two more.
            Block::decode_with_depth_limit(DEPTH_MAX + 2, &mut arguments).is_ok()
        }
        _ => true,
    }
}

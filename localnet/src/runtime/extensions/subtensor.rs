//! The pool's guards: what `SubtensorModule` refuses before dispatch.

use sp_runtime::{traits::AsSystemOriginSigner, transaction_validity::TransactionValidityError};

use super::guard::guard;
use crate::runtime::{RuntimeCall, RuntimeOrigin, SubtensorModule};

guard!(
    /// Runs the guards on calls submitted directly.
    SubtensorTransactionExtension,
    check
);

fn check(origin: &RuntimeOrigin, call: &RuntimeCall) -> Result<(), TransactionValidityError> {
    if let (Some(who), RuntimeCall::SubtensorModule(call)) = (origin.as_system_origin_signer(), call) {
        SubtensorModule::guard(who, call)?;
    }
    Ok(())
}

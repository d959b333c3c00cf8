//! Shielded transactions are well formed before they enter the pool: a carrier that nobody can open would only cost its fee.

use sp_runtime::transaction_validity::{InvalidTransaction, TransactionValidityError};

use super::guard::guard;
use crate::runtime::{
    RuntimeCall, RuntimeOrigin,
    shield::{
        self,
        envelope::{Envelope, EnvelopeError},
    },
};

/// The pool's code for a ciphertext that is none.
const FAILED_SHIELDED_TX_PARSING: u8 = 23;
/// The pool's code for a ciphertext to another key.
const INVALID_SHIELDED_TX_PUB_KEY_HASH: u8 = 24;

guard!(
    /// Refuses carriers of anything but an envelope to this chain's key.
    CheckShieldedTxValidity,
    check
);

fn check(_origin: &RuntimeOrigin, call: &RuntimeCall) -> Result<(), TransactionValidityError> {
    if let RuntimeCall::MevShield(shield::Call::submit_encrypted { ciphertext }) = call {
        Envelope::parse(ciphertext).map_err(|error| {
            InvalidTransaction::Custom(match error {
                EnvelopeError::Key => INVALID_SHIELDED_TX_PUB_KEY_HASH,
                EnvelopeError::Layout | EnvelopeError::Sealed => FAILED_SHIELDED_TX_PARSING,
            })
        })?;
    }
    Ok(())
}

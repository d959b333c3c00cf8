//! Shielded transactions are well formed before they enter the pool: a carrier that nobody can open would only cost its fee.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;
use sp_runtime::{
    impl_tx_ext_default,
    traits::{DispatchInfoOf, TransactionExtension, ValidateResult},
    transaction_validity::{InvalidTransaction, TransactionSource, ValidTransaction},
};

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

/// Refuses carriers of anything but an envelope to this chain's key.
#[derive(Clone, Debug, Decode, DecodeWithMemTracking, Default, Encode, Eq, PartialEq, TypeInfo)]
pub struct CheckShieldedTxValidity;

impl TransactionExtension<RuntimeCall> for CheckShieldedTxValidity {
    const IDENTIFIER: &'static str = "CheckShieldedTxValidity";
    type Implicit = ();
    type Val = ();
    type Pre = ();

    impl_tx_ext_default!(RuntimeCall; weight prepare);

    fn validate(
        &self,
        origin: RuntimeOrigin,
        call: &RuntimeCall,
        _info: &DispatchInfoOf<RuntimeCall>,
        _len: usize,
        _implicit: (),
        _implication: &impl Encode,
        _source: TransactionSource,
    ) -> ValidateResult<Self::Val, RuntimeCall> {
        if let RuntimeCall::MevShield(shield::Call::submit_encrypted { ciphertext }) = call {
            Envelope::parse(ciphertext).map_err(|error| {
                InvalidTransaction::Custom(match error {
                    EnvelopeError::Key => INVALID_SHIELDED_TX_PUB_KEY_HASH,
                    EnvelopeError::Layout | EnvelopeError::Sealed => FAILED_SHIELDED_TX_PARSING,
                })
            })?;
        }
        Ok((ValidTransaction::default(), (), origin))
    }
}

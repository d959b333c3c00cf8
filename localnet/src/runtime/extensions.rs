//! The transaction extensions, in the order and with the bytes of the pinned metadata.

mod charge;
mod marker;
mod nonce;
mod subtensor;

pub use charge::ChargeTransactionPaymentWrapper;
pub use marker::{CheckShieldedTxValidity, DrandPriority, SudoTransactionExtension};
pub use nonce::CheckNonce;
pub use subtensor::SubtensorTransactionExtension;

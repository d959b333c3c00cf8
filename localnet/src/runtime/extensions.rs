//! The transaction extensions, in the order and with the bytes of the pinned metadata.

mod charge;
mod guard;
mod marker;
mod nonce;
mod shielded;
mod subtensor;

pub use charge::ChargeTransactionPaymentWrapper;
pub use marker::{DrandPriority, SudoTransactionExtension};
pub use nonce::CheckNonce;
pub use shielded::CheckShieldedTxValidity;
pub use subtensor::SubtensorTransactionExtension;

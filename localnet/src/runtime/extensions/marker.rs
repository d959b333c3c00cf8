//! Extensions that carry no bytes and check nothing here: the dev chain has no beacon pulses from outside, and
//! lets anyone queue a sudo call (dispatch refuses it to all but the key).

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;
use sp_runtime::{impl_tx_ext_default, traits::TransactionExtension};

use crate::runtime::RuntimeCall;

/// An extension that is only a name.
macro_rules! marker {
	($(#[$doc:meta])* $name:ident) => {
		$(#[$doc])*
		#[derive(Clone, Debug, Decode, DecodeWithMemTracking, Default, Encode, Eq, PartialEq, TypeInfo)]
		pub struct $name;

		impl TransactionExtension<RuntimeCall> for $name {
			const IDENTIFIER: &'static str = stringify!($name);
			type Implicit = ();
			type Val = ();
			type Pre = ();
			impl_tx_ext_default!(RuntimeCall; weight validate prepare);
		}
	};
}

marker!(
    /// On the real chain: only the sudo key's sudo calls enter the pool.
    SudoTransactionExtension
);
marker!(
    /// On the real chain: beacon pulses go first.
    DrandPriority
);

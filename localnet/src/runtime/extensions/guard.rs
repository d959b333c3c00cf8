//! Extensions that carry no bytes and look at a transaction before the pool takes it.

/// An extension of this name whose check, a function of origin and call, may refuse a transaction.
macro_rules! guard {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(
            Clone,
            Debug,
            parity_scale_codec::Decode,
            parity_scale_codec::DecodeWithMemTracking,
            Default,
            parity_scale_codec::Encode,
            Eq,
            PartialEq,
            scale_info::TypeInfo,
        )]
        pub struct $name;

        impl sp_runtime::traits::TransactionExtension<$crate::runtime::RuntimeCall> for $name {
            const IDENTIFIER: &'static str = stringify!($name);
            type Implicit = ();
            type Val = ();
            type Pre = ();

            sp_runtime::impl_tx_ext_default!($crate::runtime::RuntimeCall; weight prepare);

            fn validate(
                &self,
                origin: $crate::runtime::RuntimeOrigin,
                call: &$crate::runtime::RuntimeCall,
                _info: &sp_runtime::traits::DispatchInfoOf<$crate::runtime::RuntimeCall>,
                _len: usize,
                _implicit: (),
                _implication: &impl parity_scale_codec::Encode,
                _source: sp_runtime::transaction_validity::TransactionSource,
            ) -> sp_runtime::traits::ValidateResult<Self::Val, $crate::runtime::RuntimeCall> {
                $check(&origin, call)?;
                Ok((Default::default(), (), origin))
            }
        }
    };
}

pub(super) use guard;

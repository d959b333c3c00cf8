//! `SubnetInfoRuntimeApi.get_subnet_hyperparams_v3`: a list of names and values.

use parity_scale_codec::{Compact, Decode, Encode};
use scale_info::TypeInfo;

use crate::runtime::{
    numbers::{I32F32, NetUid, TaoBalance, U64F64},
    subtensor::{
        ActivityCutoffFactorMilli, AlphaSigmoidSteepness, AlphaValues, BondsMovingAverage, BondsResetOn,
        BurnHalfLife, BurnIncreaseMult, CommitRevealWeightsEnabled, Config, ImmunityPeriod, Kappa,
        LiquidAlphaOn, MaxAllowedValidators, MaxBurn, MaxRegistrationsPerBlock, MaxWeightsLimit,
        MinAllowedWeights, MinBurn, NetworkRegistrationAllowed, NetworksAdded, OwnerCutAutoLockEnabled,
        OwnerCutEnabled, Pallet, RevealPeriodEpochs, ServingRateLimit, SubtokenEnabled,
        TargetRegistrationsPerInterval, Tempo, TransferToggle, WeightsSetRateLimit, WeightsVersionKey,
        Yuma3On,
    },
};

/// One hyperparameter.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
pub struct HyperparamEntry {
    /// Its name.
    pub name: Vec<u8>,
    /// Its value.
    pub value: HyperparamValue,
}

/// The value of a hyperparameter.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the variants are the types they hold")]
pub enum HyperparamValue {
    Bool(bool),
    U16(Compact<u16>),
    U32(Compact<u32>),
    U64(Compact<u64>),
    U128(Compact<u128>),
    TaoBalance(Compact<TaoBalance>),
    I32F32(I32F32),
    U64F64(U64F64),
}

/// A conversion into the variant for a type.
macro_rules! value {
    ($type:ty, $variant:ident, $wrap:expr) => {
        impl From<$type> for HyperparamValue {
            fn from(value: $type) -> Self {
                Self::$variant($wrap(value))
            }
        }
    };
}

value!(bool, Bool, core::convert::identity);
value!(u16, U16, Compact);
value!(u32, U32, Compact);
value!(u64, U64, Compact);
value!(TaoBalance, TaoBalance, Compact);
value!(I32F32, I32F32, core::convert::identity);
value!(U64F64, U64F64, core::convert::identity);

/// Number of the consensus in use: Yuma 3 or the classic Yuma 2.
pub(super) fn yuma_version(yuma3: bool) -> u16 {
    if yuma3 { 3 } else { 2 }
}

impl<T: Config> Pallet<T> {
    /// The hyperparameters of a subnet, in the chain's order.
    pub fn hyperparameters(netuid: NetUid) -> Option<Vec<HyperparamEntry>> {
        if !NetworksAdded::<T>::get(netuid) {
            return None;
        }
        let (alpha_low, alpha_high) = AlphaValues::<T>::get(netuid);
        let steepness = I32F32::from_int(AlphaSigmoidSteepness::<T>::get(netuid).into());
        let entries: [(&str, HyperparamValue); 32] = [
            ("kappa", Kappa::<T>::get(netuid).into()),
            ("immunity_period", ImmunityPeriod::<T>::get(netuid).into()),
            ("min_allowed_weights", MinAllowedWeights::<T>::get(netuid).into()),
            ("max_weights_limit", MaxWeightsLimit::<T>::get(netuid).into()),
            ("tempo", Tempo::<T>::get(netuid).into()),
            ("weights_version", WeightsVersionKey::<T>::get(netuid).into()),
            ("weights_rate_limit", WeightsSetRateLimit::<T>::get(netuid).into()),
            ("activity_cutoff", Self::activity_cutoff(netuid).into()),
            ("activity_cutoff_factor", ActivityCutoffFactorMilli::<T>::get(netuid).into()),
            ("registration_allowed", NetworkRegistrationAllowed::<T>::get(netuid).into()),
            ("target_regs_per_interval", TargetRegistrationsPerInterval::<T>::get(netuid).into()),
            ("min_burn", MinBurn::<T>::get(netuid).into()),
            ("max_burn", MaxBurn::<T>::get(netuid).into()),
            ("burn_half_life", BurnHalfLife::<T>::get(netuid).into()),
            ("burn_increase_mult", BurnIncreaseMult::<T>::get(netuid).into()),
            ("bonds_moving_avg", BondsMovingAverage::<T>::get(netuid).into()),
            ("max_regs_per_block", MaxRegistrationsPerBlock::<T>::get(netuid).into()),
            ("serving_rate_limit", ServingRateLimit::<T>::get(netuid).into()),
            ("max_validators", MaxAllowedValidators::<T>::get(netuid).into()),
            ("commit_reveal_period", RevealPeriodEpochs::<T>::get(netuid).into()),
            ("commit_reveal_weights_enabled", CommitRevealWeightsEnabled::<T>::get(netuid).into()),
            ("alpha_high", alpha_high.into()),
            ("alpha_low", alpha_low.into()),
            ("liquid_alpha_enabled", LiquidAlphaOn::<T>::get(netuid).into()),
            ("alpha_sigmoid_steepness", steepness.into()),
            ("yuma_version", yuma_version(Yuma3On::<T>::get(netuid)).into()),
            ("subnet_is_active", SubtokenEnabled::<T>::get(netuid).into()),
            ("transfers_enabled", TransferToggle::<T>::get(netuid).into()),
            ("bonds_reset_enabled", BondsResetOn::<T>::get(netuid).into()),
            ("user_liquidity_enabled", false.into()),
            ("owner_cut_enabled", OwnerCutEnabled::<T>::get(netuid).into()),
            ("owner_cut_auto_lock_enabled", OwnerCutAutoLockEnabled::<T>::get(netuid).into()),
        ];
        let entry = |(name, value): (&str, HyperparamValue)| HyperparamEntry {
            name: name.as_bytes().to_vec(),
            value,
        };
        Some(entries.into_iter().map(entry).collect())
    }
}

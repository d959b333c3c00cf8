//! The older shapes in which `SubnetInfoRuntimeApi` tells about a subnet and its hyperparameters.

use parity_scale_codec::{Compact, Decode, Encode};
use scale_info::TypeInfo;
use sp_runtime::AccountId32;

use crate::runtime::{
    numbers::{I32F32, NetUid, TaoBalance},
    subtensor::{
        AdjustmentAlpha, AdjustmentInterval, AlphaSigmoidSteepness, AlphaValues, BlocksSinceLastStep,
        BondsMovingAverage, BondsResetOn, Burn, CommitRevealWeightsEnabled, Config, Difficulty,
        ImmunityPeriod, Kappa, LiquidAlphaOn, MaxAllowedUids, MaxAllowedValidators, MaxBurn, MaxDifficulty,
        MaxRegistrationsPerBlock, MinAllowedWeights, MinBurn, MinDifficulty, NetworkRegistrationAllowed,
        NetworksAdded, Pallet, RevealPeriodEpochs, Rho, ScalingLawPower, ServingRateLimit,
        SubnetIdentitiesV3, SubnetOwner, SubnetworkN, SubtokenEnabled, TargetRegistrationsPerInterval, Tempo,
        TransferToggle, WeightsSetRateLimit, WeightsVersionKey, Yuma3On, types::SubnetIdentityV3,
    },
};

/// The chain checks no largest weight and tells so.
const WEIGHT_MAX: u16 = u16::MAX;

/// A shape of a subnet, and how it is made. The chain no longer has modalities, connections or emission values: they are nothing.
macro_rules! subnet_info {
    ($(#[$doc:meta])* $name:ident, $emission:ident $(, $more:ident: $more_type:ty = $item:ident)?) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
        #[allow(missing_docs, reason = "the fields are their names")]
        pub struct $name<AccountId> {
            pub netuid: Compact<NetUid>,
            pub rho: Compact<u16>,
            pub kappa: Compact<u16>,
            pub difficulty: Compact<u64>,
            pub immunity_period: Compact<u16>,
            pub max_allowed_validators: Compact<u16>,
            pub min_allowed_weights: Compact<u16>,
            pub max_weights_limit: Compact<u16>,
            pub scaling_law_power: Compact<u16>,
            pub subnetwork_n: Compact<u16>,
            pub max_allowed_uids: Compact<u16>,
            pub blocks_since_last_step: Compact<u64>,
            pub tempo: Compact<u16>,
            pub network_modality: Compact<u16>,
            pub network_connect: Vec<[u16; 2]>,
            pub $emission: Compact<u64>,
            pub burn: Compact<TaoBalance>,
            pub owner: AccountId,
            $(pub $more: $more_type,)?
        }

        impl $name<AccountId32> {
            fn of<T: Config>(netuid: NetUid) -> Self {
                Self {
                    netuid: Compact(netuid),
                    rho: Compact(Rho::<T>::get(netuid)),
                    kappa: Compact(Kappa::<T>::get(netuid)),
                    difficulty: Compact(Difficulty::<T>::get(netuid)),
                    immunity_period: Compact(ImmunityPeriod::<T>::get(netuid)),
                    max_allowed_validators: Compact(MaxAllowedValidators::<T>::get(netuid)),
                    min_allowed_weights: Compact(MinAllowedWeights::<T>::get(netuid)),
                    max_weights_limit: Compact(WEIGHT_MAX),
                    scaling_law_power: Compact(ScalingLawPower::<T>::get(netuid)),
                    subnetwork_n: Compact(SubnetworkN::<T>::get(netuid)),
                    max_allowed_uids: Compact(MaxAllowedUids::<T>::get(netuid)),
                    blocks_since_last_step: Compact(BlocksSinceLastStep::<T>::get(netuid)),
                    tempo: Compact(Tempo::<T>::get(netuid)),
                    network_modality: Compact(0),
                    network_connect: Vec::new(),
                    $emission: Compact(0),
                    burn: Compact(Burn::<T>::get(netuid)),
                    owner: SubnetOwner::<T>::get(netuid),
                    $($more: $item::<T>::get(netuid),)?
                }
            }
        }
    };
}

subnet_info!(
    /// A subnet.
    SubnetInfo, emission_values
);
subnet_info!(
    /// A subnet with its identity.
    SubnetInfov2, emission_value, identity: Option<SubnetIdentityV3> = SubnetIdentitiesV3
);

/// Both shapes of a subnet's hyperparameters: the second is the first with more at its end.
macro_rules! hyperparams {
    ($($field:ident: $type:ty,)* ; $($more:ident: $more_type:ty,)*) => {
        /// The hyperparameters of a subnet, first shape.
        #[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
        #[allow(missing_docs, reason = "the fields are their names")]
        pub struct SubnetHyperparams {
            $(pub $field: $type,)*
        }

        /// The hyperparameters of a subnet, second shape.
        #[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
        #[allow(missing_docs, reason = "the fields are their names")]
        pub struct SubnetHyperparamsV2 {
            $(pub $field: $type,)*
            $(pub $more: $more_type,)*
        }

        /// What the second shape adds.
        struct HyperparamsTail {
            $($more: $more_type,)*
        }

        impl SubnetHyperparamsV2 {
            fn of(first: SubnetHyperparams, tail: HyperparamsTail) -> Self {
                Self { $($field: first.$field,)* $($more: tail.$more,)* }
            }
        }
    };
}

hyperparams! {
    rho: Compact<u16>,
    kappa: Compact<u16>,
    immunity_period: Compact<u16>,
    min_allowed_weights: Compact<u16>,
    max_weights_limit: Compact<u16>,
    tempo: Compact<u16>,
    min_difficulty: Compact<u64>,
    max_difficulty: Compact<u64>,
    weights_version: Compact<u64>,
    weights_rate_limit: Compact<u64>,
    adjustment_interval: Compact<u16>,
    activity_cutoff: Compact<u64>,
    registration_allowed: bool,
    target_regs_per_interval: Compact<u16>,
    min_burn: Compact<TaoBalance>,
    max_burn: Compact<TaoBalance>,
    bonds_moving_avg: Compact<u64>,
    max_regs_per_block: Compact<u16>,
    serving_rate_limit: Compact<u64>,
    max_validators: Compact<u16>,
    adjustment_alpha: Compact<u64>,
    difficulty: Compact<u64>,
    commit_reveal_period: Compact<u64>,
    commit_reveal_weights_enabled: bool,
    alpha_high: Compact<u16>,
    alpha_low: Compact<u16>,
    liquid_alpha_enabled: bool,
    ;
    alpha_sigmoid_steepness: I32F32,
    yuma_version: Compact<u16>,
    subnet_is_active: bool,
    transfers_enabled: bool,
    bonds_reset_enabled: bool,
    user_liquidity_enabled: bool,
}

impl<T: Config> Pallet<T> {
    /// A subnet, second shape.
    pub fn subnet_info_v2(netuid: NetUid) -> Option<SubnetInfov2<AccountId32>> {
        NetworksAdded::<T>::get(netuid).then(|| SubnetInfov2::of::<T>(netuid))
    }

    /// A subnet, first shape.
    pub fn subnet_info(netuid: NetUid) -> Option<SubnetInfo<AccountId32>> {
        NetworksAdded::<T>::get(netuid).then(|| SubnetInfo::of::<T>(netuid))
    }

    /// The hyperparameters of a subnet, first shape.
    pub fn hyperparameters_v1(netuid: NetUid) -> Option<SubnetHyperparams> {
        if !NetworksAdded::<T>::get(netuid) {
            return None;
        }
        let (alpha_low, alpha_high) = AlphaValues::<T>::get(netuid);
        Some(SubnetHyperparams {
            rho: Compact(Rho::<T>::get(netuid)),
            kappa: Compact(Kappa::<T>::get(netuid)),
            immunity_period: Compact(ImmunityPeriod::<T>::get(netuid)),
            min_allowed_weights: Compact(MinAllowedWeights::<T>::get(netuid)),
            max_weights_limit: Compact(WEIGHT_MAX),
            tempo: Compact(Tempo::<T>::get(netuid)),
            min_difficulty: Compact(MinDifficulty::<T>::get(netuid)),
            max_difficulty: Compact(MaxDifficulty::<T>::get(netuid)),
            weights_version: Compact(WeightsVersionKey::<T>::get(netuid)),
            weights_rate_limit: Compact(WeightsSetRateLimit::<T>::get(netuid)),
            adjustment_interval: Compact(AdjustmentInterval::<T>::get(netuid)),
            activity_cutoff: Compact(Self::activity_cutoff(netuid)),
            registration_allowed: NetworkRegistrationAllowed::<T>::get(netuid),
            target_regs_per_interval: Compact(TargetRegistrationsPerInterval::<T>::get(netuid)),
            min_burn: Compact(MinBurn::<T>::get(netuid)),
            max_burn: Compact(MaxBurn::<T>::get(netuid)),
            bonds_moving_avg: Compact(BondsMovingAverage::<T>::get(netuid)),
            max_regs_per_block: Compact(MaxRegistrationsPerBlock::<T>::get(netuid)),
            serving_rate_limit: Compact(ServingRateLimit::<T>::get(netuid)),
            max_validators: Compact(MaxAllowedValidators::<T>::get(netuid)),
            adjustment_alpha: Compact(AdjustmentAlpha::<T>::get(netuid)),
            difficulty: Compact(Difficulty::<T>::get(netuid)),
            commit_reveal_period: Compact(RevealPeriodEpochs::<T>::get(netuid)),
            commit_reveal_weights_enabled: CommitRevealWeightsEnabled::<T>::get(netuid),
            alpha_high: Compact(alpha_high),
            alpha_low: Compact(alpha_low),
            liquid_alpha_enabled: LiquidAlphaOn::<T>::get(netuid),
        })
    }

    /// The hyperparameters of a subnet, second shape.
    pub fn hyperparameters_v2(netuid: NetUid) -> Option<SubnetHyperparamsV2> {
        let tail = HyperparamsTail {
            alpha_sigmoid_steepness: I32F32::from_int(AlphaSigmoidSteepness::<T>::get(netuid).into()),
            yuma_version: Compact(super::hyperparameters::yuma_version(Yuma3On::<T>::get(netuid))),
            subnet_is_active: SubtokenEnabled::<T>::get(netuid),
            transfers_enabled: TransferToggle::<T>::get(netuid),
            bonds_reset_enabled: BondsResetOn::<T>::get(netuid),
            user_liquidity_enabled: false,
        };
        Some(SubnetHyperparamsV2::of(Self::hyperparameters_v1(netuid)?, tail))
    }
}

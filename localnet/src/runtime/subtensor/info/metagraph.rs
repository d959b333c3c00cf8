//! `SubnetInfoRuntimeApi.get_metagraph`: everything about a subnet and its neurons at one block.

use parity_scale_codec::Compact;
use sp_runtime::{AccountId32, PerU16};

use super::{dynamic::compact_bytes, selective::Metagraph};
use crate::runtime::{
    numbers::{AlphaBalance, MechId, NetUid, TaoBalance},
    subtensor::{
        Active, AdjustmentAlpha, AdjustmentInterval, AlphaDividendsPerSubnet, AlphaValues, Axons,
        BlockAtRegistration, BlocksSinceLastStep, BondsMovingAverage, Burn, CommitRevealWeightsEnabled,
        Config, Consensus, Difficulty, Dividends, Emission, IdentitiesV2, ImmunityPeriod, Incentive, Kappa,
        LastMechansimStepBlock, LastUpdate, LiquidAlphaOn, MaxAllowedUids, MaxAllowedValidators, MaxBurn,
        MaxDifficulty, MaxRegistrationsPerBlock, MaxWeightsLimit, MechanismCountCurrent, MinAllowedWeights,
        MinBurn, MinDifficulty, MinerCollateral, NetworkPowRegistrationAllowed, NetworkRegisteredAt,
        NetworkRegistrationAllowed, NetworksAdded, Owner, Pallet, RevealPeriodEpochs, Rho, ServingRateLimit,
        SubnetAlphaIn, SubnetAlphaInEmission, SubnetAlphaOut, SubnetAlphaOutEmission, SubnetIdentitiesV3,
        SubnetOwner, SubnetOwnerHotkey, SubnetTAO, SubnetTaoInEmission, SubnetVolume, SubnetworkN,
        TargetRegistrationsPerInterval, Tempo, TokenSymbol, ValidatorPermit, WeightsSetRateLimit,
        WeightsVersionKey, types::MinerCollateralState,
    },
};

/// Stake of each neuron by kind.
struct Stakes {
    alpha: Vec<AlphaBalance>,
    tao: Vec<TaoBalance>,
    total: Vec<TaoBalance>,
}

impl<T: Config> Pallet<T> {
    /// A subnet and its neurons, as the main mechanism sees them.
    pub fn metagraph(netuid: NetUid) -> Option<Metagraph<AccountId32>> {
        Self::mechagraph(netuid, MechId::MAIN)
    }

    /// A subnet and its neurons, as one mechanism sees them.
    pub fn mechagraph(netuid: NetUid, mechanism: MechId) -> Option<Metagraph<AccountId32>> {
        if !NetworksAdded::<T>::get(netuid) || mechanism >= MechanismCountCurrent::<T>::get(netuid) {
            return None;
        }
        let index = netuid.index(mechanism);
        let (alpha_low, alpha_high) = AlphaValues::<T>::get(netuid);
        let hotkeys = Self::hotkeys(netuid);
        let coldkeys: Vec<AccountId32> = hotkeys.iter().map(Owner::<T>::get).collect();
        let stakes = Self::stakes_by_kind(netuid, &hotkeys);
        let collaterals = Self::collaterals(netuid, &hotkeys, &coldkeys);
        Some(Metagraph {
            netuid: Compact(netuid),
            name: compact_bytes(&Self::subnet_name(netuid)),
            symbol: compact_bytes(&TokenSymbol::<T>::get(netuid)),
            identity: SubnetIdentitiesV3::<T>::get(netuid),
            network_registered_at: Compact(NetworkRegisteredAt::<T>::get(netuid)),
            owner_hotkey: SubnetOwnerHotkey::<T>::get(netuid),
            owner_coldkey: SubnetOwner::<T>::get(netuid),
            block: Compact(Self::block()),
            tempo: Compact(Tempo::<T>::get(netuid)),
            last_step: Compact(LastMechansimStepBlock::<T>::get(netuid)),
            blocks_since_last_step: Compact(BlocksSinceLastStep::<T>::get(netuid)),
            subnet_emission: Compact(0),
            alpha_in: Compact(SubnetAlphaIn::<T>::get(netuid)),
            alpha_out: Compact(SubnetAlphaOut::<T>::get(netuid)),
            tao_in: Compact(SubnetTAO::<T>::get(netuid)),
            alpha_out_emission: Compact(SubnetAlphaOutEmission::<T>::get(netuid)),
            alpha_in_emission: Compact(SubnetAlphaInEmission::<T>::get(netuid)),
            tao_in_emission: Compact(SubnetTaoInEmission::<T>::get(netuid)),
            pending_alpha_emission: Compact(Self::pending_emission(netuid)),
            pending_root_emission: Compact(TaoBalance::ZERO),
            subnet_volume: Compact(SubnetVolume::<T>::get(netuid)),
            moving_price: Self::moving_price_signed(netuid),
            rho: Compact(Rho::<T>::get(netuid)),
            kappa: Compact(Kappa::<T>::get(netuid)),
            min_allowed_weights: Compact(MinAllowedWeights::<T>::get(netuid)),
            max_weights_limit: Compact(MaxWeightsLimit::<T>::get(netuid)),
            weights_version: Compact(WeightsVersionKey::<T>::get(netuid)),
            weights_rate_limit: Compact(WeightsSetRateLimit::<T>::get(netuid)),
            activity_cutoff: Compact(Self::activity_cutoff(netuid)),
            max_validators: Compact(MaxAllowedValidators::<T>::get(netuid)),
            num_uids: Compact(SubnetworkN::<T>::get(netuid)),
            max_uids: Compact(MaxAllowedUids::<T>::get(netuid)),
            burn: Compact(Burn::<T>::get(netuid)),
            difficulty: Compact(Difficulty::<T>::get(netuid)),
            registration_allowed: NetworkRegistrationAllowed::<T>::get(netuid),
            pow_registration_allowed: NetworkPowRegistrationAllowed::<T>::get(netuid),
            immunity_period: Compact(ImmunityPeriod::<T>::get(netuid)),
            min_difficulty: Compact(MinDifficulty::<T>::get(netuid)),
            max_difficulty: Compact(MaxDifficulty::<T>::get(netuid)),
            min_burn: Compact(MinBurn::<T>::get(netuid)),
            max_burn: Compact(MaxBurn::<T>::get(netuid)),
            adjustment_alpha: Compact(AdjustmentAlpha::<T>::get(netuid)),
            adjustment_interval: Compact(AdjustmentInterval::<T>::get(netuid)),
            target_regs_per_interval: Compact(TargetRegistrationsPerInterval::<T>::get(netuid)),
            max_regs_per_block: Compact(MaxRegistrationsPerBlock::<T>::get(netuid)),
            serving_rate_limit: Compact(ServingRateLimit::<T>::get(netuid)),
            commit_reveal_weights_enabled: CommitRevealWeightsEnabled::<T>::get(netuid),
            commit_reveal_period: Compact(RevealPeriodEpochs::<T>::get(netuid)),
            liquid_alpha_enabled: LiquidAlphaOn::<T>::get(netuid),
            alpha_high: Compact(alpha_high),
            alpha_low: Compact(alpha_low),
            bonds_moving_avg: Compact(BondsMovingAverage::<T>::get(netuid)),
            identities: coldkeys.iter().map(IdentitiesV2::<T>::get).collect(),
            axons: hotkeys.iter().map(|hotkey| Axons::<T>::get(netuid, hotkey).unwrap_or_default()).collect(),
            active: Active::<T>::get(netuid),
            validator_permit: ValidatorPermit::<T>::get(netuid),
            pruning_score: vec![Compact(u16::MAX); hotkeys.len()],
            last_update: compact(padded(LastUpdate::<T>::get(index), hotkeys.len())),
            emission: compact(Emission::<T>::get(netuid)),
            dividends: compact(Dividends::<T>::get(netuid)),
            incentives: compact(padded(Incentive::<T>::get(index), hotkeys.len())),
            consensus: compact(Consensus::<T>::get(netuid)),
            trust: vec![Compact(PerU16::default()); hotkeys.len()],
            rank: vec![Compact(0); hotkeys.len()],
            block_at_registration: (0..hotkeys.len())
                .map(|uid| Compact(BlockAtRegistration::<T>::get(netuid, uid as u16)))
                .collect(),
            alpha_stake: compact(stakes.alpha),
            tao_stake: compact(stakes.tao),
            total_stake: compact(stakes.total),
            tao_dividends_per_hotkey: hotkeys
                .iter()
                .map(|hotkey| (hotkey.clone(), Compact(TaoBalance::ZERO)))
                .collect(),
            alpha_dividends_per_hotkey: hotkeys
                .iter()
                .map(|hotkey| (hotkey.clone(), Compact(AlphaDividendsPerSubnet::<T>::get(netuid, hotkey))))
                .collect(),
            collateral_locked: collaterals.iter().map(|state| Compact(state.locked)).collect(),
            collateral_min: collaterals.iter().map(|state| Compact(state.min_locked)).collect(),
            collateral_earned: collaterals.iter().map(|state| Compact(state.earned)).collect(),
            hotkeys,
            coldkeys,
        })
    }

    fn stakes_by_kind(netuid: NetUid, hotkeys: &[AccountId32]) -> Stakes {
        let weighed: Vec<(AlphaBalance, u64)> =
            hotkeys.iter().map(|hotkey| Self::weighed_stake(hotkey, netuid)).collect();
        Stakes {
            alpha: weighed.iter().map(|(alpha, _)| *alpha).collect(),
            tao: weighed.iter().map(|(_, tao)| TaoBalance::new(*tao)).collect(),
            total: weighed
                .iter()
                .map(|(alpha, tao)| TaoBalance::new(alpha.get().saturating_add(*tao)))
                .collect(),
        }
    }

    fn collaterals(
        netuid: NetUid,
        hotkeys: &[AccountId32],
        coldkeys: &[AccountId32],
    ) -> Vec<MinerCollateralState> {
        let keys = hotkeys.iter().zip(coldkeys);
        keys.map(|(hotkey, coldkey)| MinerCollateral::<T>::get((netuid, hotkey, coldkey)).unwrap_or_default())
            .collect()
    }
}

fn compact<V>(values: Vec<V>) -> Vec<Compact<V>> {
    values.into_iter().map(Compact).collect()
}

/// A mechanism's vectors can be shorter than its subnet; what is missing is nothing.
fn padded<V: Clone + Default>(mut values: Vec<V>, len: usize) -> Vec<V> {
    values.resize(len, V::default());
    values
}

//! `SubnetInfoRuntimeApi.get_dynamic_info`: a subnet's pool, emission and identity.

use parity_scale_codec::{Compact, Decode, Encode};
use scale_info::TypeInfo;
use sp_runtime::AccountId32;

use crate::runtime::{
    numbers::{AlphaBalance, I96F32, NetUid, TaoBalance, U64F64},
    subtensor::{
        BlocksSinceLastStep, Config, LastMechansimStepBlock, NetworkRegisteredAt, NetworksAdded, Pallet,
        PendingOwnerCut, PendingServerEmission, PendingValidatorEmission, SubnetAlphaIn,
        SubnetAlphaInEmission, SubnetAlphaOut, SubnetAlphaOutEmission, SubnetIdentitiesV3, SubnetOwner,
        SubnetOwnerHotkey, SubnetTAO, SubnetTaoInEmission, SubnetVolume, Tempo, TokenSymbol,
        types::SubnetIdentityV3,
    },
};

/// A subnet as a market.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the fields are their names")]
pub struct DynamicInfo<AccountId> {
    pub netuid: Compact<NetUid>,
    pub owner_hotkey: AccountId,
    pub owner_coldkey: AccountId,
    pub subnet_name: Vec<Compact<u8>>,
    pub token_symbol: Vec<Compact<u8>>,
    pub tempo: Compact<u16>,
    pub last_step: Compact<u64>,
    pub blocks_since_last_step: Compact<u64>,
    pub emission: Compact<u64>,
    pub alpha_in: Compact<AlphaBalance>,
    pub alpha_out: Compact<AlphaBalance>,
    pub tao_in: Compact<TaoBalance>,
    pub alpha_out_emission: Compact<AlphaBalance>,
    pub alpha_in_emission: Compact<AlphaBalance>,
    pub tao_in_emission: Compact<TaoBalance>,
    pub pending_alpha_emission: Compact<AlphaBalance>,
    pub pending_root_emission: Compact<TaoBalance>,
    pub subnet_volume: Compact<u128>,
    pub network_registered_at: Compact<u64>,
    pub subnet_identity: Option<SubnetIdentityV3>,
    pub moving_price: I96F32,
}

impl<T: Config> Pallet<T> {
    /// A subnet's pool, emission and identity.
    pub fn dynamic_info(netuid: NetUid) -> Option<DynamicInfo<AccountId32>> {
        if !NetworksAdded::<T>::get(netuid) {
            return None;
        }
        Some(DynamicInfo {
            netuid: Compact(netuid),
            owner_hotkey: SubnetOwnerHotkey::<T>::get(netuid),
            owner_coldkey: SubnetOwner::<T>::get(netuid),
            subnet_name: compact_bytes(&Self::subnet_name(netuid)),
            token_symbol: compact_bytes(&TokenSymbol::<T>::get(netuid)),
            tempo: Compact(Tempo::<T>::get(netuid)),
            last_step: Compact(LastMechansimStepBlock::<T>::get(netuid)),
            blocks_since_last_step: Compact(BlocksSinceLastStep::<T>::get(netuid)),
            emission: Compact(0),
            alpha_in: Compact(SubnetAlphaIn::<T>::get(netuid)),
            alpha_out: Compact(SubnetAlphaOut::<T>::get(netuid)),
            tao_in: Compact(SubnetTAO::<T>::get(netuid)),
            alpha_out_emission: Compact(SubnetAlphaOutEmission::<T>::get(netuid)),
            alpha_in_emission: Compact(SubnetAlphaInEmission::<T>::get(netuid)),
            tao_in_emission: Compact(SubnetTaoInEmission::<T>::get(netuid)),
            pending_alpha_emission: Compact(Self::pending_emission(netuid)),
            pending_root_emission: Compact(TaoBalance::ZERO),
            subnet_volume: Compact(SubnetVolume::<T>::get(netuid)),
            network_registered_at: Compact(NetworkRegisteredAt::<T>::get(netuid)),
            subnet_identity: SubnetIdentitiesV3::<T>::get(netuid),
            moving_price: Self::moving_price_signed(netuid),
        })
    }

    /// The name in the subnet's identity.
    pub(super) fn subnet_name(netuid: NetUid) -> Vec<u8> {
        SubnetIdentitiesV3::<T>::get(netuid).map(|identity| identity.subnet_name).unwrap_or_default()
    }

    /// Alpha that the next epoch will split.
    pub(super) fn pending_emission(netuid: NetUid) -> AlphaBalance {
        PendingServerEmission::<T>::get(netuid)
            .saturating_add(PendingValidatorEmission::<T>::get(netuid))
            .saturating_add(PendingOwnerCut::<T>::get(netuid))
    }

    /// The averaged price of alpha in TAO, as the reads tell it.
    pub(super) fn moving_price_signed(netuid: NetUid) -> I96F32 {
        let bits = Self::moving_price(netuid).bits >> (U64F64::FRACTION_BITS - I96F32::FRACTION_BITS);
        I96F32::from_bits(bits as i128)
    }
}

pub(super) fn compact_bytes(bytes: &[u8]) -> Vec<Compact<u8>> {
    bytes.iter().copied().map(Compact).collect()
}

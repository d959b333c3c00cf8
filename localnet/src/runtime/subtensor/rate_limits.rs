//! What an owner may change how often, and the blocks before an epoch in which nobody may.

use frame_support::ensure;
use frame_system::pallet_prelude::OriginFor;
use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;
use sp_runtime::{AccountId32, DispatchError};

use crate::runtime::{
    numbers::NetUid,
    subtensor::{
        AdminFreezeWindow, Config, Error, Event, LastEpochBlock, LastRateLimitedBlock,
        OwnerHyperparamRateLimit, Pallet, PendingEpochAt, SubnetOwner, Tempo, TransactionKeyLastBlock,
        WeightsVersionKeyRateLimit,
    },
};

/// Blocks between two changes of a subnet's owner hotkey.
const OWNER_HOTKEY_BLOCKS: u64 = 50_400;
/// Blocks between two changes of a subnet's mechanisms or their split, and between two trims, with fast blocks.
const MECHANISM_BLOCKS: u64 = 1;

/// What [`LastRateLimitedBlock`] counts.
#[derive(Clone, Debug, Decode, DecodeWithMemTracking, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the variants are the chain's own names")]
pub enum RateLimitKey<AccountId> {
    SetSNOwnerHotkey(NetUid),
    OwnerHyperparamUpdate(NetUid, Hyperparameter),
    NetworkLastRegistered,
    LastTxBlock(AccountId),
    LastTxBlockChildKeyTake(AccountId),
    LastTxBlockDelegateTake(AccountId),
    AddStakeBurn(NetUid),
}

/// A hyperparameter whose changes by the owner are counted.
#[derive(Clone, Copy, Debug, Decode, DecodeWithMemTracking, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the variants are the chain's own names")]
pub enum Hyperparameter {
    Unknown,
    ServingRateLimit,
    MaxDifficulty,
    AdjustmentAlpha,
    MaxWeightLimit,
    ImmunityPeriod,
    MinAllowedWeights,
    Kappa,
    Rho,
    ActivityCutoff,
    PowRegistrationAllowed,
    MinBurn,
    MaxBurn,
    BondsMovingAverage,
    BondsPenalty,
    CommitRevealEnabled,
    LiquidAlphaEnabled,
    AlphaValues,
    WeightCommitInterval,
    TransferEnabled,
    AlphaSigmoidSteepness,
    Yuma3Enabled,
    BondsResetEnabled,
    ImmuneNeuronLimit,
    RecycleOrBurn,
    MaxAllowedUids,
    BurnHalfLife,
    BurnIncreaseMult,
    SubnetEmissionEnabled,
    MinChildkeyTake,
    ActivityCutoffFactorMilli,
    TriggerEpoch,
    CollateralLockShare,
    CollateralDrainRatio,
    LiquidAlphaConsensusMode,
}

/// A change that is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// One hyperparameter.
    Hyperparameter(Hyperparameter),
    /// The hotkey of the subnet's owner; counted for root too.
    OwnerHotkey,
    /// The version key of weights.
    WeightsVersionKey,
    /// The number of mechanisms.
    Mechanisms,
    /// How mechanisms share the emission.
    EmissionSplit,
    /// The number of neurons.
    Trim,
    /// The tempo.
    Tempo,
}

impl From<Hyperparameter> for Change {
    fn from(hyperparameter: Hyperparameter) -> Self {
        Self::Hyperparameter(hyperparameter)
    }
}

/// Who changes a subnet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Authority {
    /// The sudo key.
    Root,
    /// The subnet's owner coldkey.
    Owner(AccountId32),
}

impl Change {
    /// Blocks between two such changes on a subnet.
    fn limit_blocks<T: Config>(self, netuid: NetUid) -> u64 {
        let tempo = u64::from(Tempo::<T>::get(netuid));
        match self {
            Self::Hyperparameter(_) => tempo.saturating_mul(OwnerHyperparamRateLimit::<T>::get().into()),
            Self::WeightsVersionKey => tempo.saturating_mul(WeightsVersionKeyRateLimit::<T>::get()),
            Self::OwnerHotkey => OWNER_HOTKEY_BLOCKS,
            Self::Mechanisms | Self::EmissionSplit | Self::Trim => MECHANISM_BLOCKS,
            Self::Tempo => Pallet::<T>::min_tempo().into(),
        }
    }

    /// Its number in [`TransactionKeyLastBlock`], for changes counted there.
    const fn transaction_kind(self) -> Option<u16> {
        match self {
            Self::WeightsVersionKey => Some(4),
            Self::Mechanisms => Some(7),
            Self::EmissionSplit => Some(8),
            Self::Trim => Some(9),
            Self::Tempo => Some(11),
            Self::Hyperparameter(_) | Self::OwnerHotkey => None,
        }
    }

    /// Its key in [`LastRateLimitedBlock`], for changes counted there.
    const fn key(self, netuid: NetUid) -> RateLimitKey<AccountId32> {
        match self {
            Self::Hyperparameter(hyperparameter) => {
                RateLimitKey::OwnerHyperparamUpdate(netuid, hyperparameter)
            }
            _ => RateLimitKey::SetSNOwnerHotkey(netuid),
        }
    }

    fn last_block<T: Config>(self, who: &AccountId32, netuid: NetUid) -> u64 {
        match self.transaction_kind() {
            Some(kind) => TransactionKeyLastBlock::<T>::get((who, netuid, kind)),
            None => LastRateLimitedBlock::<T>::get(self.key(netuid)),
        }
    }

    /// Refuses the change if the last one is too recent. The first is always allowed.
    pub(crate) fn ensure_allowed<T: Config>(
        self,
        who: &AccountId32,
        netuid: NetUid,
    ) -> Result<(), DispatchError> {
        let last = self.last_block::<T>(who, netuid);
        let waited = Pallet::<T>::block().saturating_sub(last);
        ensure!(last == 0 || waited >= self.limit_blocks::<T>(netuid), Error::<T>::TxRateLimitExceeded);
        Ok(())
    }

    /// Remembers that the change was made now.
    pub(crate) fn record<T: Config>(self, who: &AccountId32, netuid: NetUid) {
        let now = Pallet::<T>::block();
        match self.transaction_kind() {
            Some(kind) => TransactionKeyLastBlock::<T>::insert((who, netuid, kind), now),
            None => LastRateLimitedBlock::<T>::insert(self.key(netuid), now),
        }
    }
}

impl Authority {
    /// Refuses an owner's change if the last one is too recent.
    pub(crate) fn ensure_allowed<T: Config>(
        &self,
        netuid: NetUid,
        change: Change,
    ) -> Result<(), DispatchError> {
        match self {
            Self::Root => Ok(()),
            Self::Owner(who) => change.ensure_allowed::<T>(who, netuid),
        }
    }

    /// Remembers an owner's change.
    pub(crate) fn record<T: Config>(&self, netuid: NetUid, change: Change) {
        if let Self::Owner(who) = self {
            change.record::<T>(who, netuid);
        }
    }
}

impl<T: Config> Pallet<T> {
    /// Deposits an event for a pallet that changes this one's state.
    pub(crate) fn emit(event: Event<T>) {
        Self::deposit_event(event);
    }

    /// The sudo key or the owner of a subnet; anybody else is refused.
    pub(crate) fn owner_or_root(origin: OriginFor<T>, netuid: NetUid) -> Result<Authority, DispatchError> {
        match frame_system::ensure_signed_or_root(origin)? {
            None => Ok(Authority::Root),
            Some(who) if SubnetOwner::<T>::get(netuid) == who => Ok(Authority::Owner(who)),
            Some(_) => Err(DispatchError::BadOrigin),
        }
    }

    /// Refuses changes in the last blocks before an epoch, so that validators meet the parameters they reckoned with.
    pub(crate) fn ensure_admin_window_open(netuid: NetUid) -> Result<(), DispatchError> {
        ensure!(
            !Self::is_in_admin_freeze_window(netuid, Self::block()),
            Error::<T>::AdminActionProhibitedDuringWeightsWindow
        );
        Ok(())
    }

    /// Whether a block is among the last before an epoch of a subnet; all blocks until an epoch asked for are.
    pub fn is_in_admin_freeze_window(netuid: NetUid, block: u64) -> bool {
        let tempo = u64::from(Tempo::<T>::get(netuid));
        if tempo == 0 {
            return false;
        }
        if PendingEpochAt::<T>::get(netuid) > block {
            return true;
        }
        let left = LastEpochBlock::<T>::get(netuid).saturating_add(tempo).saturating_sub(block);
        left < AdminFreezeWindow::<T>::get().into()
    }
}

//! Proxies: which calls each kind of proxy may make for another account.
//!
//! A kind allows whole groups of calls ([`groups`]); what no group of it lists is refused. The stock pallet asks [`ProxyType`]
//! for the call itself and, through the origin it dispatches with, for every call inside: a batch does not widen a proxy.

pub mod groups;

use frame_support::traits::InstanceFilter;
use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

use self::groups::Group;
use super::RuntimeCall;

/// What a proxy may do.
#[derive(
    Clone,
    Copy,
    Debug,
    Decode,
    DecodeWithMemTracking,
    Default,
    Encode,
    Eq,
    MaxEncodedLen,
    Ord,
    PartialEq,
    PartialOrd,
    TypeInfo,
)]
pub enum ProxyType {
    /// Everything.
    #[default]
    Any,
    /// Run a subnet: its identity and the hyperparameters of owners.
    Owner,
    /// Everything but sudo, dissolving subnets, paid registrations and coldkey swaps.
    NonCritical,
    /// Everything but moving balances and stake to others, and coldkey swaps.
    NonTransfer,
    /// Nothing: retired.
    Senate,
    /// Nothing that moves balances or stake or swaps keys.
    NonFungible,
    /// Nothing: retired.
    Triumvirate,
    /// Nothing: retired.
    Governance,
    /// Add, remove and move stake.
    Staking,
    /// Register hotkeys.
    Registration,
    /// Move balances and stake to others.
    Transfer,
    /// The same for small amounts.
    SmallTransfer,
    /// Nothing: retired.
    RootWeights,
    /// Child hotkeys.
    ChildKeys,
    /// Replace the runtime.
    SudoUncheckedSetCode,
    /// Swap hotkeys.
    SwapHotkey,
    /// Run a leased subnet.
    SubnetLeaseBeneficiary,
    /// Claim root dividends.
    RootClaim,
    /// Trade within a basket.
    BasketTrading,
}

impl ProxyType {
    /// The groups it allows; `None` when it allows everything.
    pub const fn groups(self) -> Option<&'static [Group]> {
        Some(match self {
            Self::Any => return None,
            Self::Owner => &[Group::SubnetIdentity, Group::SubnetManagement],
            Self::NonCritical => groups::NON_CRITICAL,
            Self::NonTransfer => groups::NON_TRANSFER,
            Self::NonFungible => groups::NON_FUNGIBLE,
            Self::Staking => &[Group::Stake],
            Self::Registration => &[Group::PowRegistration, Group::BurnedRegistration],
            Self::Transfer => &[Group::BalanceTransfer, Group::StakeTransfer],
            Self::SmallTransfer => &[Group::SmallTransfer],
            Self::ChildKeys => &[Group::ChildKeys],
            Self::SwapHotkey => &[Group::HotkeySwap],
            Self::SubnetLeaseBeneficiary => {
                &[Group::SubnetActivation, Group::SubnetIdentity, Group::SubnetManagement]
            }
            Self::RootClaim => &[Group::RootClaim],
            Self::BasketTrading => &[Group::BasketTrading],
            // The dev chain's code is this process: nothing can replace it.
            Self::SudoUncheckedSetCode
            | Self::Senate
            | Self::Triumvirate
            | Self::Governance
            | Self::RootWeights => &[],
        })
    }
}

impl InstanceFilter<RuntimeCall> for ProxyType {
    fn filter(&self, call: &RuntimeCall) -> bool {
        self.groups().is_none_or(|groups| groups.iter().any(|group| group.contains(call)))
    }

    fn is_superset(&self, other: &Self) -> bool {
        match (self, other) {
            (one, other) if one == other => true,
            (Self::Any, _) => true,
            (
                Self::NonTransfer,
                Self::Owner
                | Self::Senate
                | Self::NonFungible
                | Self::Triumvirate
                | Self::Governance
                | Self::Staking
                | Self::Registration
                | Self::RootWeights
                | Self::ChildKeys
                | Self::SudoUncheckedSetCode
                | Self::SwapHotkey
                | Self::SubnetLeaseBeneficiary
                | Self::RootClaim,
            ) => true,
            (Self::Transfer, Self::SmallTransfer) => true,
            _ => false,
        }
    }
}

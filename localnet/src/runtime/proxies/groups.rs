//! Groups of calls that proxies are allowed whole. Every call is in one of them, [`Group::SmallTransfer`] aside.

use frame_support::traits::GetCallMetadata;

use crate::runtime::{RuntimeCall, numbers::TaoBalance};

/// Below this a transfer is small: half a TAO.
const SMALL_TRANSFER_RAO: TaoBalance = TaoBalance::new(500_000_000);

/// A group of calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Group {
    /// Whole pallets that move no value by themselves.
    Infrastructure,
    /// The sudo key.
    Sudo,
    /// Moving one's balance.
    BalanceTransfer,
    /// Changing balances by force, and burning.
    BalanceMaintenance,
    /// Adding, removing and moving one's stake.
    Stake,
    /// Moving stake to another coldkey.
    StakeTransfer,
    /// Registering by work or at a bounded price.
    PowRegistration,
    /// Registering by burn.
    BurnedRegistration,
    /// Registering on root.
    RootRegistration,
    /// Swapping hotkeys.
    HotkeySwap,
    /// Swapping coldkeys.
    ColdkeySwap,
    /// Dissolving subnets.
    CriticalNetwork,
    /// Child hotkeys and their take.
    ChildKeys,
    /// Claiming root dividends.
    RootClaim,
    /// Trading within a basket.
    BasketTrading,
    /// What a subnet tells about itself.
    SubnetIdentity,
    /// Starting a subnet.
    SubnetActivation,
    /// What a subnet's owner sets.
    SubnetManagement,
    /// What the sudo key sets.
    RootConfig,
    /// Who stands for a subnet's owner.
    OwnerKey,
    /// Everything else of `SubtensorModule`: weights, serving, takes, networks, associations.
    SubtensorCommon,
    /// Transfers of less than half a TAO. They are in [`Group::BalanceTransfer`] too.
    SmallTransfer,
}

/// What [`super::ProxyType::NonTransfer`] allows.
pub(super) const NON_TRANSFER: &[Group] = &[
    Group::Infrastructure,
    Group::SubnetManagement,
    Group::RootConfig,
    Group::OwnerKey,
    Group::Sudo,
    Group::Stake,
    Group::PowRegistration,
    Group::BurnedRegistration,
    Group::RootRegistration,
    Group::HotkeySwap,
    Group::CriticalNetwork,
    Group::ChildKeys,
    Group::RootClaim,
    Group::SubnetIdentity,
    Group::SubnetActivation,
    Group::SubtensorCommon,
];

/// What [`super::ProxyType::NonFungible`] allows.
pub(super) const NON_FUNGIBLE: &[Group] = &[
    Group::Infrastructure,
    Group::SubnetManagement,
    Group::RootConfig,
    Group::OwnerKey,
    Group::Sudo,
    Group::PowRegistration,
    Group::CriticalNetwork,
    Group::ChildKeys,
    Group::RootClaim,
    Group::SubnetIdentity,
    Group::SubnetActivation,
    Group::SubtensorCommon,
];

/// What [`super::ProxyType::NonCritical`] allows.
pub(super) const NON_CRITICAL: &[Group] = &[
    Group::Infrastructure,
    Group::SubnetManagement,
    Group::RootConfig,
    Group::OwnerKey,
    Group::BalanceTransfer,
    Group::BalanceMaintenance,
    Group::Stake,
    Group::StakeTransfer,
    Group::PowRegistration,
    Group::HotkeySwap,
    Group::ChildKeys,
    Group::RootClaim,
    Group::SubnetIdentity,
    Group::SubnetActivation,
    Group::SubtensorCommon,
];

impl Group {
    /// Whether a call is in this group.
    pub fn contains(self, call: &RuntimeCall) -> bool {
        match self {
            Self::SmallTransfer => is_small_transfer(call),
            _ => Self::of(call) == Some(self),
        }
    }

    /// The group a call is in; `None` for pallets that no proxy but `Any` may call.
    pub fn of(call: &RuntimeCall) -> Option<Self> {
        let names = call.get_call_metadata();
        Some(match names.pallet_name {
            "System" | "Timestamp" | "Utility" | "Proxy" | "Commitments" | "Drand" | "Swap" | "MevShield" => {
                Self::Infrastructure
            }
            "Sudo" => Self::Sudo,
            "Balances" => match names.function_name {
                "transfer_keep_alive" | "transfer_allow_death" | "transfer_all" => Self::BalanceTransfer,
                _ => Self::BalanceMaintenance,
            },
            "SubtensorModule" => Self::of_subtensor(names.function_name),
            "AdminUtils" => Self::of_admin(names.function_name),
            _ => return None,
        })
    }

    fn of_subtensor(name: &str) -> Self {
        match name {
            "add_stake"
            | "add_stake_limit"
            | "remove_stake"
            | "remove_stake_limit"
            | "remove_stake_full_limit"
            | "unstake_all"
            | "unstake_all_alpha"
            | "move_stake"
            | "move_stake_limit"
            | "swap_stake"
            | "swap_stake_limit"
            | "stake_into_basket"
            | "add_collateral"
            | "set_min_collateral" => Self::Stake,
            "transfer_stake" | "transfer_stake_and_hotkey" => Self::StakeTransfer,
            "register" | "register_limit" | "pow_register" => Self::PowRegistration,
            "burned_register" => Self::BurnedRegistration,
            "root_register" => Self::RootRegistration,
            "swap_hotkey" | "swap_hotkey_v2" => Self::HotkeySwap,
            "schedule_swap_coldkey"
            | "swap_coldkey"
            | "disassociate_hotkey"
            | "announce_coldkey_swap"
            | "swap_coldkey_announced"
            | "clear_coldkey_swap_announcement"
            | "dispute_coldkey_swap"
            | "reset_coldkey_swap" => Self::ColdkeySwap,
            "dissolve_network" | "root_dissolve_network" => Self::CriticalNetwork,
            "set_children" | "set_childkey_take" => Self::ChildKeys,
            "claim_root" | "claim_root_with_hotkey" => Self::RootClaim,
            "swap_basket" | "swap_basket_many" => Self::BasketTrading,
            "set_subnet_identity" | "update_symbol" => Self::SubnetIdentity,
            "start_call" => Self::SubnetActivation,
            "set_tempo" | "set_activity_cutoff_factor" => Self::SubnetManagement,
            _ => Self::SubtensorCommon,
        }
    }

    fn of_admin(name: &str) -> Self {
        match name {
            "sudo_set_sn_owner_hotkey" => Self::OwnerKey,
            "sudo_set_serving_rate_limit"
            | "sudo_set_max_difficulty"
            | "sudo_set_weights_version_key"
            | "sudo_set_adjustment_alpha"
            | "sudo_set_immunity_period"
            | "sudo_set_min_allowed_weights"
            | "sudo_set_rho"
            | "sudo_set_activity_cutoff"
            | "sudo_set_activity_cutoff_factor"
            | "sudo_set_tempo"
            | "sudo_set_min_burn"
            | "sudo_set_max_burn"
            | "sudo_set_bonds_moving_average"
            | "sudo_set_bonds_penalty"
            | "sudo_set_min_childkey_take_per_subnet"
            | "sudo_set_commit_reveal_weights_enabled"
            | "sudo_set_liquid_alpha_enabled"
            | "sudo_set_alpha_values"
            | "sudo_set_liquid_alpha_consensus_mode"
            | "sudo_set_commit_reveal_weights_interval"
            | "sudo_set_toggle_transfer"
            | "sudo_set_recycle_or_burn"
            | "sudo_set_alpha_sigmoid_steepness"
            | "sudo_set_yuma3_enabled"
            | "sudo_set_bonds_reset_enabled"
            | "sudo_set_owner_immune_neuron_limit"
            | "sudo_set_mechanism_count"
            | "sudo_set_mechanism_emission_split"
            | "sudo_trim_to_max_allowed_uids"
            | "sudo_set_max_allowed_uids"
            | "sudo_set_burn_half_life"
            | "sudo_set_burn_increase_mult"
            | "sudo_set_owner_cut_enabled"
            | "sudo_set_owner_cut_auto_lock_enabled"
            | "sudo_set_collateral_lock_share"
            | "sudo_set_collateral_drain_ratio" => Self::SubnetManagement,
            _ => Self::RootConfig,
        }
    }
}

fn is_small_transfer(call: &RuntimeCall) -> bool {
    match call {
        RuntimeCall::Balances(
            pallet_balances::Call::transfer_keep_alive { value, .. }
            | pallet_balances::Call::transfer_allow_death { value, .. },
        ) => *value < SMALL_TRANSFER_RAO,
        _ => false,
    }
}

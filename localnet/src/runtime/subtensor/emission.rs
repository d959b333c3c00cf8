//! Alpha emission: what each block adds to a subnet's pending emission, and who gets it when the epoch has decided.

use sp_runtime::{AccountId32, PerU16};

use crate::runtime::{
    numbers::{AlphaBalance, NetUid},
    subtensor::{
        AlphaDividendsPerSubnet, AutoStakeDestination, Config, Delegates, FirstEmissionBlockNumber,
        NetworksAdded, Owner, OwnerCutEnabled, Pallet, PendingOwnerCut, PendingServerEmission,
        PendingValidatorEmission, RecycleOrBurn, StakingHotkeys, SubnetAlphaIn, SubnetAlphaOut,
        SubnetAlphaOutEmission, SubnetEmissionEnabled, SubnetOwner, SubnetOwnerCut, SubnetOwnerHotkey,
        epoch::Payout, types::RecycleOrBurnEnum,
    },
};

/// Alpha a subnet can ever have, in its smallest unit.
const ALPHA_SUPPLY_MAX: u64 = 21_000_000_000_000_000;
/// Alpha of one block before the first halving.
const BLOCK_EMISSION: u64 = 1_000_000_000;

impl<T: Config> Pallet<T> {
    /// Adds one block's alpha to what each running subnet has pending.
    pub(crate) fn accrue_block_emission() {
        let now = Self::block();
        for (netuid, _) in NetworksAdded::<T>::iter().filter(|(netuid, added)| *added && !netuid.is_root()) {
            let started = FirstEmissionBlockNumber::<T>::get(netuid).is_some_and(|first| now >= first);
            if !started || !SubnetEmissionEnabled::<T>::get(netuid) {
                continue;
            }
            let issued = SubnetAlphaIn::<T>::get(netuid).saturating_add(SubnetAlphaOut::<T>::get(netuid));
            let emitted = block_emission(issued.get());
            SubnetAlphaOutEmission::<T>::insert(netuid, AlphaBalance::new(emitted));
            SubnetAlphaOut::<T>::mutate(netuid, |out| *out = out.saturating_add(AlphaBalance::new(emitted)));

            let cut = if OwnerCutEnabled::<T>::get(netuid) {
                share(emitted, SubnetOwnerCut::<T>::get())
            } else {
                0
            };
            let server = (emitted - cut) / 2;
            let validator = emitted - cut - server;
            PendingOwnerCut::<T>::mutate(netuid, |sum| *sum = sum.saturating_add(AlphaBalance::new(cut)));
            PendingServerEmission::<T>::mutate(netuid, |sum| {
                *sum = sum.saturating_add(AlphaBalance::new(server))
            });
            PendingValidatorEmission::<T>::mutate(netuid, |sum| {
                *sum = sum.saturating_add(AlphaBalance::new(validator))
            });
        }
    }

    /// Takes all that is pending, lets the epoch split it, and pays it out.
    pub(crate) fn pay_epoch(netuid: NetUid) {
        let server = PendingServerEmission::<T>::take(netuid);
        let validator = PendingValidatorEmission::<T>::take(netuid);
        let cut = PendingOwnerCut::<T>::take(netuid);
        let payouts = Self::run_epoch(netuid, server.saturating_add(validator));

        let incentives: u64 = payouts.iter().map(|payout| payout.incentive).sum();
        let to_validators = if incentives == 0 { server.saturating_add(validator) } else { validator };
        Self::pay_owner(netuid, cut);
        Self::pay_miners(netuid, &payouts);
        Self::pay_validators(netuid, &payouts, to_validators.get());
    }

    fn pay_owner(netuid: NetUid, cut: AlphaBalance) {
        if cut.is_zero() {
            return;
        }
        let (hotkey, coldkey) = (SubnetOwnerHotkey::<T>::get(netuid), SubnetOwner::<T>::get(netuid));
        Self::increase_stake(&hotkey, &coldkey, netuid, cut);
        Self::remember_staking(&coldkey, &hotkey);
    }

    fn pay_miners(netuid: NetUid, payouts: &[Payout]) {
        let subnet_owner = SubnetOwner::<T>::get(netuid);
        for payout in payouts.iter().filter(|payout| payout.incentive > 0) {
            let alpha = AlphaBalance::new(payout.incentive);
            let coldkey = Owner::<T>::get(&payout.hotkey);
            if coldkey == subnet_owner {
                Self::destroy(netuid, alpha);
                continue;
            }
            let hotkey =
                AutoStakeDestination::<T>::get(&coldkey, netuid).unwrap_or_else(|| payout.hotkey.clone());
            Self::increase_stake(&hotkey, &coldkey, netuid, alpha);
            Self::remember_staking(&coldkey, &hotkey);
        }
    }

    /// Splits the validators' half by dividends: the hotkey's owner takes the delegate take, its stakers share the rest.
    fn pay_validators(netuid: NetUid, payouts: &[Payout], total: u64) {
        let _ = AlphaDividendsPerSubnet::<T>::clear_prefix(netuid, u32::MAX, None);
        let dividends: u128 = payouts.iter().map(|payout| u128::from(payout.dividend)).sum();
        for payout in payouts.iter().filter(|payout| payout.dividend > 0) {
            let due = u128::from(total) * u128::from(payout.dividend) / dividends;
            let due = u64::try_from(due).unwrap_or(u64::MAX);
            let coldkey = Owner::<T>::get(&payout.hotkey);
            let taken = share(due, take_parts(Delegates::<T>::get(&payout.hotkey)));
            Self::increase_stake(&payout.hotkey, &coldkey, netuid, AlphaBalance::new(taken));
            Self::remember_staking(&coldkey, &payout.hotkey);
            Self::grow_pool(&payout.hotkey, netuid, AlphaBalance::new(due - taken));
            AlphaDividendsPerSubnet::<T>::insert(netuid, &payout.hotkey, AlphaBalance::new(due));
        }
    }

    /// Burns or recycles what would have gone to the subnet's owner as a miner.
    fn destroy(netuid: NetUid, alpha: AlphaBalance) {
        if RecycleOrBurn::<T>::get(netuid) == RecycleOrBurnEnum::Recycle {
            SubnetAlphaOut::<T>::mutate(netuid, |out| *out = out.saturating_sub(alpha));
        }
    }

    /// Lists the hotkey among those the coldkey has stake with.
    pub(crate) fn remember_staking(coldkey: &AccountId32, hotkey: &AccountId32) {
        StakingHotkeys::<T>::mutate(coldkey, |hotkeys| {
            if !hotkeys.contains(hotkey) {
                hotkeys.push(hotkey.clone());
            }
        });
    }
}

fn take_parts(take: PerU16) -> u16 {
    take.deconstruct()
}

/// `parts` of 65535 of an amount, rounded down.
pub(super) fn share(amount: u64, parts: u16) -> u64 {
    u64::try_from(u128::from(amount) * u128::from(parts) / u128::from(u16::MAX)).unwrap_or(u64::MAX)
}

/// Alpha of one block when this much has been issued: halved whenever half of what was left is out.
fn block_emission(issued: u64) -> u64 {
    if issued >= ALPHA_SUPPLY_MAX {
        return 0;
    }
    // floor(log2(1 / (1 - issued/max))) is the number of times the remaining supply has halved.
    let left = u128::from(ALPHA_SUPPLY_MAX - issued);
    let halvings = (u128::from(ALPHA_SUPPLY_MAX) / left).ilog2();
    BLOCK_EMISSION >> halvings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emission_halves_when_half_of_the_rest_is_out() {
        assert_eq!(block_emission(0), BLOCK_EMISSION);
        assert_eq!(block_emission(ALPHA_SUPPLY_MAX / 2 - 1), BLOCK_EMISSION);
        assert_eq!(block_emission(ALPHA_SUPPLY_MAX / 2), BLOCK_EMISSION / 2);
        assert_eq!(block_emission(ALPHA_SUPPLY_MAX / 4 * 3), BLOCK_EMISSION / 4);
        assert_eq!(block_emission(ALPHA_SUPPLY_MAX), 0);
    }

    #[test]
    fn a_share_of_everything_is_everything() {
        assert_eq!(share(u64::MAX, u16::MAX), u64::MAX);
        assert_eq!(share(1_000_000_000, 11_796), 179_995_422);
    }
}

//! Root's dividends: alpha that a validator's subnets owe the TAO staked to it on root, until it is claimed.
//!
//! For each subnet a validator has a rate (`RootClaimable`): alpha owed for one TAO staked since the beginning. A staker is
//! owed the rate times its stake, less what it claimed and what was owed before it staked (`RootClaimed`). A claim sells the
//! alpha and stakes the TAO on root. The pinned runtime does the same through baskets, whose own storage stays empty here.

use std::collections::BTreeSet;

use frame_support::{dispatch::DispatchResult, ensure};
use sp_core::U256;
use sp_runtime::AccountId32;

use crate::runtime::{
    numbers::{AlphaBalance, I96F32, NetUid, TaoBalance},
    subtensor::{
        Config, Error, Event, Owner, Pallet, RootClaimable, RootClaimableThreshold, RootClaimed,
        StakingHotkeys, SubnetAlphaOut, SubnetRootSellTao, TotalHotkeyAlpha, pool::Terms,
    },
};

impl<T: Config> Pallet<T> {
    /// Owes alpha to the TAO staked to a hotkey on root. Where there is less TAO than alpha the hotkey's owner gets it.
    pub(crate) fn let_root_claim(hotkey: &AccountId32, netuid: NetUid, alpha: AlphaBalance) {
        let staked = TotalHotkeyAlpha::<T>::get(hotkey, NetUid::ROOT);
        if staked < alpha || staked.is_zero() {
            let owner = Owner::<T>::get(hotkey);
            Self::increase_stake(hotkey, &owner, netuid, alpha);
            Self::remember_staking(&owner, hotkey);
            return;
        }
        let rate = (i128::from(alpha.get()) << I96F32::FRACTION_BITS) / i128::from(staked.get());
        RootClaimable::<T>::mutate(hotkey, |rates| {
            let sum = rates.entry(netuid).or_default();
            *sum = I96F32::from_bits(sum.bits.saturating_add(rate));
        });
    }

    /// Adjusts what counts as claimed when stake on root changes: grown stake is owed nothing from before, and stake that leaves
    /// before it claimed forfeits its part, since what was claimed cannot be less than nothing.
    pub(crate) fn note_root_stake(
        hotkey: &AccountId32,
        coldkey: &AccountId32,
        stake: AlphaBalance,
        into: fn(u128, u128) -> u128,
    ) {
        for (netuid, rate) in RootClaimable::<T>::get(hotkey) {
            RootClaimed::<T>::mutate((netuid, hotkey, coldkey), |claimed| {
                *claimed = into(*claimed, owed_by(rate, stake));
            });
        }
    }

    /// Alpha of a subnet that a staker on root may claim.
    pub fn root_owed(hotkey: &AccountId32, coldkey: &AccountId32, netuid: NetUid) -> AlphaBalance {
        let rate = RootClaimable::<T>::get(hotkey).get(&netuid).copied().unwrap_or_default();
        let staked = Self::stake_of(hotkey, coldkey, NetUid::ROOT);
        let owed = owed_by(rate, staked).saturating_sub(RootClaimed::<T>::get((netuid, hotkey, coldkey)));
        AlphaBalance::new(u64::try_from(owed).unwrap_or(u64::MAX))
    }

    pub(crate) fn do_claim_root(coldkey: &AccountId32, netuids: BTreeSet<NetUid>) -> DispatchResult {
        let mut tao = 0u64;
        for hotkey in StakingHotkeys::<T>::get(coldkey) {
            for netuid in &netuids {
                tao = tao.saturating_add(Self::claim(&hotkey, coldkey, *netuid)?);
            }
        }
        Self::deposit_event(Event::RootClaimed { coldkey: coldkey.clone(), tao: TaoBalance::new(tao) });
        Ok(())
    }

    pub(crate) fn do_claim_root_with_hotkey(coldkey: &AccountId32, hotkey: &AccountId32) -> DispatchResult {
        ensure!(Owner::<T>::contains_key(hotkey), Error::<T>::HotKeyAccountNotExists);
        let mut tao = 0u64;
        for netuid in RootClaimable::<T>::get(hotkey).into_keys() {
            tao = tao.saturating_add(Self::claim(hotkey, coldkey, netuid)?);
        }
        Self::deposit_event(Event::RootClaimed { coldkey: coldkey.clone(), tao: TaoBalance::new(tao) });
        Ok(())
    }

    /// Sells what is owed and stakes it on root. Too little, or what the pool refuses, stays owed.
    fn claim(
        hotkey: &AccountId32,
        coldkey: &AccountId32,
        netuid: NetUid,
    ) -> Result<u64, sp_runtime::DispatchError> {
        let owed = Self::root_owed(hotkey, coldkey, netuid);
        let least = RootClaimableThreshold::<T>::get(netuid).bits >> I96F32::FRACTION_BITS;
        if i128::from(owed.get()) < least || owed.is_zero() {
            return Ok(0);
        }
        let Ok(trade) = Self::sell_alpha(netuid, owed, Terms::FREE) else { return Ok(0) };
        RootClaimed::<T>::mutate((netuid, hotkey, coldkey), |claimed| {
            *claimed = claimed.saturating_add(owed.get().into());
        });
        let tao = TaoBalance::new(trade.out);
        SubnetRootSellTao::<T>::mutate(netuid, |total| {
            *total = TaoBalance::new(total.get().saturating_add(tao.get()))
        });
        let root = Self::subnet_account(NetUid::ROOT);
        Self::pay_out_of_subnet(netuid, &root, tao)?;
        let alpha = AlphaBalance::new(tao.get());
        Self::grow_tao_reserve(NetUid::ROOT, tao);
        SubnetAlphaOut::<T>::mutate(NetUid::ROOT, |out| *out = out.saturating_add(alpha));
        Self::increase_stake(hotkey, coldkey, NetUid::ROOT, alpha);
        Self::note_root_stake(hotkey, coldkey, alpha, u128::saturating_add);
        Ok(tao.get())
    }
}

/// What a rate owes a stake, rounded down.
fn owed_by(rate: I96F32, stake: AlphaBalance) -> u128 {
    let rate = u128::try_from(rate.bits).unwrap_or_default();
    let owed = (U256::from(rate) * U256::from(stake.get())) >> I96F32::FRACTION_BITS;
    u128::try_from(owed).unwrap_or(u128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_owes_by_stake_and_never_more_than_it_was_given() {
        let rate = I96F32::from_bits((7i128 << 32) / 3);
        assert_eq!(owed_by(rate, AlphaBalance::new(3)), 6);
        assert_eq!(owed_by(rate, AlphaBalance::new(3_000_000_000)), 6_999_999_999);
        assert_eq!(owed_by(I96F32::from_bits(-1), AlphaBalance::new(3)), 0);
    }
}

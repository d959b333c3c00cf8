//! Stake that hotkeys lend each other: what counts as a hotkey's stake on a subnet, and how its dividends are split.
//!
//! A parent lends a part of its stake to each child (`ChildKeys`, in parts of `u64::MAX`). The child validates with it and
//! passes the dividends it earned by it on, less its take.

use sp_core::U256;
use sp_runtime::AccountId32;

use crate::runtime::{
    numbers::{AlphaBalance, NetUid},
    subtensor::{
        CKBurn, ChildKeys, ChildkeyTake, Config, Owner, Pallet, ParentKeys, TaoWeight, TotalHotkeyAlpha,
    },
};

impl<T: Config> Pallet<T> {
    /// Alpha that counts for a hotkey on a subnet, and the TAO on root that does, weighed.
    pub fn weighed_stake(hotkey: &AccountId32, netuid: NetUid) -> (AlphaBalance, u64) {
        let (alpha, root) = Self::inherited_stake(hotkey, netuid);
        (alpha, tao_weighed::<T>(root))
    }

    /// What counts as a hotkey's stake on a subnet: what is staked to it, without what it lends to its children, with what
    /// its parents lend to it, and the same of its TAO on root by its weight.
    pub fn stake_weight(hotkey: &AccountId32, netuid: NetUid) -> u128 {
        let (alpha, root) = Self::weighed_stake(hotkey, netuid);
        u128::from(alpha.get()) + u128::from(root)
    }

    /// Alpha and TAO on root that count for a hotkey on a subnet.
    fn inherited_stake(hotkey: &AccountId32, netuid: NetUid) -> (AlphaBalance, u64) {
        let own = |hotkey: &AccountId32| {
            let on = |netuid| TotalHotkeyAlpha::<T>::get(hotkey, netuid).get();
            (on(netuid), on(NetUid::ROOT))
        };
        let (alpha, root) = own(hotkey);
        if netuid.is_root() {
            return (AlphaBalance::new(alpha), root);
        }
        let (mut lent_alpha, mut lent_root) = (0u64, 0u64);
        for (part, _) in ChildKeys::<T>::get(hotkey, netuid) {
            lent_alpha = lent_alpha.saturating_add(part_of(alpha, part));
            lent_root = lent_root.saturating_add(part_of(root, part));
        }
        let (mut alpha, mut root) = (alpha.saturating_sub(lent_alpha), root.saturating_sub(lent_root));
        for (part, parent) in ParentKeys::<T>::get(hotkey, netuid) {
            let (parent_alpha, parent_root) = own(&parent);
            alpha = alpha.saturating_add(part_of(parent_alpha, part));
            root = root.saturating_add(part_of(parent_root, part));
        }
        (AlphaBalance::new(alpha), root)
    }

    /// Splits a validator's dividend by whose stake earned it: its parents', less its take, and its own. What the chain
    /// takes off foreign parents' part (`CKBurn`) is recycled.
    pub(crate) fn split_dividend(
        hotkey: &AccountId32,
        netuid: NetUid,
        dividend: u64,
    ) -> Vec<(AccountId32, u64)> {
        let parents: Vec<(AccountId32, u128)> = ParentKeys::<T>::get(hotkey, netuid)
            .into_iter()
            .map(|(part, parent)| {
                let alpha = part_of(TotalHotkeyAlpha::<T>::get(&parent, netuid).get(), part);
                let root = part_of(TotalHotkeyAlpha::<T>::get(&parent, NetUid::ROOT).get(), part);
                (parent, u128::from(alpha) + u128::from(tao_weighed::<T>(root)))
            })
            .collect();
        let lent = parents.iter().map(|(_, lent)| lent).sum::<u128>();
        let total = Self::kept_stake(hotkey, netuid) + lent;
        let owner = Owner::<T>::get(hotkey);
        let (take, burned) = (ChildkeyTake::<T>::get(hotkey, netuid).deconstruct(), CKBurn::<T>::get());

        let mut left = dividend;
        let mut shares = Vec::with_capacity(parents.len() + 1);
        for (parent, lent) in parents {
            let earned = ratio_of(dividend, lent, total).min(left);
            left -= earned;
            let mut kept = earned;
            if Owner::<T>::get(&parent) != owner {
                let burn = part_of(earned, burned).min(kept);
                kept -= burn;
                let taken = ratio_of(earned, take.into(), u16::MAX.into()).min(kept);
                kept -= taken;
                left = left.saturating_add(taken);
                Self::recycle(netuid, AlphaBalance::new(burn));
            }
            shares.push((parent, kept));
        }
        shares.push((hotkey.clone(), left));
        shares
    }

    /// What a hotkey validates with of its own: its stake without what it lends.
    fn kept_stake(hotkey: &AccountId32, netuid: NetUid) -> u128 {
        let alpha = TotalHotkeyAlpha::<T>::get(hotkey, netuid).get();
        let root = TotalHotkeyAlpha::<T>::get(hotkey, NetUid::ROOT).get();
        let lent = ChildKeys::<T>::get(hotkey, netuid)
            .into_iter()
            .map(|(part, _)| part)
            .fold(0, u64::saturating_add);
        let kept = u64::MAX - lent;
        u128::from(part_of(alpha, kept)) + u128::from(tao_weighed::<T>(part_of(root, kept)))
    }
}

/// TAO on root as it counts against alpha.
pub(super) fn tao_weighed<T: Config>(tao: u64) -> u64 {
    part_of(tao, TaoWeight::<T>::get())
}

/// `part` of `u64::MAX` of an amount, rounded down.
pub(super) fn part_of(amount: u64, part: u64) -> u64 {
    ratio_of(amount, part.into(), u64::MAX.into())
}

/// `amount * numerator / denominator`, rounded down; nothing of nothing.
pub(super) fn ratio_of(amount: u64, numerator: u128, denominator: u128) -> u64 {
    let product = U256::from(amount) * U256::from(numerator);
    let part = product.checked_div(U256::from(denominator)).unwrap_or_default();
    u64::try_from(part).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_rounded_down_and_the_whole_is_whole() {
        assert_eq!(part_of(u64::MAX, u64::MAX), u64::MAX);
        assert_eq!(part_of(1_000, u64::MAX / 2), 499);
        assert_eq!(ratio_of(10, 1, 3), 3);
        assert_eq!(ratio_of(10, 1, 0), 0);
    }
}

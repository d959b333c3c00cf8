//! Who gets what was pending when an epoch has decided.

use std::collections::BTreeMap;

use sp_runtime::AccountId32;

use crate::runtime::{
    numbers::{AlphaBalance, NetUid, U96F32},
    subtensor::{
        AlphaDividendsPerSubnet, AutoStakeDestination, Config, Delegates, Event, MinerBurned, Owner, Pallet,
        PendingOwnerCut, PendingRootAlphaDivs, PendingServerEmission, PendingValidatorEmission,
        RecycleOrBurn, RootAlphaDividendsPerSubnet, SubnetOwner, SubnetOwnerHotkey, TotalHotkeyAlpha,
        TotalHotkeyAlphaLastEpoch, Uids,
        epoch::Payout,
        inheritance::{ratio_of, tao_weighed},
        types::RecycleOrBurnEnum,
    },
};

/// What each validator earned, by whether alpha or TAO on root earned it.
#[derive(Default)]
struct Earned {
    alpha: BTreeMap<AccountId32, u128>,
    root: BTreeMap<AccountId32, u128>,
}

impl<T: Config> Pallet<T> {
    /// Takes all that is pending, lets the epoch split it, pays it out, and applies the children that waited for it.
    pub(crate) fn pay_epoch(netuid: NetUid) {
        let server = PendingServerEmission::<T>::take(netuid);
        let validator = PendingValidatorEmission::<T>::take(netuid);
        let root = PendingRootAlphaDivs::<T>::take(netuid);
        let cut = PendingOwnerCut::<T>::take(netuid);
        // Half of the epoch's emission goes to miners; the validators' half includes root's part.
        let payouts = Self::run_epoch(netuid, server.saturating_add(validator).saturating_add(root));

        let incentives: u64 = payouts.iter().map(|payout| payout.incentive).sum();
        let to_validators = if incentives == 0 { server.saturating_add(validator) } else { validator };
        let earned = Self::earned_dividends(netuid, &payouts);
        Self::pay_owner(netuid, cut);
        Self::pay_miners(netuid, &payouts);
        Self::pay_validators(netuid, &earned.alpha, to_validators.get());
        Self::pay_root(netuid, &earned.root, root.get());
        Self::apply_pending_children(netuid);
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
        let owner_hotkey = SubnetOwnerHotkey::<T>::get(netuid);
        let (mut total, mut withheld) = (0u64, 0u64);
        for payout in payouts.iter().filter(|payout| payout.incentive > 0) {
            total = total.saturating_add(payout.incentive);
            let alpha = AlphaBalance::new(payout.incentive);
            let coldkey = Owner::<T>::get(&payout.hotkey);
            if coldkey == subnet_owner || payout.hotkey == owner_hotkey {
                withheld = withheld.saturating_add(payout.incentive);
                Self::destroy(netuid, alpha);
                continue;
            }
            let chosen = AutoStakeDestination::<T>::get(&coldkey, netuid);
            if let Some(destination) = &chosen {
                Self::deposit_event(Event::AutoStakeAdded {
                    netuid,
                    destination: destination.clone(),
                    hotkey: payout.hotkey.clone(),
                    owner: coldkey.clone(),
                    incentive: alpha,
                });
            }
            let hotkey = chosen.unwrap_or_else(|| payout.hotkey.clone());
            Self::increase_stake(&hotkey, &coldkey, netuid, alpha);
            Self::remember_staking(&coldkey, &hotkey);
        }
        let burned = (u128::from(withheld) << U96F32::FRACTION_BITS).checked_div(total.into());
        MinerBurned::<T>::insert(netuid, U96F32::from_bits(burned.unwrap_or_default()));
    }

    /// Splits each dividend among the validator and its parents, and each part by what alpha and what root's TAO earned. TAO
    /// on root counts only for hotkeys registered there.
    fn earned_dividends(netuid: NetUid, payouts: &[Payout]) -> Earned {
        let mut dividends = BTreeMap::<AccountId32, u64>::new();
        for payout in payouts.iter().filter(|payout| payout.dividend > 0) {
            for (hotkey, dividend) in Self::split_dividend(&payout.hotkey, netuid, payout.dividend) {
                let sum = dividends.entry(hotkey).or_default();
                *sum = sum.saturating_add(dividend);
            }
        }
        let mut earned = Earned::default();
        for (hotkey, dividend) in dividends.into_iter().filter(|(_, dividend)| *dividend > 0) {
            let alpha = TotalHotkeyAlpha::<T>::get(&hotkey, netuid).get();
            let root = tao_weighed::<T>(TotalHotkeyAlpha::<T>::get(&hotkey, NetUid::ROOT).get());
            let whole = u128::from(alpha) + u128::from(root);
            let by_alpha = if whole == 0 { dividend } else { ratio_of(dividend, alpha.into(), whole) };
            if Uids::<T>::contains_key(NetUid::ROOT, &hotkey) {
                earned.root.insert(hotkey.clone(), (dividend - by_alpha).into());
            }
            earned.alpha.insert(hotkey, by_alpha.into());
        }
        earned
    }

    /// Splits the validators' part: each hotkey's owner takes the delegate take, its stakers share the rest.
    fn pay_validators(netuid: NetUid, earned: &BTreeMap<AccountId32, u128>, total: u64) {
        let _ = AlphaDividendsPerSubnet::<T>::clear_prefix(netuid, u32::MAX, None);
        let whole: u128 = earned.values().sum();
        for (hotkey, earned) in earned.iter().filter(|(_, earned)| **earned > 0) {
            let due = ratio_of(total, *earned, whole);
            let shared = AlphaBalance::new(due - Self::pay_take(netuid, hotkey, due));
            if !shared.is_zero() {
                Self::grow_pool(hotkey, netuid, shared);
                AlphaDividendsPerSubnet::<T>::insert(netuid, hotkey, shared);
            }
            TotalHotkeyAlphaLastEpoch::<T>::insert(
                hotkey,
                netuid,
                TotalHotkeyAlpha::<T>::get(hotkey, netuid),
            );
        }
    }

    /// Splits root's part: each hotkey's owner takes the delegate take, the rest waits for root's stakers to claim it.
    fn pay_root(netuid: NetUid, earned: &BTreeMap<AccountId32, u128>, total: u64) {
        let _ = RootAlphaDividendsPerSubnet::<T>::clear_prefix(netuid, u32::MAX, None);
        let whole: u128 = earned.values().sum();
        let mut left = total;
        for (hotkey, earned) in earned.iter().filter(|(_, earned)| **earned > 0) {
            let due = ratio_of(total, *earned, whole);
            left -= due;
            let claimable = AlphaBalance::new(due - Self::pay_take(netuid, hotkey, due));
            if !claimable.is_zero() {
                Self::let_root_claim(hotkey, netuid, claimable);
                RootAlphaDividendsPerSubnet::<T>::insert(netuid, hotkey, claimable);
            }
        }
        // What nobody earned can be issued again.
        Self::recycle(netuid, AlphaBalance::new(left));
    }

    /// Stakes the delegate take of a dividend for the hotkey's owner. Returns it.
    fn pay_take(netuid: NetUid, hotkey: &AccountId32, due: u64) -> u64 {
        let take = ratio_of(due, Delegates::<T>::get(hotkey).deconstruct().into(), u16::MAX.into());
        if take > 0 {
            let owner = Owner::<T>::get(hotkey);
            Self::increase_stake(hotkey, &owner, netuid, AlphaBalance::new(take));
            Self::remember_staking(&owner, hotkey);
        }
        take
    }

    /// Burns or recycles what would have gone to the subnet's owner as a miner.
    fn destroy(netuid: NetUid, alpha: AlphaBalance) {
        if RecycleOrBurn::<T>::get(netuid) == RecycleOrBurnEnum::Recycle {
            Self::recycle(netuid, alpha);
        }
    }
}

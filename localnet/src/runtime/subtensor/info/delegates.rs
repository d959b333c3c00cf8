//! `DelegateInfoRuntimeApi`: validators that take others' stake, and who stakes to them.

use std::collections::BTreeMap;

use parity_scale_codec::{Compact, Decode, Encode};
use scale_info::TypeInfo;
use sp_runtime::{AccountId32, PerU16};

use crate::runtime::{
    numbers::{AlphaBalance, NetUid},
    subtensor::{
        AlphaV2, Config, Delegates, Emission, IsNetworkMember, Owner, Pallet, StakingHotkeys, Tempo, Uids,
        inheritance::ratio_of,
    },
};

/// Blocks of a day.
const BLOCKS_PER_DAY: u64 = 7_200;
/// One TAO in rao.
const TAO: u128 = 1_000_000_000;

/// Who stakes, and how much on each subnet.
pub type Nomination<AccountId> = (AccountId, Vec<(Compact<NetUid>, Compact<u64>)>);

/// A hotkey others may stake to.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the fields are their names")]
pub struct DelegateInfo<AccountId> {
    pub delegate_ss58: AccountId,
    pub take: Compact<PerU16>,
    pub nominators: Vec<Nomination<AccountId>>,
    pub owner_ss58: AccountId,
    pub registrations: Vec<Compact<NetUid>>,
    pub validator_permits: Vec<Compact<NetUid>>,
    pub return_per_1000: Compact<u64>,
    pub total_daily_return: Compact<u64>,
}

/// A delegate, and what one coldkey has staked to it on one subnet.
pub type Delegation = (DelegateInfo<AccountId32>, (Compact<NetUid>, Compact<AlphaBalance>));

impl<T: Config> Pallet<T> {
    /// Every delegate.
    pub fn delegates() -> Vec<DelegateInfo<AccountId32>> {
        Delegates::<T>::iter_keys().map(|hotkey| Self::delegate_info(hotkey, true)).collect()
    }

    /// One delegate; `None` when the hotkey is none.
    pub fn delegate(hotkey: AccountId32) -> Option<DelegateInfo<AccountId32>> {
        Delegates::<T>::contains_key(&hotkey).then(|| Self::delegate_info(hotkey, true))
    }

    /// Every delegate a coldkey stakes to, by subnet, without their stakers.
    pub fn delegations(coldkey: &AccountId32) -> Vec<Delegation> {
        let hotkeys = StakingHotkeys::<T>::get(coldkey);
        let delegates = hotkeys.into_iter().filter(|hotkey| Delegates::<T>::contains_key(hotkey));
        delegates
            .flat_map(|hotkey| Self::all_subnets().into_iter().map(move |netuid| (hotkey.clone(), netuid)))
            .map(|(hotkey, netuid)| (Self::stake_of(&hotkey, coldkey, netuid), hotkey, netuid))
            .filter(|(stake, ..)| !stake.is_zero())
            .map(|(stake, hotkey, netuid)| {
                (Self::delegate_info(hotkey, false), (Compact(netuid), Compact(stake)))
            })
            .collect()
    }

    fn delegate_info(hotkey: AccountId32, with_stakers: bool) -> DelegateInfo<AccountId32> {
        let registrations: Vec<NetUid> = Self::all_subnets()
            .into_iter()
            .filter(|netuid| IsNetworkMember::<T>::get(&hotkey, netuid))
            .collect();
        let permitted = |netuid: &NetUid| {
            Uids::<T>::get(netuid, &hotkey).is_some_and(|uid| Self::has_permit(*netuid, uid))
        };
        let permits: Vec<NetUid> = registrations.iter().copied().filter(permitted).collect();
        let daily = permits.iter().map(|netuid| Self::daily_emission(&hotkey, *netuid)).sum::<u64>();
        let take = Delegates::<T>::get(&hotkey);
        let shared = ratio_of(daily, (u16::MAX - take.deconstruct()).into(), u16::MAX.into());
        let staked = Self::total_stake_of(&hotkey).get();
        DelegateInfo {
            take: Compact(take),
            nominators: if with_stakers { Self::stakers(&hotkey) } else { Vec::new() },
            owner_ss58: Owner::<T>::get(&hotkey),
            registrations: registrations.into_iter().map(Compact).collect(),
            validator_permits: permits.into_iter().map(Compact).collect(),
            return_per_1000: Compact(ratio_of(shared, 1_000 * TAO, staked.into())),
            total_daily_return: Compact(daily),
            delegate_ss58: hotkey,
        }
    }

    /// What the last epoch's emission would come to in a day.
    fn daily_emission(hotkey: &AccountId32, netuid: NetUid) -> u64 {
        let emission = Uids::<T>::get(netuid, hotkey)
            .and_then(|uid| Emission::<T>::get(netuid).get(usize::from(uid)).copied())
            .unwrap_or_default();
        ratio_of(emission.get(), BLOCKS_PER_DAY.into(), u128::from(Tempo::<T>::get(netuid)) + 1)
    }

    /// Who stakes to a hotkey, and how much on each subnet.
    fn stakers(hotkey: &AccountId32) -> Vec<Nomination<AccountId32>> {
        let mut stakers = BTreeMap::<AccountId32, Vec<(Compact<NetUid>, Compact<u64>)>>::new();
        for (coldkey, netuid) in AlphaV2::<T>::iter_key_prefix((hotkey,)) {
            let stake = Self::stake_of(hotkey, &coldkey, netuid).get();
            stakers.entry(coldkey).or_default().push((Compact(netuid), Compact(stake)));
        }
        for stakes in stakers.values_mut() {
            stakes.sort_by_key(|(netuid, _)| netuid.0);
        }
        stakers.into_iter().collect()
    }
}

//! Child and parent hotkeys: who may lend stake to whom, when that takes effect, and what a child keeps of what it earns.

use frame_support::{dispatch::DispatchResult, ensure};
use sp_runtime::{AccountId32, PerU16};

use crate::runtime::{
    numbers::NetUid,
    subtensor::{
        ChildKeys, ChildkeyTake, Config, Error, Event, MaxChildkeyTake, MinChildkeyTake,
        MinChildkeyTakePerSubnet, NetworksAdded, Owner, Pallet, ParentKeys, PendingChildKeyCooldown,
        PendingChildKeys, StakeThreshold, SubnetOwnerHotkey, SubtokenEnabled, TransactionKeyLastBlock,
        TxChildkeyTakeRateLimit,
    },
};

/// Children of one parent on one subnet.
const CHILDREN_MAX: usize = 5;
/// Blocks between two `set_children` of a hotkey on a subnet.
const SET_CHILDREN_LIMIT_BLOCKS: u64 = 150;
/// What `TransactionKeyLastBlock` calls `set_children`.
const SET_CHILDREN: u16 = 0;
/// What it calls `set_childkey_take`.
const SET_CHILDKEY_TAKE: u16 = 1;

/// A part of `u64::MAX`, and whose.
type Relation = (u64, AccountId32);

impl<T: Config> Pallet<T> {
    pub(crate) fn do_set_children(
        coldkey: &AccountId32,
        hotkey: &AccountId32,
        netuid: NetUid,
        children: Vec<Relation>,
    ) -> DispatchResult {
        let may_again = Self::may_transact_again(hotkey, netuid, SET_CHILDREN, SET_CHILDREN_LIMIT_BLOCKS);
        ensure!(may_again, Error::<T>::TxRateLimitExceeded);
        ensure!(!netuid.is_root(), Error::<T>::RegistrationNotPermittedOnRootSubnet);
        ensure!(NetworksAdded::<T>::get(netuid), Error::<T>::SubnetNotExists);
        ensure!(Self::owns(coldkey, hotkey), Error::<T>::NonAssociatedColdKey);
        let mut accounts: Vec<&AccountId32> = children.iter().map(|(_, child)| child).collect();
        accounts.sort_unstable();
        ensure!(accounts.windows(2).all(|pair| pair[0] != pair[1]), Error::<T>::DuplicateChild);
        Self::check_children(hotkey, netuid, &children)?;
        let enough = children.is_empty() || Self::may_have_children(hotkey, netuid);
        ensure!(enough, Error::<T>::NotEnoughStakeToSetChildkeys);

        TransactionKeyLastBlock::<T>::insert((hotkey, netuid, SET_CHILDREN), Self::block());
        if !SubtokenEnabled::<T>::get(netuid) {
            Self::apply_children(hotkey, netuid, children);
            return Ok(());
        }
        let cooled = Self::block().saturating_add(PendingChildKeyCooldown::<T>::get());
        PendingChildKeys::<T>::insert(netuid, hotkey, (children.clone(), cooled));
        Self::deposit_event(Event::SetChildrenScheduled(hotkey.clone(), netuid, cooled, children));
        Ok(())
    }

    pub(crate) fn do_set_childkey_take(
        coldkey: &AccountId32,
        hotkey: &AccountId32,
        netuid: NetUid,
        take: PerU16,
    ) -> DispatchResult {
        ensure!(Self::owns(coldkey, hotkey), Error::<T>::NonAssociatedColdKey);
        ensure!(NetworksAdded::<T>::get(netuid), Error::<T>::SubnetNotExists);
        let least = MinChildkeyTake::<T>::get().max(MinChildkeyTakePerSubnet::<T>::get(netuid));
        ensure!((least..=MaxChildkeyTake::<T>::get()).contains(&take), Error::<T>::InvalidChildkeyTake);
        let limit = TxChildkeyTakeRateLimit::<T>::get();
        let may_raise = Self::may_transact_again(hotkey, netuid, SET_CHILDKEY_TAKE, limit);
        let raised = take > ChildkeyTake::<T>::get(hotkey, netuid);
        ensure!(!raised || may_raise, Error::<T>::TxChildkeyTakeRateLimitExceeded);

        TransactionKeyLastBlock::<T>::insert((hotkey, netuid, SET_CHILDKEY_TAKE), Self::block());
        ChildkeyTake::<T>::insert(hotkey, netuid, take);
        Self::deposit_event(Event::ChildKeyTakeSet(hotkey.clone(), take));
        Ok(())
    }

    /// Applies the children whose cool-down is over. Those whose parent has too little stake by now are dropped.
    pub(crate) fn apply_pending_children(netuid: NetUid) {
        let now = Self::block();
        let started = SubtokenEnabled::<T>::get(netuid);
        let due: Vec<(AccountId32, Vec<Relation>)> = PendingChildKeys::<T>::iter_prefix(netuid)
            .filter(|(_, (_, cooled))| *cooled < now || !started)
            .map(|(hotkey, (children, _))| (hotkey, children))
            .collect();
        for (hotkey, children) in due {
            PendingChildKeys::<T>::remove(netuid, &hotkey);
            if children.is_empty() || Self::may_have_children(&hotkey, netuid) {
                Self::apply_children(&hotkey, netuid, children);
            }
        }
    }

    /// Whether a hotkey may have these children: few enough, not itself, not more than all, and none of its parents.
    fn check_children(hotkey: &AccountId32, netuid: NetUid, children: &[Relation]) -> Result<(), Error<T>> {
        ensure!(children.iter().all(|(_, child)| child != hotkey), Error::<T>::InvalidChild);
        ensure!(children.len() <= CHILDREN_MAX, Error::<T>::TooManyChildren);
        let sum = children.iter().map(|(part, _)| u128::from(*part)).sum::<u128>();
        ensure!(sum <= u128::from(u64::MAX), Error::<T>::ProportionOverflow);
        let parents = ParentKeys::<T>::get(hotkey, netuid);
        let is_parent = |child: &AccountId32| parents.iter().any(|(_, parent)| parent == child);
        let separate = !children.iter().any(|(_, child)| is_parent(child));
        ensure!(separate, Error::<T>::ChildParentInconsistency);
        Ok(())
    }

    /// Writes both ends of every relation of a parent. Children that became its parents meanwhile change nothing.
    fn apply_children(hotkey: &AccountId32, netuid: NetUid, mut children: Vec<Relation>) {
        if Self::check_children(hotkey, netuid, &children).is_err() {
            return;
        }
        for (_, child) in ChildKeys::<T>::get(hotkey, netuid) {
            Self::relate(&child, netuid, |parents| parents.retain(|(_, parent)| parent != hotkey));
        }
        for (part, child) in &children {
            Self::relate(child, netuid, |parents| parents.push((*part, hotkey.clone())));
        }
        let announced = children.clone();
        children.sort_by(|left, right| left.1.cmp(&right.1));
        if children.is_empty() {
            ChildKeys::<T>::remove(hotkey, netuid);
        } else {
            ChildKeys::<T>::insert(hotkey, netuid, children);
        }
        Self::deposit_event(Event::SetChildren(hotkey.clone(), netuid, announced));
    }

    /// Changes a child's parents, keeping no empty list.
    fn relate(child: &AccountId32, netuid: NetUid, change: impl FnOnce(&mut Vec<Relation>)) {
        let mut parents = ParentKeys::<T>::get(child, netuid);
        change(&mut parents);
        if parents.is_empty() {
            ParentKeys::<T>::remove(child, netuid);
        } else {
            ParentKeys::<T>::insert(child, netuid, parents);
        }
    }

    /// Whether a hotkey has the stake that having children takes, or is the subnet owner's.
    fn may_have_children(hotkey: &AccountId32, netuid: NetUid) -> bool {
        let threshold = StakeThreshold::<T>::get();
        threshold == 0
            || Self::total_stake_of(hotkey).get() >= threshold
            || SubnetOwnerHotkey::<T>::get(netuid) == *hotkey
    }

    /// Whether a coldkey owns a hotkey.
    pub(crate) fn owns(coldkey: &AccountId32, hotkey: &AccountId32) -> bool {
        Owner::<T>::try_get(hotkey).is_ok_and(|owner| owner == *coldkey)
    }

    fn may_transact_again(hotkey: &AccountId32, netuid: NetUid, kind: u16, limit_blocks: u64) -> bool {
        let last = TransactionKeyLastBlock::<T>::get((hotkey, netuid, kind));
        last == 0 || Self::block().saturating_sub(last) >= limit_blocks
    }
}

//! Children: who may have whom, when they count, and whose stake counts where.

use frame_support::assert_ok;
use sp_runtime::PerU16;

use super::*;
use crate::runtime::subtensor::{
    ChildKeys, ChildkeyTake, ParentKeys, PendingChildKeyCooldown, PendingChildKeys, StakeThreshold,
    SubtokenEnabled,
};

const HALF: u64 = u64::MAX / 2;

fn set_children(hotkey: &str, children: &[(u64, &str)]) -> Call<Runtime> {
    Call::set_children {
        hotkey: account(hotkey),
        netuid: DEV,
        children: children.iter().map(|(part, child)| (*part, account(child))).collect(),
    }
}

fn set_take(who: &str, hotkey: &str, take: u16) -> DispatchResult {
    let take = PerU16::from_parts(take);
    dispatch(who, Call::set_childkey_take { hotkey: account(hotkey), netuid: DEV, take })
}

#[test]
fn children_count_from_the_first_epoch_after_their_cool_down() {
    world(
        |_| {},
        || {
            let children = [(HALF, "Charlie.v")];
            assert_ok!(dispatch("Bob", set_children("Bob.v", &children)));
            let list = vec![(HALF, account("Charlie.v"))];
            assert_eq!(
                events().last(),
                Some(&Event::SetChildrenScheduled(account("Bob.v"), DEV, 16, list.clone()))
            );
            assert_eq!(ChildKeys::<Runtime>::get(account("Bob.v"), DEV), []);
            blocks(19);
            assert_eq!(ChildKeys::<Runtime>::get(account("Bob.v"), DEV), list);
            assert_eq!(ParentKeys::<Runtime>::get(account("Charlie.v"), DEV), [(HALF, account("Bob.v"))]);
            assert!(!PendingChildKeys::<Runtime>::contains_key(DEV, account("Bob.v")));
            assert!(events().contains(&Event::SetChildren(account("Bob.v"), DEV, list)));

            blocks(140);
            assert_ok!(dispatch("Bob", set_children("Bob.v", &[])));
            blocks(40);
            assert_eq!(ParentKeys::<Runtime>::get(account("Charlie.v"), DEV), []);
        },
    );
}

#[test]
fn before_a_subnet_starts_children_count_at_once() {
    world(
        |_| {},
        || {
            SubtokenEnabled::<Runtime>::insert(DEV, false);
            assert_ok!(dispatch("Bob", set_children("Bob.v", &[(HALF, "Bob.m")])));
            assert_eq!(ChildKeys::<Runtime>::get(account("Bob.v"), DEV), [(HALF, account("Bob.m"))]);
        },
    );
}

#[test]
fn setting_children_says_what_is_wrong_in_the_order_of_the_real_chain() {
    world(
        |_| {},
        || {
            let of = |netuid: NetUid, children: &[(u64, &str)]| {
                let Call::set_children { hotkey, children, .. } = set_children("Bob.v", children) else {
                    unreachable!("that is the call it makes")
                };
                Call::set_children { hotkey, netuid, children }
            };
            fails("Dave", of(NetUid::ROOT, &[]), Error::RegistrationNotPermittedOnRootSubnet);
            fails("Dave", of(NetUid::new(9), &[]), Error::SubnetNotExists);
            fails("Dave", of(DEV, &[]), Error::NonAssociatedColdKey);
            fails("Bob", of(DEV, &[(1, "x"), (2, "x")]), Error::DuplicateChild);
            fails("Bob", of(DEV, &[(1, "Bob.v")]), Error::InvalidChild);
            let six: Vec<(u64, &str)> = ["a", "b", "c", "d", "e", "f"].map(|child| (1, child)).to_vec();
            fails("Bob", of(DEV, &six), Error::TooManyChildren);
            fails("Bob", of(DEV, &[(u64::MAX, "a"), (1, "b")]), Error::ProportionOverflow);
            ParentKeys::<Runtime>::insert(account("Bob.v"), DEV, vec![(1, account("Charlie.v"))]);
            fails("Bob", of(DEV, &[(1, "Charlie.v")]), Error::ChildParentInconsistency);
            StakeThreshold::<Runtime>::put(TAO);
            fails("Bob", of(DEV, &[(1, "a")]), Error::NotEnoughStakeToSetChildkeys);
            assert_ok!(dispatch("Bob", of(DEV, &[])));
            fails("Bob", of(DEV, &[]), Error::TxRateLimitExceeded);
        },
    );
}

#[test]
fn children_whose_parent_lost_its_stake_meanwhile_are_dropped() {
    world(
        |_| {},
        || {
            StakeThreshold::<Runtime>::put(10 * TAO);
            assert_ok!(dispatch("Bob", add_stake("Bob.v", DEV, 20 * TAO)));
            assert_ok!(dispatch("Bob", set_children("Bob.v", &[(HALF, "Charlie.v")])));
            let alpha = staked("Bob", "Bob.v", DEV);
            assert_ok!(dispatch("Bob", remove_stake("Bob.v", DEV, alpha)));
            blocks(20);
            assert_eq!(ChildKeys::<Runtime>::get(account("Bob.v"), DEV), []);
            assert!(!PendingChildKeys::<Runtime>::contains_key(DEV, account("Bob.v")));
        },
    );
}

#[test]
fn a_child_counts_with_what_its_parents_lend_and_they_without_it() {
    world(
        |_| {},
        || {
            assert_ok!(dispatch("Bob", add_stake("Bob.v", DEV, 100 * TAO)));
            assert_ok!(dispatch("Bob", add_stake("Bob.v", NetUid::ROOT, 100 * TAO)));
            let before = SubtensorModule::weighed_stake(&account("Bob.v"), DEV);
            PendingChildKeyCooldown::<Runtime>::put(0);
            assert_ok!(dispatch("Bob", set_children("Bob.v", &[(u64::MAX / 4, "Charlie.v")])));
            blocks(2);
            SubtensorModule::apply_pending_children(DEV);
            let parent = SubtensorModule::weighed_stake(&account("Bob.v"), DEV);
            let child = SubtensorModule::weighed_stake(&account("Charlie.v"), DEV);
            assert!(child.0.get().abs_diff(before.0.get() / 4) < 5 && child.1.abs_diff(before.1 / 4) < 5);
            assert!((parent.0.get() + child.0.get()).abs_diff(before.0.get()) < 5);
            assert!((parent.1 + child.1).abs_diff(before.1) < 5);
        },
    );
}

#[test]
fn a_childs_take_is_bounded_and_raised_only_so_often() {
    world(
        |_| {},
        || {
            assert_eq!(set_take("Dave", "Bob.v", 1), Err(Error::NonAssociatedColdKey.into()));
            assert_eq!(set_take("Bob", "Bob.v", 11_797), Err(Error::InvalidChildkeyTake.into()));
            assert_ok!(set_take("Bob", "Bob.v", 1_000));
            assert_eq!(set_take("Bob", "Bob.v", 1_001), Err(Error::TxChildkeyTakeRateLimitExceeded.into()));
            assert_ok!(set_take("Bob", "Bob.v", 10));
            blocks(5);
            assert_ok!(set_take("Bob", "Bob.v", 11_796));
            assert_eq!(ChildkeyTake::<Runtime>::get(account("Bob.v"), DEV), PerU16::from_parts(11_796));
        },
    );
}

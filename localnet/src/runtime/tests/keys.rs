//! Replacing hotkeys, destroying alpha, choosing where to stake what is mined.

use frame_support::assert_ok;

use super::*;
use crate::runtime::subtensor::{
    AutoStakeDestination, ChildKeys, Delegates, Owner, ParentKeys, SubnetAlphaOut, Uids,
};

fn swap(old: &str, new: &str, netuid: Option<NetUid>, keep_stake: bool) -> Call<Runtime> {
    Call::swap_hotkey_v2 { hotkey: account(old), new_hotkey: account(new), netuid, keep_stake }
}

#[test]
fn a_new_hotkey_takes_the_seat_the_stake_and_the_relations_of_the_old() {
    world(
        |_| {},
        || {
            assert_ok!(dispatch("Bob", add_stake("Bob.v", DEV, 10 * TAO)));
            assert_ok!(dispatch("Charlie", add_stake("Bob.v", DEV, 30 * TAO)));
            assert_ok!(dispatch("Charlie", add_stake("Bob.v", NetUid::ROOT, TAO)));
            let stakes = ["Bob", "Charlie"].map(|who| staked(who, "Bob.v", DEV));
            ChildKeys::<Runtime>::insert(account("Bob.v"), DEV, vec![(9, account("Charlie.v"))]);
            ParentKeys::<Runtime>::insert(account("Charlie.v"), DEV, vec![(9, account("Bob.v"))]);
            let before = free("Bob");
            assert_ok!(dispatch("Bob", swap("Bob.v", "Bob.new", None, false)));
            assert_eq!(before - free("Bob"), TAO / 10, "what a swap costs");
            assert_eq!(["Bob", "Charlie"].map(|who| staked(who, "Bob.new", DEV)), stakes);
            assert_eq!(staked("Charlie", "Bob.new", NetUid::ROOT), TAO);
            assert_eq!(["Bob", "Charlie"].map(|who| staked(who, "Bob.v", DEV)), [0, 0]);
            assert_eq!(Uids::<Runtime>::get(DEV, account("Bob.new")), Some(0));
            assert_eq!(Uids::<Runtime>::get(DEV, account("Bob.v")), None);
            assert_eq!(ChildKeys::<Runtime>::get(account("Bob.new"), DEV), [(9, account("Charlie.v"))]);
            assert_eq!(ParentKeys::<Runtime>::get(account("Charlie.v"), DEV), [(9, account("Bob.new"))]);
            assert!(Delegates::<Runtime>::contains_key(account("Bob.new")));
            assert!(!Owner::<Runtime>::contains_key(account("Bob.v")));
            let hotkeys = subtensor::StakingHotkeys::<Runtime>::get(account("Charlie"));
            assert_eq!(hotkeys, [account("Bob.new")]);
            fails(
                "Bob",
                swap("Bob.new", "Bob.newer", None, false),
                Error::HotKeySwapOnSubnetIntervalNotPassed,
            );
        },
    );
}

#[test]
fn on_one_subnet_the_old_hotkey_may_keep_its_stake_and_stays_elsewhere() {
    world(
        |genesis| {
            genesis.subnets.push(other_subnet(genesis, Pool { tao_rao: 99 * TAO, alpha_rao: 99 * TAO }))
        },
        || {
            assert_ok!(dispatch("Bob", add_stake("Bob.v", DEV, 10 * TAO)));
            let stake = staked("Bob", "Bob.v", DEV);
            assert_ok!(dispatch("Bob", swap("Bob.v", "Bob.new", Some(DEV), true)));
            assert_eq!((staked("Bob", "Bob.v", DEV), staked("Bob", "Bob.new", DEV)), (stake, 0));
            assert_eq!(Uids::<Runtime>::get(DEV, account("Bob.new")), Some(0));
            assert_eq!(Uids::<Runtime>::get(OTHER, account("Bob.v")), Some(0));
            assert_eq!(
                events().last(),
                Some(&Event::HotkeySwappedOnSubnet {
                    coldkey: account("Bob"),
                    old_hotkey: account("Bob.v"),
                    new_hotkey: account("Bob.new"),
                    netuid: DEV
                })
            );
        },
    );
}

#[test]
fn swapping_says_what_is_wrong_in_the_order_of_the_real_chain() {
    world(
        |_| {},
        || {
            fails("Dave", swap("Bob.v", "Bob.v", Some(NetUid::new(9)), false), Error::SubnetNotExists);
            fails("Dave", swap("Bob.v", "Bob.v", None, false), Error::NonAssociatedColdKey);
            fails("Bob", swap("Bob.v", "Charlie.v", None, false), Error::NonAssociatedColdKey);
            fails("Bob", swap("Bob.v", "Bob.v", None, false), Error::NewHotKeyIsSameWithOld);
            fails("Bob", swap("Bob.v", "Bob.m", None, false), Error::HotKeyAlreadyRegisteredInSubNet);
            SubtensorModule::associate(&account("Bob"), &account("Bob.new"));
            assert_ok!(dispatch("Bob", add_stake("Bob.new", NetUid::ROOT, TAO)));
            fails("Bob", swap("Bob.v", "Bob.new", None, false), Error::NewHotKeyNotCleanForRootSwap);
            assert_ok!(dispatch("Bob", swap("Bob.v", "Bob.new", Some(DEV), false)));
        },
    );
}

#[test]
fn recycled_alpha_can_be_issued_again_and_burned_alpha_cannot() {
    world(
        |_| {},
        || {
            assert_ok!(dispatch("Bob", add_stake("Bob.v", DEV, 10 * TAO)));
            let out = SubnetAlphaOut::<Runtime>::get(DEV).get();
            let (hotkey, amount) = (account("Bob.v"), AlphaBalance::new(TAO));
            let burn = |netuid| Call::burn_alpha { hotkey: hotkey.clone(), amount, netuid };
            fails("Bob", burn(NetUid::ROOT), Error::CannotBurnOrRecycleOnRootSubnet);
            assert_ok!(dispatch("Bob", burn(DEV)));
            assert_eq!(SubnetAlphaOut::<Runtime>::get(DEV).get(), out);
            assert_ok!(dispatch("Bob", Call::recycle_alpha { hotkey, amount, netuid: DEV }));
            assert_eq!(SubnetAlphaOut::<Runtime>::get(DEV).get(), out - TAO);
        },
    );
}

#[test]
fn what_is_mined_is_staked_where_the_coldkey_wants() {
    world(
        |_| {},
        || {
            let choose =
                |hotkey: &str| Call::set_coldkey_auto_stake_hotkey { netuid: DEV, hotkey: account(hotkey) };
            fails("Bob", choose("nobody"), Error::HotKeyNotRegisteredInSubNet);
            assert_ok!(dispatch("Bob", choose("Charlie.v")));
            fails("Bob", choose("Charlie.v"), Error::SameAutoStakeHotkeyAlreadySet);
            assert_eq!(AutoStakeDestination::<Runtime>::get(account("Bob"), DEV), Some(account("Charlie.v")));
        },
    );
}

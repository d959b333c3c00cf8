//! Who gets an epoch's alpha: miners, validators, their stakers, their parents, root's stakers and the owner.

use std::collections::BTreeSet;

use frame_support::assert_ok;
use sp_runtime::PerU16;

use super::*;
use crate::runtime::subtensor::{
    AlphaDividendsPerSubnet, ChildKeys, ChildkeyTake, Delegates, ParentKeys, PendingRootAlphaDivs,
    RootAlphaDividendsPerSubnet, RootClaimable, SubnetAlphaOut, SubnetMovingPrice,
};

const NO_TAKE: PerU16 = PerU16::from_parts(0);

/// Charlie's validator earns with what Bob's lends it: three quarters of its own.
fn lend_to_charlie() {
    let part = u64::MAX / 4 * 3;
    assert_ok!(dispatch("Bob", add_stake("Bob.v", DEV, 100 * TAO)));
    ChildKeys::<Runtime>::insert(account("Bob.v"), DEV, vec![(part, account("Charlie.v"))]);
    ParentKeys::<Runtime>::insert(account("Charlie.v"), DEV, vec![(part, account("Bob.v"))]);
    for hotkey in ["Bob.v", "Charlie.v"] {
        Delegates::<Runtime>::insert(account(hotkey), NO_TAKE);
    }
}

#[test]
fn what_a_child_earns_with_its_parents_stake_is_its_parents_less_its_take() {
    world(
        |_| {},
        || {
            lend_to_charlie();
            ChildkeyTake::<Runtime>::insert(account("Charlie.v"), DEV, PerU16::from_percent(10));
            let split = SubtensorModule::split_dividend(&account("Charlie.v"), DEV, 1_000_000);
            assert_eq!(split.len(), 2);
            let of = |who: &str| split.iter().find(|(hotkey, _)| *hotkey == account(who)).unwrap().1;
            // All of the child's stake is lent: it keeps its take of 10 % (6,553 of 65,535 parts).
            assert_eq!((of("Bob.v"), of("Charlie.v")), (900_008, 99_992));
            assert_eq!(of("Bob.v") + of("Charlie.v"), 1_000_000);

            assert_ok!(dispatch("Charlie", add_stake("Charlie.v", DEV, 75 * TAO)));
            let split = SubtensorModule::split_dividend(&account("Charlie.v"), DEV, 1_000_000);
            let parent = split[0].1;
            assert!(parent.abs_diff(450_000) < 1_000, "half was earned with the parent's stake: {parent}");
        },
    );
}

#[test]
fn a_child_takes_nothing_from_a_parent_of_the_same_coldkey() {
    world(
        |_| {},
        || {
            assert_ok!(dispatch("Bob", add_stake("Bob.v", DEV, 100 * TAO)));
            ParentKeys::<Runtime>::insert(account("Bob.m"), DEV, vec![(u64::MAX, account("Bob.v"))]);
            ChildkeyTake::<Runtime>::insert(account("Bob.m"), DEV, PerU16::from_percent(10));
            let split = SubtensorModule::split_dividend(&account("Bob.m"), DEV, 1_000_000);
            assert_eq!(split, [(account("Bob.v"), 1_000_000), (account("Bob.m"), 0)]);
        },
    );
}

#[test]
fn an_epoch_pays_parents_and_children_in_stake() {
    world(
        |_| {},
        || {
            lend_to_charlie();
            let before = staked("Bob", "Bob.v", DEV);
            blocks(19);
            let (parent, child) = (staked("Bob", "Bob.v", DEV) - before, staked("Charlie", "Charlie.v", DEV));
            // The child validates with three quarters of the stake, and has no take: all of it is the parent's.
            assert_eq!(child, 0);
            // Nobody mines, so validators get all but the owner's cut of 18 % of 19 blocks.
            assert!(parent.abs_diff(19 * TAO * 82 / 100) < TAO / 1_000, "{parent}");
            let noted = AlphaDividendsPerSubnet::<Runtime>::get(DEV, account("Bob.v")).get();
            assert!(noted.abs_diff(parent) < 10, "{noted} of {parent}");
        },
    );
}

#[test]
fn the_owners_cut_is_staked_to_the_owner_and_may_be_switched_off() {
    world(
        |_| {},
        || {
            assert_ok!(dispatch("Bob", add_stake("Bob.v", DEV, 100 * TAO)));
            blocks(19);
            let cut = staked("Alice", "Alice//hotkey", DEV);
            assert!(cut.abs_diff(19 * TAO * 18 / 100) < TAO / 1_000, "{cut}");
            subtensor::OwnerCutEnabled::<Runtime>::insert(DEV, false);
            blocks(20);
            assert_eq!(staked("Alice", "Alice//hotkey", DEV), cut);
        },
    );
}

/// Two subnets whose alpha is worth more than a TAO together, a root validator, and TAO staked to it there.
fn with_root(test: impl FnOnce()) {
    let pool = Pool { tao_rao: 50_000 * TAO, alpha_rao: 50_000 * TAO };
    world(
        |genesis| genesis.subnets.push(other_subnet(genesis, pool)),
        || {
            assert_ok!(dispatch("Bob", add_stake("Bob.v", NetUid::ROOT, 300_000 * TAO)));
            assert_ok!(dispatch("Charlie", add_stake("Bob.v", NetUid::ROOT, 100_000 * TAO)));
            assert_ok!(dispatch("Bob", Call::root_register { hotkey: account("Bob.v") }));
            test();
        },
    );
}

#[test]
fn roots_part_of_the_dividends_is_owed_to_roots_stakers_and_claimed_as_tao() {
    with_root(|| {
        blocks(19);
        let owed = |who: &str| SubtensorModule::root_owed(&account("Bob.v"), &account(who), DEV).get();
        let (bobs, charlies) = (owed("Bob"), owed("Charlie"));
        assert!(charlies > TAO / 1_000, "{charlies}");
        assert!(bobs.abs_diff(3 * charlies) < 1_000, "{bobs} {charlies}");
        let shared = RootAlphaDividendsPerSubnet::<Runtime>::get(DEV, account("Bob.v")).get();
        // A rate has 32 bits after the point, of 400,000 TAO.
        assert!(
            shared >= bobs + charlies && shared - bobs - charlies < 100_000,
            "{shared} {bobs} {charlies}"
        );
        assert!(RootClaimable::<Runtime>::get(account("Bob.v")).contains_key(&DEV));

        let before = staked("Charlie", "Bob.v", NetUid::ROOT);
        let subnets = BTreeSet::from([DEV]);
        assert_ok!(dispatch("Charlie", Call::claim_root { subnets: subnets.clone() }));
        let gained = staked("Charlie", "Bob.v", NetUid::ROOT) - before;
        assert!(
            gained.abs_diff(charlies / 2) < charlies / 1_000,
            "{gained} TAO for {charlies} alpha at a half"
        );
        let claimed = Event::RootClaimed { coldkey: account("Charlie"), tao: TaoBalance::new(gained) };
        assert_eq!(events().last(), Some(&claimed));
        assert_eq!(owed("Bob"), bobs, "others are owed what they were");
        assert!(owed("Charlie") < 10);
        assert_ok!(dispatch("Charlie", Call::claim_root { subnets }));
        assert_eq!(staked("Charlie", "Bob.v", NetUid::ROOT) - before, gained, "nothing is paid twice");
    });
}

#[test]
fn who_stakes_on_root_after_an_epoch_is_owed_nothing_of_it_and_who_leaves_forfeits() {
    with_root(|| {
        blocks(19);
        let bobs = SubtensorModule::root_owed(&account("Bob.v"), &account("Bob"), DEV).get();
        assert_ok!(dispatch("Alice", add_stake("Bob.v", NetUid::ROOT, 100_000 * TAO)));
        assert!(SubtensorModule::root_owed(&account("Bob.v"), &account("Alice"), DEV).get() < 10);
        assert_ok!(dispatch("Bob", remove_stake("Bob.v", NetUid::ROOT, 1_000 * TAO)));
        let after = SubtensorModule::root_owed(&account("Bob.v"), &account("Bob"), DEV).get();
        assert!(after.abs_diff(bobs / 300 * 299) < 1_000, "{after} of {bobs}: one of 300 parts left");
    });
}

#[test]
fn while_all_alpha_is_worth_no_more_than_a_tao_root_is_owed_nothing() {
    with_root(|| {
        for netuid in [DEV, OTHER] {
            SubnetMovingPrice::<Runtime>::insert(netuid, crate::runtime::numbers::I96F32::from_bits(1 << 30));
        }
        let out = SubnetAlphaOut::<Runtime>::get(DEV).get();
        let bought = subtensor::SubnetProtocolAlpha::<Runtime>::get(DEV).get();
        blocks(1);
        assert_eq!(PendingRootAlphaDivs::<Runtime>::get(DEV).get(), 0);
        let bought = subtensor::SubnetProtocolAlpha::<Runtime>::get(DEV).get() - bought;
        let issued = SubnetAlphaOut::<Runtime>::get(DEV).get() - out - bought;
        assert!(issued < TAO, "root's part was issued and recycled: {issued}");
    });
}

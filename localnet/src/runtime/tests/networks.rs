//! Registering subnets and joining root.

use frame_support::assert_ok;

use super::*;
use crate::runtime::subtensor::{
    Keys, NetworkImmunityPeriod, NetworkRateLimit, NetworkRegisteredAt, SubnetAlphaIn, SubnetLimit,
    SubnetOwner, SubnetTAO, SubtokenEnabled, TargetRegistrationsPerInterval, Uids, types::SubnetIdentityV3,
};

fn register(hotkey: &str) -> Call<Runtime> {
    Call::register_network { hotkey: account(hotkey) }
}

fn join_root(who: &str, hotkey: &str) -> DispatchResult {
    dispatch(who, Call::root_register { hotkey: account(hotkey) })
}

#[test]
fn a_new_subnet_has_a_pool_at_the_median_price_and_waits_for_its_start() {
    world(
        |_| {},
        || {
            let first = NetUid::new(1);
            let before = free("Bob");
            assert_ok!(dispatch("Bob", register("Bob.owner")));
            assert_eq!(before - free("Bob"), 1_000 * TAO, "the least it can cost");
            assert_eq!(events().last(), Some(&Event::NetworkAdded(first, 1)));
            assert_eq!(SubnetOwner::<Runtime>::get(first), account("Bob"));
            assert_eq!(Keys::<Runtime>::get(first, 0), account("Bob.owner"));
            assert_eq!(SubnetTAO::<Runtime>::get(first).get(), 1_000 * TAO);
            assert_eq!(SubnetAlphaIn::<Runtime>::get(first).get(), 2_000 * TAO);
            assert_eq!(SubtensorModule::alpha_price_rao(first), TAO / 2);

            assert!(!SubtokenEnabled::<Runtime>::get(first));
            fails("Bob", add_stake("Bob.owner", first, TAO), Error::SubtokenDisabled);
            fails("Dave", Call::start_call { netuid: first }, DispatchError::BadOrigin);
            assert_ok!(dispatch("Bob", Call::start_call { netuid: first }));
            let again = Call::start_call { netuid: first };
            fails("Bob", again, Error::FirstEmissionBlockNumberAlreadySet);
            assert_ok!(dispatch("Bob", add_stake("Bob.owner", first, TAO)));
            blocks(12);
            assert!(staked("Bob", "Bob.owner", first) > 2 * TAO, "an epoch has paid");
        },
    );
}

#[test]
fn a_subnet_can_be_started_only_after_its_delay() {
    world(
        |_| {},
        || {
            subtensor::StartCallDelay::<Runtime>::put(3);
            assert_ok!(dispatch("Bob", register("Bob.owner")));
            let start = || Call::start_call { netuid: NetUid::new(1) };
            fails("Bob", start(), Error::StartCallNotReady);
            blocks(3);
            assert_ok!(dispatch("Bob", start()));
        },
    );
}

#[test]
fn the_price_of_a_subnet_doubles_and_falls_back_to_the_least() {
    world(
        |_| {},
        || {
            assert_eq!(SubtensorModule::network_price().get(), 1_000 * TAO);
            assert_ok!(dispatch("Bob", register("Bob.owner")));
            assert_eq!(SubtensorModule::network_price().get(), 2_000 * TAO);
            // It falls by the last cost in 100,800 blocks.
            System::set_block_number(1 + 50_400);
            assert!(SubtensorModule::network_price().get().abs_diff(1_500 * TAO) < TAO);
            System::set_block_number(1 + 300_000);
            assert_eq!(SubtensorModule::network_price().get(), 1_000 * TAO);
        },
    );
}

#[test]
fn registering_a_subnet_says_what_is_wrong_in_the_order_of_the_real_chain() {
    world(
        |_| {},
        || {
            fails("Dave", register("Bob.v"), Error::NonAssociatedColdKey);
            let name = SubnetIdentityV3 { subnet_name: vec![b'x'; 257], ..Default::default() };
            let named = |identity| Call::register_network_with_identity {
                hotkey: account("Bob.owner"),
                identity: Some(identity),
            };
            fails("Bob", named(name), Error::InvalidIdentity);
            SubnetLimit::<Runtime>::put(1);
            fails("Bob", register("Bob.owner"), Error::SubnetLimitReached);
            SubnetLimit::<Runtime>::put(128);
            fails("nobody", register("nobody.owner"), Error::CannotAffordLockCost);
            let name = SubnetIdentityV3 { subnet_name: b"first".to_vec(), ..Default::default() };
            assert_ok!(dispatch("Bob", named(name)));
            assert!(events().contains(&Event::SubnetIdentitySet(NetUid::new(1))));
            fails("Charlie", register("Charlie.owner"), Error::NetworkTxRateLimitExceeded);
            NetworkRateLimit::<Runtime>::put(0);
            assert_ok!(dispatch("Charlie", register("Charlie.owner")));
        },
    );
}

#[test]
fn the_cheapest_subnet_past_its_immunity_would_make_room() {
    world(
        |genesis| {
            let pool = Pool { tao_rao: 1_000 * TAO, alpha_rao: 9_000 * TAO };
            genesis.subnets.push(other_subnet(genesis, pool));
        },
        || {
            assert_eq!(SubtensorModule::subnet_to_prune(), None, "both are immune");
            NetworkImmunityPeriod::<Runtime>::put(0);
            assert_eq!(SubtensorModule::subnet_to_prune(), Some(OTHER));
            NetworkImmunityPeriod::<Runtime>::put(10);
            NetworkRegisteredAt::<Runtime>::insert(OTHER, 100);
            blocks(20);
            assert_eq!(SubtensorModule::subnet_to_prune(), Some(DEV));
        },
    );
}

#[test]
fn root_takes_newcomers_by_stake_when_it_is_full() {
    world(
        |_| {},
        || {
            subtensor::MaxAllowedUids::<Runtime>::insert(NetUid::ROOT, 2);
            assert_ok!(dispatch("Bob", add_stake("Bob.v", NetUid::ROOT, 10 * TAO)));
            assert_ok!(join_root("Bob", "Bob.v"));
            assert_eq!(events().last(), Some(&Event::NeuronRegistered(NetUid::ROOT, 0, account("Bob.v"))));
            assert_eq!(join_root("Bob", "Bob.m"), Err(Error::TooManyRegistrationsThisBlock.into()));
            blocks(1);
            assert_eq!(join_root("Bob", "Bob.v"), Err(Error::HotKeyAlreadyRegisteredInSubNet.into()));
            assert_ok!(join_root("Bob", "Bob.m"));
            blocks(1);
            assert_eq!(join_root("Charlie", "Charlie.v"), Err(Error::StakeTooLowForRoot.into()));
            assert_ok!(dispatch("Charlie", add_stake("Charlie.v", NetUid::ROOT, TAO)));
            assert_ok!(join_root("Charlie", "Charlie.v"));
            assert_eq!(Uids::<Runtime>::get(NetUid::ROOT, account("Charlie.v")), Some(1));
            assert_eq!(Uids::<Runtime>::get(NetUid::ROOT, account("Bob.m")), None);
        },
    );
}

#[test]
fn root_takes_only_so_many_in_an_interval() {
    world(
        |_| {},
        || {
            blocks(9);
            TargetRegistrationsPerInterval::<Runtime>::insert(NetUid::ROOT, 1);
            for index in 0..3 {
                assert_ok!(join_root("Bob", &format!("Bob.{index}")));
                blocks(1);
            }
            assert_eq!(join_root("Bob", "Bob.3"), Err(Error::TooManyRegistrationsThisInterval.into()));
            blocks(10);
            assert_ok!(join_root("Bob", "Bob.3"));
        },
    );
}

//! Delegate takes and identities.

use frame_support::assert_ok;
use sp_runtime::PerU16;

use super::*;
use crate::runtime::subtensor::{Delegates, IdentitiesV2, MinDelegateTake, SubnetIdentitiesV3};

fn take(parts: u16) -> PerU16 {
    PerU16::from_parts(parts)
}

fn increase(hotkey: &str, parts: u16) -> Call<Runtime> {
    Call::increase_take { hotkey: account(hotkey), take: take(parts) }
}

fn decrease(hotkey: &str, parts: u16) -> Call<Runtime> {
    Call::decrease_take { hotkey: account(hotkey), take: take(parts) }
}

#[test]
fn a_take_is_lowered_at_will_and_raised_within_its_bounds_and_limit() {
    world(
        |_| {},
        || {
            fails("Bob", decrease("nobody", 1), Error::HotKeyAccountNotExists);
            fails("Dave", decrease("Bob.v", 1), Error::NonAssociatedColdKey);
            assert_ok!(dispatch("Bob", decrease("Bob.v", 100)));
            assert_eq!(
                events().last(),
                Some(&Event::TakeDecreased(account("Bob"), account("Bob.v"), take(100)))
            );
            fails("Bob", decrease("Bob.v", 100), Error::DelegateTakeTooLow);
            MinDelegateTake::<Runtime>::put(take(50));
            fails("Bob", decrease("Bob.v", 49), Error::DelegateTakeTooLow);
            fails("Bob", increase("Bob.v", 100), Error::DelegateTakeTooLow);
            fails("Bob", increase("Bob.v", 11_797), Error::DelegateTakeTooHigh);
            assert_ok!(dispatch("Bob", increase("Bob.v", 200)));
            fails("Bob", increase("Bob.v", 300), Error::DelegateTxRateLimitExceeded);
            subtensor::TxDelegateTakeRateLimit::<Runtime>::put(5);
            blocks(6);
            assert_ok!(dispatch("Bob", increase("Bob.v", 300)));
            assert_eq!(Delegates::<Runtime>::get(account("Bob.v")), take(300));
        },
    );
}

#[test]
fn delegates_are_told_with_who_stakes_to_them() {
    world(
        |_| {},
        || {
            assert_eq!(SubtensorModule::delegate(account("Bob.v")), None);
            assert_ok!(dispatch("Charlie", add_stake("Bob.v", DEV, 10 * TAO)));
            assert_ok!(dispatch("Charlie", add_stake("Bob.v", NetUid::ROOT, 5 * TAO)));
            blocks(20);
            let info = SubtensorModule::delegate(account("Bob.v")).unwrap();
            assert_eq!((info.owner_ss58, info.take.0), (account("Bob"), take(11_796)));
            assert_eq!(info.registrations.len(), 1);
            let (staker, stakes) =
                info.nominators.iter().find(|(who, _)| *who == account("Charlie")).unwrap();
            assert_eq!(*staker, account("Charlie"));
            assert_eq!((stakes[0].0.0, stakes[0].1.0), (NetUid::ROOT, 5 * TAO));
            assert_eq!(stakes[1].1.0, staked("Charlie", "Bob.v", DEV));
            assert!(info.total_daily_return.0 > 0 && info.return_per_1000.0 > 0);
            let delegated = SubtensorModule::delegations(&account("Charlie"));
            assert_eq!(
                delegated.iter().map(|(_, (netuid, _))| netuid.0).collect::<Vec<_>>(),
                [NetUid::ROOT, DEV]
            );
            assert_eq!(SubtensorModule::delegates().len(), 1);
        },
    );
}

fn identity(name: &str) -> Call<Runtime> {
    let text = |text: &str| text.as_bytes().to_vec();
    Call::set_identity {
        name: text(name),
        url: text("https://example.org"),
        github_repo: Vec::new(),
        image: Vec::new(),
        discord: Vec::new(),
        description: Vec::new(),
        additional: Vec::new(),
    }
}

#[test]
fn a_coldkey_with_a_registered_hotkey_tells_who_it_is() {
    world(
        |_| {},
        || {
            fails("Dave", identity("Dave"), Error::HotKeyNotRegisteredInNetwork);
            fails("Bob", identity(&"x".repeat(257)), Error::InvalidIdentity);
            assert_ok!(dispatch("Bob", identity("Bob")));
            assert_eq!(IdentitiesV2::<Runtime>::get(account("Bob")).unwrap().name, b"Bob");
            assert_eq!(events().last(), Some(&Event::ChainIdentitySet(account("Bob"))));
        },
    );
}

#[test]
fn a_subnets_owner_tells_what_the_subnet_is() {
    world(
        |_| {},
        || {
            let call = |name: &str| Call::set_subnet_identity {
                netuid: DEV,
                subnet_name: name.as_bytes().to_vec(),
                github_repo: Vec::new(),
                subnet_contact: Vec::new(),
                subnet_url: Vec::new(),
                discord: Vec::new(),
                description: Vec::new(),
                logo_url: Vec::new(),
                additional: Vec::new(),
            };
            fails("Bob", call("mine"), Error::NotSubnetOwner);
            fails("Alice", call(&"x".repeat(257)), Error::InvalidIdentity);
            assert_ok!(dispatch("Alice", call("inference")));
            assert_eq!(SubnetIdentitiesV3::<Runtime>::get(DEV).unwrap().subnet_name, b"inference");
        },
    );
}

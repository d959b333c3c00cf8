//! Registering neurons: by work, at the burn price, and who makes room.

use frame_support::assert_ok;
use sp_core::H256;

use super::*;
use crate::runtime::subtensor::{
    Burn, BurnHalfLife, Difficulty, ImmuneOwnerUidsLimit, MinNonImmuneUids, NetworkPowRegistrationAllowed,
    SubnetAlphaOut, SubnetOwnerHotkey, Uids,
    calls::work::{Challenge, meets, seal},
};

/// The call with work done on a block.
fn work(who: &str, hotkey: &str, block: u64, difficulty: u64) -> Call<Runtime> {
    let (hotkey, coldkey) = (account(hotkey), account(who));
    let block_hash = System::block_hash(u32::try_from(block).unwrap());
    let challenge = Challenge { netuid: DEV, block_hash, hotkey: &hotkey, coldkey: &coldkey };
    let nonce = (0..).find(|nonce| meets(&seal(&challenge, *nonce), difficulty)).unwrap();
    let work = seal(&challenge, nonce);
    Call::pow_register { netuid: DEV, work_block: block, nonce, work, hotkey }
}

/// A chain in block 10 whose blocks have hashes, and whose difficulty is low.
fn with_hashes(test: impl FnOnce()) {
    world(
        |_| {},
        || {
            blocks(9);
            for block in 1..10u32 {
                frame_system::BlockHash::<Runtime>::insert(block, H256::repeat_byte(block as u8));
            }
            Difficulty::<Runtime>::insert(DEV, 200);
            test();
        },
    );
}

#[test]
fn work_registers_a_hotkey_without_fee_or_burn_and_only_once() {
    with_hashes(|| {
        let call = work("penniless", "hot", 9, 200);
        assert_ok!(dispatch("penniless", call.clone()));
        assert_eq!(Uids::<Runtime>::get(DEV, account("hot")), Some(3));
        assert_eq!(events().last(), Some(&Event::NeuronRegistered(DEV, 3, account("hot"))));
        fails("penniless", call, Error::HotKeyAlreadyRegisteredInSubNet);
        fails("penniless", work("penniless", "next", 9, 200), Error::TooManyRegistrationsThisBlock);
        blocks(1);
        assert_ok!(dispatch("penniless", work("penniless", "next", 9, 200)));
    });
}

#[test]
fn work_that_is_old_forged_or_too_little_is_refused() {
    with_hashes(|| {
        fails("Bob", work("Bob", "hot", 4, 200), Error::InvalidWorkBlock);
        assert!(matches!(work("Bob", "hot", 5, 200), Call::pow_register { work_block: 5, .. }));
        let Call::pow_register { nonce, work: proof, .. } = work("Bob", "hot", 9, 200) else {
            unreachable!("work")
        };
        let call = |hotkey: &str, work_block: u64, work: [u8; 32]| Call::pow_register {
            netuid: DEV,
            work_block,
            nonce,
            work,
            hotkey: account(hotkey),
        };
        fails("Bob", call("hot", 10, proof), Error::InvalidWorkBlock);
        fails("Bob", call("hot", 9, [0; 32]), Error::InvalidSeal);
        fails("Bob", call("another", 9, proof), Error::InvalidSeal);
        fails("Charlie", call("hot", 9, proof), Error::InvalidSeal);
        Difficulty::<Runtime>::insert(DEV, u64::MAX);
        fails("Bob", call("hot", 9, proof), Error::InvalidDifficulty);
        Difficulty::<Runtime>::insert(DEV, 200);
        NetworkPowRegistrationAllowed::<Runtime>::insert(DEV, false);
        fails("Bob", call("hot", 9, proof), Error::SubNetRegistrationDisabled);
    });
}

#[test]
fn the_price_of_a_registration_buys_alpha_that_is_gone() {
    world(
        |_| {},
        || {
            let (out, issued) =
                (SubnetAlphaOut::<Runtime>::get(DEV), SubtensorModule::alpha_issued(DEV).get());
            let before = free("Dave");
            assert_ok!(dispatch("Dave", Call::burned_register { netuid: DEV, hotkey: account("hot") }));
            assert_eq!(before - free("Dave"), TAO / 10);
            assert_eq!(SubnetAlphaOut::<Runtime>::get(DEV), out);
            let gone = issued - SubtensorModule::alpha_issued(DEV).get();
            assert!((199_000_000..200_000_000).contains(&gone), "0.1 TAO at half a TAO: {gone}");
        },
    );
}

#[test]
fn the_price_rises_by_its_factor_and_halves_in_its_half_life() {
    world(
        |_| {},
        || {
            Burn::<Runtime>::insert(DEV, TaoBalance::new(4 * TAO));
            assert_ok!(dispatch("Bob", Call::burned_register { netuid: DEV, hotkey: account("hot") }));
            let raised = Burn::<Runtime>::get(DEV).get();
            assert!(raised.abs_diff(4 * TAO * 126 / 100) < 10, "{raised}");
            BurnHalfLife::<Runtime>::insert(DEV, 10);
            blocks(10);
            let halved = Burn::<Runtime>::get(DEV).get();
            assert!(halved.abs_diff(raised / 2) < 1_000, "{halved} of {raised}");
        },
    );
}

/// Three seats: the owner's, and two others; who comes next replaces one.
fn full(test: impl FnOnce(&dyn Fn(&str) -> Option<u16>)) {
    world(
        |genesis| {
            genesis.subnets[0].uids_max = 3;
            genesis.subnets[0].immunity_blocks = 5;
            genesis.subnets[0].neurons = vec![neuron("Alice.x", 0), neuron("Bob.v", 0), neuron("Bob.m", 0)];
        },
        || {
            MinNonImmuneUids::<Runtime>::insert(DEV, 0);
            blocks(10);
            test(&|hotkey| Uids::<Runtime>::get(DEV, account(hotkey)));
        },
    );
}

#[test]
fn the_owners_oldest_neuron_is_never_replaced_and_the_others_by_age_and_uid() {
    full(|uid| {
        assert_ok!(dispatch("Dave", Call::burned_register { netuid: DEV, hotkey: account("Dave.1") }));
        assert_eq!((uid("Alice.x"), uid("Bob.v"), uid("Dave.1")), (Some(0), None, Some(1)));
        assert_ok!(dispatch("Dave", Call::burned_register { netuid: DEV, hotkey: account("Dave.2") }));
        assert_eq!((uid("Alice.x"), uid("Bob.m"), uid("Dave.2")), (Some(0), None, Some(2)));
        // Both of Dave's are immune; the older of the immune goes when nobody else can.
        assert_ok!(dispatch("Dave", Call::burned_register { netuid: DEV, hotkey: account("Dave.3") }));
        assert_eq!((uid("Alice.x"), uid("Dave.1"), uid("Dave.3")), (Some(0), None, Some(1)));
    });
}

#[test]
fn the_owner_hotkey_counts_before_the_owners_other_neurons() {
    full(|uid| {
        SubnetOwnerHotkey::<Runtime>::insert(DEV, account("Bob.v"));
        assert_ok!(dispatch("Dave", Call::burned_register { netuid: DEV, hotkey: account("Dave.1") }));
        assert_eq!(
            (uid("Alice.x"), uid("Bob.v")),
            (None, Some(1)),
            "one seat is protected: the owner hotkey's"
        );
        ImmuneOwnerUidsLimit::<Runtime>::insert(DEV, 3);
        subtensor::Owner::<Runtime>::insert(account("Bob.m"), account("Alice"));
        assert_ok!(dispatch("Dave", Call::burned_register { netuid: DEV, hotkey: account("Dave.2") }));
        assert_eq!((uid("Bob.v"), uid("Bob.m"), uid("Dave.1")), (Some(1), Some(2), None));
    });
}

#[test]
fn as_many_neurons_past_their_immunity_stay_as_the_subnet_wants() {
    full(|uid| {
        MinNonImmuneUids::<Runtime>::insert(DEV, 2);
        let call = || Call::burned_register { netuid: DEV, hotkey: account("Dave.1") };
        fails("Dave", call(), Error::NoNeuronIdAvailable);
        MinNonImmuneUids::<Runtime>::insert(DEV, 1);
        assert_ok!(dispatch("Dave", call()));
        assert_eq!(uid("Dave.1"), Some(1));
    });
}

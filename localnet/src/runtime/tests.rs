//! The runtime's rules, run on a state in memory without blocks, transactions or a server around them.

mod children;
mod conservation;
mod dividends;
mod keys;
mod market;
mod moving;
mod networks;
mod registration;
mod takes;

use frame_support::{dispatch::DispatchResult, traits::Hooks as _};
use sp_io::TestExternalities;
use sp_runtime::{AccountId32, DispatchError, traits::Dispatchable as _};

use super::{
    Balances, Runtime, RuntimeCall, RuntimeEvent, RuntimeOrigin, SubtensorModule, System,
    numbers::{AlphaBalance, NetUid, TaoBalance},
    subtensor::{
        self, Call, Event,
        genesis::{Neuron, Pool, Subnet},
    },
};
use crate::{
    Genesis,
    accounts::{TAO, dev_account},
};

type Error = subtensor::Error<Runtime>;

/// The dev subnet.
const DEV: NetUid = NetUid::new(64);
/// Another one with a pool.
const OTHER: NetUid = NetUid::new(7);

fn account(name: &str) -> AccountId32 {
    dev_account(&format!("//{name}")).unwrap()
}

/// Runs a test on the default genesis, after changes to it, in block 1. Each of the named hotkeys is a neuron of the dev
/// subnet under the coldkey before the dot.
fn world(change: impl FnOnce(&mut Genesis), test: impl FnOnce()) {
    let mut genesis = Genesis::default();
    for hotkey in ["Bob.v", "Bob.m", "Charlie.v"] {
        genesis.subnets[0].neurons.push(neuron(hotkey, 0));
    }
    change(&mut genesis);
    TestExternalities::default().execute_with(|| {
        crate::chain::write_genesis(&genesis).unwrap();
        System::set_block_number(1);
        test();
    });
}

/// A neuron by `coldkey.hotkey`.
fn neuron(name: &str, stake_rao: u64) -> Neuron {
    let (coldkey, _) = name.split_once('.').unwrap();
    Neuron { hotkey: account(name), coldkey: account(coldkey), stake_rao, permit: stake_rao > 0 }
}

/// A second subnet with a pool, of the same shape as the first.
fn other_subnet(genesis: &Genesis, pool: Pool) -> Subnet {
    let neurons = vec![neuron("Bob.v", 0)];
    Subnet { netuid: OTHER.get(), pool: Some(pool), neurons, ..genesis.subnets[0].clone() }
}

/// Lets blocks pass.
fn blocks(count: u32) {
    for _ in 0..count {
        let next = System::block_number() + 1;
        System::set_block_number(next);
        SubtensorModule::on_initialize(next);
        SubtensorModule::on_finalize(next);
    }
}

fn dispatch(who: &str, call: Call<Runtime>) -> DispatchResult {
    let origin = RuntimeOrigin::signed(account(who));
    RuntimeCall::SubtensorModule(call).dispatch(origin).map(|_| ()).map_err(|error| error.error)
}

fn fails(who: &str, call: Call<Runtime>, error: impl Into<DispatchError>) {
    assert_eq!(dispatch(who, call), Err(error.into()));
}

/// The events of the pallet so far, oldest first.
fn events() -> Vec<Event<Runtime>> {
    let own = |record: frame_system::EventRecord<RuntimeEvent, _>| match record.event {
        RuntimeEvent::SubtensorModule(event) => Some(event),
        _ => None,
    };
    System::events().into_iter().filter_map(own).collect()
}

fn free(who: &str) -> u64 {
    Balances::free_balance(account(who)).get()
}

fn staked(coldkey: &str, hotkey: &str, netuid: NetUid) -> u64 {
    SubtensorModule::stake_of(&account(hotkey), &account(coldkey), netuid).get()
}

fn add_stake(hotkey: &str, netuid: NetUid, rao: u64) -> Call<Runtime> {
    Call::add_stake { hotkey: account(hotkey), netuid, amount_staked: TaoBalance::new(rao) }
}

fn remove_stake(hotkey: &str, netuid: NetUid, alpha: u64) -> Call<Runtime> {
    Call::remove_stake { hotkey: account(hotkey), netuid, amount_unstaked: AlphaBalance::new(alpha) }
}

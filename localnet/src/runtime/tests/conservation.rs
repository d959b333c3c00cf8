//! Whatever people do in whatever order, no TAO and no alpha appears or disappears.

use std::collections::BTreeMap;

use super::*;
use crate::runtime::{
    EXISTENTIAL_DEPOSIT_RAO,
    subtensor::{
        AlphaV2, PendingOwnerCut, PendingRootAlphaDivs, PendingServerEmission, PendingValidatorEmission,
        SubnetAlphaOut, SubnetProtocolAlpha, SubnetTAO, TotalAlphaStaked, TotalHotkeyAlpha, TotalIssuance,
        TotalStake,
    },
};

const PEOPLE: [&str; 3] = ["Bob", "Charlie", "Dave"];
const HOTKEYS: [&str; 3] = ["Bob.v", "Bob.m", "Charlie.v"];
const NETUIDS: [NetUid; 3] = [NetUid::ROOT, OTHER, DEV];
/// Steps of one run; `LOCALNET_STEPS` asks for more.
const STEPS: u32 = 240;
/// Every so many of them all share pools are added up.
const STEPS_PER_SUM: u32 = 8;

/// A small generator with a fixed seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 20) % end.max(1)
    }

    fn one_of<V: Copy>(&mut self, items: &[V]) -> V {
        items[self.below(items.len() as u64) as usize]
    }
}

#[test]
fn neither_tao_nor_alpha_appears_or_disappears() {
    let pool = Pool { tao_rao: 3_000 * TAO, alpha_rao: 11_000 * TAO };
    world(
        |genesis| genesis.subnets.push(other_subnet(genesis, pool)),
        || {
            let steps = std::env::var("LOCALNET_STEPS").ok().and_then(|steps| steps.parse().ok());
            let mut numbers = Numbers(7);
            let mut done = 0;
            for step in 0..steps.unwrap_or(STEPS) {
                let issued = Balances::total_issuance();
                let who = numbers.one_of(&PEOPLE);
                let call = random_call(&mut numbers, who);
                done += u32::from(dispatch(who, call.clone()).is_ok());
                assert!(Balances::total_issuance() <= issued, "{step}: {call:?} created TAO");
                if numbers.below(3) == 0 {
                    blocks(1);
                    System::reset_events();
                    assert_eq!(TotalIssuance::<Runtime>::get(), Balances::total_issuance());
                }
                let after = format!("{step}: {who} {call:?}");
                check(&after);
                if step % STEPS_PER_SUM == 0 {
                    check_share_pools(&after);
                }
            }
            assert!(done > STEPS / 3, "only {done} calls succeeded");
        },
    );
}

fn random_call(numbers: &mut Numbers, who: &str) -> Call<Runtime> {
    let hotkey = numbers.one_of(&HOTKEYS);
    let (netuid, other) = (numbers.one_of(&NETUIDS), numbers.one_of(&NETUIDS));
    let held = staked(who, hotkey, netuid);
    let part = numbers.below(held + 2);
    let alpha = AlphaBalance::new(if numbers.below(4) == 0 { held } else { part });
    match numbers.below(8) {
        0..3 => add_stake(hotkey, netuid, numbers.below(100 * TAO)),
        3 => remove_stake(hotkey, netuid, alpha.get()),
        4 => Call::remove_stake_limit {
            hotkey: account(hotkey),
            netuid,
            amount_unstaked: alpha,
            limit_price: TaoBalance::new(numbers.below(TAO)),
            allow_partial: true,
        },
        5 => Call::move_stake {
            origin_hotkey: account(hotkey),
            destination_hotkey: account(numbers.one_of(&HOTKEYS)),
            origin_netuid: netuid,
            destination_netuid: other,
            alpha_amount: alpha,
        },
        6 => Call::transfer_stake {
            destination_coldkey: account(numbers.one_of(&PEOPLE)),
            hotkey: account(hotkey),
            origin_netuid: netuid,
            destination_netuid: other,
            alpha_amount: alpha,
        },
        _ => Call::burned_register { netuid: DEV, hotkey: account(&format!("{who}.{}", numbers.below(50))) },
    }
}

/// What must hold in every state of the reserves.
fn check(after: &str) {
    let mut reserves = 0;
    for netuid in NETUIDS {
        let reserve = SubnetTAO::<Runtime>::get(netuid).get();
        let held = Balances::free_balance(SubtensorModule::subnet_account(netuid)).get();
        assert_eq!(held, reserve + EXISTENTIAL_DEPOSIT_RAO, "{after}: the account of {netuid}");
        reserves += reserve;
        let alpha = |item: AlphaBalance| item.get();
        let owed = alpha(TotalAlphaStaked::<Runtime>::get(netuid))
            + alpha(SubnetProtocolAlpha::<Runtime>::get(netuid))
            + alpha(PendingServerEmission::<Runtime>::get(netuid))
            + alpha(PendingValidatorEmission::<Runtime>::get(netuid))
            + alpha(PendingRootAlphaDivs::<Runtime>::get(netuid))
            + alpha(PendingOwnerCut::<Runtime>::get(netuid));
        let out = alpha(SubnetAlphaOut::<Runtime>::get(netuid));
        assert!(owed <= out, "{after}: {owed} of {out} alpha on {netuid}");
    }
    assert_eq!(TotalStake::<Runtime>::get().get(), reserves, "{after}");
}

/// A pool's parts make its whole, but for less than a rao each; the pools make a subnet's stake.
fn check_share_pools(after: &str) {
    let mut parts = BTreeMap::<(AccountId32, NetUid), (u64, u64)>::new();
    for (hotkey, coldkey, netuid) in AlphaV2::<Runtime>::iter_keys() {
        let part = SubtensorModule::stake_of(&hotkey, &coldkey, netuid).get();
        let (sum, count) = parts.entry((hotkey, netuid)).or_default();
        (*sum, *count) = (*sum + part, *count + 1);
    }
    let mut totals = BTreeMap::<NetUid, u64>::new();
    for (hotkey, netuid, whole) in TotalHotkeyAlpha::<Runtime>::iter() {
        let (sum, count) = parts.get(&(hotkey, netuid)).copied().unwrap_or_default();
        assert!(sum <= whole.get() && whole.get() - sum <= count, "{after}: {sum} of {whole} on {netuid}");
        *totals.entry(netuid).or_default() += whole.get();
    }
    for (netuid, total) in totals {
        assert_eq!(TotalAlphaStaked::<Runtime>::get(netuid).get(), total, "{after}: {netuid}");
    }
}

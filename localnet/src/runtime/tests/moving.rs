//! Moving stake between keys and subnets.

use frame_support::assert_ok;

use super::*;
use crate::runtime::{subtensor::TransferToggle, swap};

const POOL: Pool = Pool { tao_rao: 50_000 * TAO, alpha_rao: 50_000 * TAO };

fn two_subnets(test: impl FnOnce()) {
    world(
        |genesis| genesis.subnets.push(other_subnet(genesis, POOL)),
        || {
            assert_ok!(dispatch("Bob", add_stake("Bob.v", DEV, 100 * TAO)));
            test();
        },
    );
}

fn move_stake(to_hotkey: &str, to_netuid: NetUid, alpha: u64) -> Call<Runtime> {
    Call::move_stake {
        origin_hotkey: account("Bob.v"),
        destination_hotkey: account(to_hotkey),
        origin_netuid: DEV,
        destination_netuid: to_netuid,
        alpha_amount: AlphaBalance::new(alpha),
    }
}

fn transfer(to: &str, to_netuid: NetUid, alpha: u64) -> Call<Runtime> {
    Call::transfer_stake {
        destination_coldkey: account(to),
        hotkey: account("Bob.v"),
        origin_netuid: DEV,
        destination_netuid: to_netuid,
        alpha_amount: AlphaBalance::new(alpha),
    }
}

fn swap_limited(alpha: u64, limit: u64, partial: bool) -> Call<Runtime> {
    Call::swap_stake_limit {
        hotkey: account("Bob.v"),
        origin_netuid: DEV,
        destination_netuid: OTHER,
        alpha_amount: AlphaBalance::new(alpha),
        limit_price: TaoBalance::new(limit),
        allow_partial: partial,
    }
}

#[test]
fn within_a_subnet_stake_moves_whole_and_without_a_trade() {
    two_subnets(|| {
        let (alpha, price) = (staked("Bob", "Bob.v", DEV), SubtensorModule::alpha_price_rao(DEV));
        assert_ok!(dispatch("Bob", move_stake("Bob.m", DEV, alpha / 4)));
        assert_eq!(
            (staked("Bob", "Bob.v", DEV), staked("Bob", "Bob.m", DEV)),
            (alpha - alpha / 4, alpha / 4)
        );
        assert_eq!(SubtensorModule::alpha_price_rao(DEV), price);
        let worth = SubtensorModule::worth(DEV, AlphaBalance::new(alpha / 4));
        let moved = Event::StakeMoved(account("Bob"), account("Bob.v"), DEV, account("Bob.m"), DEV, worth);
        assert_eq!(events().last(), Some(&moved));
        fails("Bob", move_stake("Bob.v", DEV, alpha), Error::SameNetuid);
        fails("Bob", move_stake("Bob.m", DEV, 1), Error::AmountTooLow);
    });
}

#[test]
fn across_subnets_stake_is_sold_and_bought_and_pays_one_fee() {
    two_subnets(|| {
        let alpha = staked("Bob", "Bob.v", DEV);
        let before = free("Bob");
        assert_ok!(dispatch("Bob", move_stake("Bob.v", OTHER, alpha)));
        assert_eq!(free("Bob"), before, "no TAO is left over");
        let arrived = staked("Bob", "Bob.v", OTHER);
        // 100 TAO, less two fees, at a price of one.
        assert!((99 * TAO..100 * TAO).contains(&arrived), "{arrived}");
        let fees: Vec<u64> = events()
            .iter()
            .filter_map(|event| match event {
                Event::StakeAdded(.., fee) | Event::StakeRemoved(.., fee) => Some(*fee),
                _ => None,
            })
            .collect();
        assert!(fees[0] > 0 && fees[1] > 0 && fees[2] == 0, "{fees:?}");
    });
}

#[test]
fn stake_from_root_pays_the_fee_where_it_arrives() {
    two_subnets(|| {
        assert_ok!(dispatch("Bob", add_stake("Bob.v", NetUid::ROOT, 10 * TAO)));
        let swap = Call::swap_stake {
            hotkey: account("Bob.v"),
            origin_netuid: NetUid::ROOT,
            destination_netuid: OTHER,
            alpha_amount: AlphaBalance::new(10 * TAO),
        };
        assert_ok!(dispatch("Bob", swap));
        let added = events().into_iter().rev().find_map(|event| match event {
            Event::StakeAdded(_, _, tao, _, netuid, fee) => Some((tao.get(), netuid, fee > 0)),
            _ => None,
        });
        assert_eq!(added, Some((10 * TAO, OTHER, true)));
    });
}

#[test]
fn stake_moves_to_another_coldkey_unless_the_subnet_forbids_it() {
    two_subnets(|| {
        let alpha = staked("Bob", "Bob.v", DEV);
        assert_ok!(dispatch("Bob", transfer("Dave", DEV, alpha / 2)));
        assert_eq!(staked("Dave", "Bob.v", DEV), alpha / 2);
        assert!(subtensor::Delegates::<Runtime>::contains_key(account("Bob.v")));
        // To somebody who has nothing at all, through the pools of two subnets.
        assert_ok!(dispatch("Bob", transfer("newcomer", OTHER, alpha / 4)));
        assert!(staked("newcomer", "Bob.v", OTHER) > 24 * TAO);
        TransferToggle::<Runtime>::insert(DEV, false);
        fails("Bob", transfer("Dave", OTHER, alpha / 8), Error::TransferDisallowed);
        assert_ok!(dispatch("Bob", move_stake("Bob.m", OTHER, alpha / 8)));
    });
}

#[test]
fn a_limited_swap_is_whole_or_as_much_as_the_prices_allow() {
    two_subnets(|| {
        assert_ok!(dispatch("Bob", add_stake("Bob.v", DEV, 20_000 * TAO)));
        let alpha = staked("Bob", "Bob.v", DEV);
        let ratio = |netuid| u128::from(SubtensorModule::alpha_price_rao(netuid));
        let price = u64::try_from(ratio(DEV) * u128::from(TAO) / ratio(OTHER)).unwrap();
        fails("Bob", swap_limited(alpha, price + TAO, true), swap::Error::<Runtime>::PriceLimitExceeded);
        fails("Bob", swap_limited(alpha, price - price / 50, false), Error::SlippageTooHigh);
        assert_ok!(dispatch("Bob", swap_limited(alpha, price - price / 50, true)));
        let (left, arrived) = (staked("Bob", "Bob.v", DEV), staked("Bob", "Bob.v", OTHER));
        assert!(left > 0 && arrived > 0, "{left} {arrived}");
        // What moved got at least the limit, but for the fee of 0.05 %.
        let got = u128::from(arrived) * u128::from(TAO) / u128::from(alpha - left);
        assert!(got >= u128::from(price - price / 50) * 999 / 1_000, "{got} of {price}");
    });
}

#[test]
fn moving_says_what_is_wrong_in_the_order_of_the_real_chain() {
    two_subnets(|| {
        fails("Bob", move_stake("Bob.m", NetUid::new(9), TAO), Error::SubnetNotExists);
        fails("Bob", move_stake("nobody", OTHER, TAO), Error::HotKeyAccountNotExists);
        fails("Dave", move_stake("Bob.m", OTHER, TAO), Error::AmountTooLow);
        fails("Bob", move_stake("Bob.m", OTHER, 3_000_000), Error::AmountTooLow);
        assert_ok!(dispatch("Bob", transfer("Dave", OTHER, 3_000_000)));
    });
}

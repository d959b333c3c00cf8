//! Buying and selling stake through a pool.

use frame_support::assert_ok;
use sp_runtime::traits::Dispatchable as _;

use super::*;
use crate::runtime::{
    apis::{simulated_buy, simulated_sale},
    subtensor::{SubnetTAO, SubtokenEnabled},
    swap,
};

fn add_limited(rao: u64, limit: u64, partial: bool) -> Call<Runtime> {
    Call::add_stake_limit {
        hotkey: account("Bob.v"),
        netuid: DEV,
        amount_staked: TaoBalance::new(rao),
        limit_price: TaoBalance::new(limit),
        allow_partial: partial,
    }
}

fn remove_limited(alpha: u64, limit: u64, partial: bool) -> Call<Runtime> {
    Call::remove_stake_limit {
        hotkey: account("Bob.v"),
        netuid: DEV,
        amount_unstaked: AlphaBalance::new(alpha),
        limit_price: TaoBalance::new(limit),
        allow_partial: partial,
    }
}

#[test]
fn a_stake_costs_its_tao_and_gets_what_the_simulation_says() {
    world(
        |_| {},
        || {
            let simulated = simulated_buy::<Runtime>(DEV, TaoBalance::new(100 * TAO));
            let before = free("Bob");
            assert_ok!(dispatch("Bob", add_stake("Bob.v", DEV, 100 * TAO)));
            assert_eq!(before - free("Bob"), 100 * TAO);
            assert_eq!(staked("Bob", "Bob.v", DEV), simulated.alpha_amount.get());
            assert_eq!(simulated.tao_fee.get(), 50_354_772, "33 of 65535 parts");
            assert_eq!(simulated.alpha_amount.get(), 199_699_691_323);
            // Without slippage 99.949645228 TAO would buy 199.899290456 alpha.
            assert_eq!(simulated.alpha_slippage.get(), 199_899_290_456 - 199_699_691_323);
            assert_eq!(
                events().last(),
                Some(&Event::StakeAdded(
                    account("Bob"),
                    account("Bob.v"),
                    TaoBalance::new(100 * TAO),
                    simulated.alpha_amount,
                    DEV,
                    50_354_772
                ))
            );
        },
    );
}

#[test]
fn a_sale_pays_what_the_simulation_says_and_moves_the_price_back() {
    world(
        |_| {},
        || {
            let price = SubtensorModule::alpha_price_rao(DEV);
            assert_ok!(dispatch("Bob", add_stake("Bob.v", DEV, 1_000 * TAO)));
            let dearer = SubtensorModule::alpha_price_rao(DEV);
            assert!(dearer > price);
            let alpha = staked("Bob", "Bob.v", DEV);
            let simulated = simulated_sale::<Runtime>(DEV, AlphaBalance::new(alpha));
            let before = free("Bob");
            assert_ok!(dispatch("Bob", remove_stake("Bob.v", DEV, alpha)));
            assert_eq!(free("Bob") - before, simulated.tao_amount.get());
            assert_eq!(staked("Bob", "Bob.v", DEV), 0);
            let lost = 1_000 * TAO - simulated.tao_amount.get();
            // Two fees of 0.05 %.
            assert!((TAO..1_010 * TAO / 1_000).contains(&lost), "{lost}");
            assert!(SubtensorModule::alpha_price_rao(DEV).abs_diff(price) < price / 1_000);
            assert_eq!(subtensor::StakingHotkeys::<Runtime>::get(account("Bob")), []);
        },
    );
}

#[test]
fn the_least_stake_is_two_million_rao_and_the_fee_on_it() {
    world(
        |_| {},
        || {
            fails("Bob", add_stake("Bob.v", DEV, 2_001_006), Error::AmountTooLow);
            assert_ok!(dispatch("Bob", add_stake("Bob.v", DEV, 2_001_007)));
            let alpha = staked("Bob", "Bob.v", DEV);
            fails("Bob", remove_stake("Bob.v", DEV, alpha - 1), Error::AmountTooLow);
            assert_ok!(dispatch("Bob", remove_stake("Bob.v", DEV, alpha)));
        },
    );
}

#[test]
fn staking_says_what_is_wrong_in_the_order_of_the_real_chain() {
    world(
        |_| {},
        || {
            fails("Bob", add_stake("nobody", NetUid::new(9), 1), Error::SubnetNotExists);
            SubtokenEnabled::<Runtime>::insert(DEV, false);
            fails("Bob", add_stake("nobody", DEV, 1), Error::SubtokenDisabled);
            SubtokenEnabled::<Runtime>::insert(DEV, true);
            fails("Dave", add_stake("nobody", DEV, 1), Error::AmountTooLow);
            fails("Dave", add_stake("nobody", DEV, 3_000 * TAO), Error::NotEnoughBalanceToStake);
            fails("Dave", add_stake("nobody", DEV, TAO), Error::HotKeyAccountNotExists);

            fails("Bob", remove_stake("nobody", NetUid::new(9), 0), Error::SubnetNotExists);
            fails("Bob", remove_stake("nobody", DEV, 0), Error::AmountTooLow);
            fails("Bob", remove_stake("nobody", DEV, 1), Error::NotEnoughStakeToWithdraw);
        },
    );
}

#[test]
fn a_pool_with_too_little_gives_nothing() {
    world(
        |genesis| genesis.subnets[0].pool = Some(Pool { tao_rao: TAO, alpha_rao: 999_999 }),
        || fails("Bob", add_stake("Bob.v", DEV, TAO), Error::InsufficientLiquidity),
    );
}

#[test]
fn a_limited_purchase_is_whole_or_as_much_as_the_price_allows() {
    world(
        |_| {},
        || {
            let limit = TAO / 2 + TAO / 200;
            fails("Bob", add_limited(10_000 * TAO, limit, false), Error::SlippageTooHigh);
            let before = free("Bob");
            assert_ok!(dispatch("Bob", add_limited(10_000 * TAO, limit, true)));
            let paid = before - free("Bob");
            // The price rises by 1 % when the TAO reserve rises by 0.4988 %.
            assert!((498 * TAO..500 * TAO).contains(&paid), "{paid}");
            let price = SubtensorModule::alpha_price_rao(DEV);
            assert!(price.abs_diff(limit) <= 1, "{price}");
            // Now nothing is left within that limit.
            fails(
                "Bob",
                add_limited(TAO, limit - TAO / 200, true),
                swap::Error::<Runtime>::PriceLimitExceeded,
            );
            assert_ok!(dispatch("Bob", add_limited(TAO, limit + TAO / 10, false)));
        },
    );
}

#[test]
fn a_limited_sale_is_whole_or_as_much_as_the_price_allows() {
    world(
        |_| {},
        || {
            assert_ok!(dispatch("Bob", add_stake("Bob.v", DEV, 10_000 * TAO)));
            let (alpha, price) = (staked("Bob", "Bob.v", DEV), SubtensorModule::alpha_price_rao(DEV));
            let limit = price - price / 100;
            fails("Bob", remove_limited(alpha, limit, false), Error::SlippageTooHigh);
            assert_ok!(dispatch("Bob", remove_limited(alpha, limit, true)));
            assert!(SubtensorModule::alpha_price_rao(DEV).abs_diff(limit) <= 1);
            assert!(staked("Bob", "Bob.v", DEV) > alpha * 9 / 10);
            fails("Bob", remove_limited(TAO, price, true), swap::Error::<Runtime>::PriceLimitExceeded);
            let full = |limit_price| Call::remove_stake_full_limit {
                hotkey: account("Bob.v"),
                netuid: DEV,
                limit_price,
            };
            fails("Bob", full(Some(TaoBalance::new(limit - 1))), Error::SlippageTooHigh);
            assert_ok!(dispatch("Bob", full(None)));
            assert_eq!(staked("Bob", "Bob.v", DEV), 0);
        },
    );
}

#[test]
fn everything_is_unstaked_at_once_or_turned_into_root_stake() {
    let pool = Pool { tao_rao: 1_000 * TAO, alpha_rao: 5_000 * TAO };
    world(
        |genesis| genesis.subnets.push(other_subnet(genesis, pool)),
        || {
            let hotkey = account("Bob.v");
            fails("Bob", Call::unstake_all { hotkey: account("nobody") }, Error::HotKeyAccountNotExists);
            for netuid in [NetUid::ROOT, OTHER, DEV] {
                assert_ok!(dispatch("Bob", add_stake("Bob.v", netuid, 10 * TAO)));
            }
            assert_ok!(dispatch("Bob", Call::unstake_all_alpha { hotkey: hotkey.clone() }));
            assert_eq!((staked("Bob", "Bob.v", OTHER), staked("Bob", "Bob.v", DEV)), (0, 0));
            let root = staked("Bob", "Bob.v", NetUid::ROOT);
            assert!((29_900_000_000..30 * TAO).contains(&root), "{root}");
            let before = free("Bob");
            assert_ok!(dispatch("Bob", Call::unstake_all { hotkey }));
            assert_eq!(free("Bob") - before, root);
        },
    );
}

#[test]
fn on_root_one_tao_is_one_tao() {
    world(
        |_| {},
        || {
            assert_ok!(dispatch("Bob", add_stake("Bob.v", NetUid::ROOT, 10 * TAO)));
            assert_eq!(staked("Bob", "Bob.v", NetUid::ROOT), 10 * TAO);
            let before = free("Bob");
            assert_ok!(dispatch("Bob", remove_stake("Bob.v", NetUid::ROOT, 10 * TAO)));
            assert_eq!(free("Bob") - before, 10 * TAO);
            assert_eq!(SubtensorModule::alpha_price_rao(NetUid::ROOT), TAO);
        },
    );
}

#[test]
fn only_root_and_the_owner_set_a_pools_fee() {
    world(
        |_| {},
        || {
            let set = |who: RuntimeOrigin, rate: u16| {
                let call = swap::Call::set_fee_rate { netuid: DEV, rate };
                RuntimeCall::Swap(call).dispatch(who).map(|_| ()).map_err(|error| error.error)
            };
            let signed = |who: &str| RuntimeOrigin::signed(account(who));
            assert_eq!(set(signed("Bob"), 0), Err(DispatchError::BadOrigin));
            assert_eq!(set(signed("Alice"), 10_001), Err(swap::Error::<Runtime>::FeeRateTooHigh.into()));
            assert_ok!(set(signed("Alice"), 655));
            let fee = simulated_buy::<Runtime>(DEV, TaoBalance::new(100 * TAO)).tao_fee.get();
            assert!(fee.abs_diff(TAO) < TAO / 1_000, "{fee}");
            assert_ok!(set(RuntimeOrigin::root(), 0));
            assert_eq!(simulated_buy::<Runtime>(DEV, TaoBalance::new(TAO)).tao_fee.get(), 0);
        },
    );
}

#[test]
fn each_block_puts_its_tao_into_the_pools_and_the_averages_follow_the_price() {
    world(
        |_| {},
        || {
            let (tao, price) = (SubnetTAO::<Runtime>::get(DEV).get(), SubtensorModule::alpha_price_rao(DEV));
            let issued = Balances::total_issuance().get();
            let average = subtensor::SubnetMovingPrice::<Runtime>::get(DEV);
            blocks(10);
            // Nothing is staked on root, so none of it may join as liquidity: all of it buys alpha.
            assert_eq!(SubnetTAO::<Runtime>::get(DEV).get() - tao, 10 * TAO);
            assert_eq!(Balances::total_issuance().get() - issued, 10 * TAO);
            assert_eq!(subtensor::TotalIssuance::<Runtime>::get().get(), issued + 10 * TAO);
            assert_eq!(subtensor::SubnetExcessTao::<Runtime>::get(DEV).get(), TAO);
            assert!(subtensor::SubnetProtocolAlpha::<Runtime>::get(DEV).get() > 19 * TAO);
            assert!(SubtensorModule::alpha_price_rao(DEV) > price);
            assert!(subtensor::SubnetMovingPrice::<Runtime>::get(DEV) >= average);
            assert!(subtensor::SubnetFastMovingPrice::<Runtime>::get(DEV).is_some());
        },
    );
}

#[test]
fn with_tao_on_root_a_part_of_the_emission_joins_the_pool_at_its_price() {
    world(
        |_| {},
        || {
            assert_ok!(dispatch("Bob", add_stake("Bob.v", NetUid::ROOT, 500_000 * TAO)));
            let price = SubtensorModule::alpha_price_rao(DEV);
            blocks(1);
            let tao = subtensor::SubnetTaoInEmission::<Runtime>::get(DEV).get();
            let alpha = subtensor::SubnetAlphaInEmission::<Runtime>::get(DEV).get();
            let excess = subtensor::SubnetExcessTao::<Runtime>::get(DEV).get();
            assert!(tao > 0 && alpha > 0, "{tao} {alpha}");
            assert_eq!(tao + excess, TAO);
            assert!(u128::from(tao) * u128::from(TAO) / u128::from(alpha) <= u128::from(price) + 10);
            // 26,339 of 226,340 parts: root's TAO by its weight, and that with the subnet's alpha.
            assert!(alpha.abs_diff(TAO * 26_339 / 226_340) < TAO / 1_000, "{alpha}");
        },
    );
}

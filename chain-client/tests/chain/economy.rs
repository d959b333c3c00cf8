//! Prices, pools, yields, stakes and quotes.

use crate::support::{NETUID, TAO, VALIDATOR, World, account, key};
use crate::weights::Setting;

#[tokio::test]
async fn a_subnets_market_is_read_at_one_block() {
    let world = World::with_validator(|_| {}).await;
    let head = world.chain.finalized().await.unwrap();
    let economy = world.chain.economy(NETUID, head).await.unwrap();
    assert_eq!((economy.netuid, economy.block), (NETUID, head));
    assert!(economy.price_rao > 0 && !economy.symbol.is_empty(), "{economy:?}");
    assert!(economy.pool_tao_rao >= 1_000 * TAO && economy.alpha_out_rao >= 1_000 * TAO, "{economy:?}");
    let block = world.chain.add_stake(&key("//Bob"), &account(VALIDATOR), NETUID, 10 * TAO).await.unwrap();
    let later = world.chain.economy(NETUID, block).await.unwrap();
    assert!(
        later.pool_tao_rao > economy.pool_tao_rao && later.alpha_out_rao > economy.alpha_out_rao,
        "{later:?}"
    );
    assert_eq!(later.emission_share_ppm(), 1_000_000, "the only subnet gets all that is emitted: {later:?}");
    assert_eq!(world.chain.economy(NETUID, head).await.unwrap(), economy, "the past does not change");
}

#[tokio::test]
async fn a_quote_is_what_staking_then_gives() {
    let world = World::with_validator(|_| {}).await;
    let head = world.chain.finalized().await.unwrap();
    let quote = world.chain.quote_stake(NETUID, 10 * TAO, head).await.unwrap();
    assert!(quote.alpha_rao > 0 && quote.tao_rao <= 10 * TAO, "{quote:?}");
    let block = world.chain.add_stake(&key("//Bob"), &account(VALIDATOR), NETUID, 10 * TAO).await.unwrap();
    let positions = world.chain.stake_positions(&account("//Bob"), block).await.unwrap();
    let [position] = &positions[..] else { panic!("{positions:?}") };
    assert_eq!(
        (position.hotkey, position.netuid, position.is_registered),
        (account(VALIDATOR), NETUID, true)
    );
    let (given, quoted) = (position.stake_rao, quote.alpha_rao);
    assert!(given.abs_diff(quoted) <= quoted / 1_000, "quoted {quoted}, given {given}");
    let back = world.chain.quote_unstake(NETUID, given, block).await.unwrap();
    assert!(back.tao_rao > 0 && back.tao_rao <= 10 * TAO + TAO / 100, "{back:?}");
}

#[tokio::test]
async fn dividends_of_an_epoch_become_a_yield() {
    let world = World::with_validator(|_| {}).await;
    world.chain.add_stake(&key("//Bob"), &account(VALIDATOR), NETUID, 10 * TAO).await.unwrap();
    Setting::of(&world.chain, VALIDATOR).await.land(&[(1, 1.0)]).await;
    let tempo = localnet::Genesis::default().subnets[0].tempo_blocks;
    world.localnet.produce_blocks(u32::from(tempo) * 2).await.unwrap();
    let head = world.chain.finalized().await.unwrap();
    let inputs = world.chain.yield_inputs(NETUID, &account(VALIDATOR), head).await.unwrap();
    assert!(inputs.dividends_rao > 0 && inputs.stake_rao > 1_000 * TAO, "{inputs:?}");
    assert_eq!((inputs.tempo, inputs.take), (tempo, 11_796), "the chain's default take is 18 %");
    // Few stakers share what a subnet pays here, and often: at that pace a year has no number.
    assert_eq!(inputs.percent_per_year(), None);
    let stake_rao = inputs.stake_rao * 1_000;
    let real = chain_client::YieldInputs { tempo: 360, block_time_ms: 12_000, stake_rao, ..inputs };
    assert!(real.percent_per_year().is_some_and(|percent| percent > 0.0), "{real:?}");
}

#[tokio::test]
async fn a_subnet_that_does_not_exist_has_no_economy() {
    let world = World::instant().await;
    let head = world.chain.finalized().await.unwrap();
    assert!(world.chain.economy(NETUID + 1, head).await.is_err());
    assert!(world.chain.quote_stake(NETUID + 1, TAO, head).await.is_err());
    assert!(world.chain.yield_inputs(NETUID + 1, &account("//Bob"), head).await.is_err());
    assert!(world.chain.rules(NETUID + 1, head).await.is_err());
}

#[tokio::test]
async fn a_subnets_standing_and_all_its_validators_yields_are_read_together() {
    let world = World::with_validator(|_| {}).await;
    let head = world.chain.finalized().await.unwrap();
    let standing = world.chain.emission_standing(NETUID, head).await.unwrap();
    assert!(standing.subnets >= 1 && (1..=standing.subnets).contains(&standing.rank), "{standing:?}");
    assert_eq!(
        (standing.owner_cut_ppm, standing.emission_enabled),
        (179_995, true),
        "18 % as the chain keeps it"
    );
    assert!(world.chain.emission_standing(NETUID + 1, head).await.is_err());

    let (validator, bob) = (account(VALIDATOR), account("//Bob"));
    let yields = world.chain.yields(NETUID, &[bob, validator], head).await.unwrap();
    assert_eq!(yields[1], world.chain.yield_inputs(NETUID, &validator, head).await.unwrap());
    assert_eq!((yields.len(), yields[0].stake_rao), (2, 0));
}

//! Staking and taking stake back.

use localnet::runtime::{Runtime, numbers::NetUid, subtensor::SubnetEmissionEnabled};
use serde_json::json;
use subxt::ext::scale_decode::DecodeAsType;

use crate::client::{Client, NETUID, Outcome, TAO, account, key, number};

#[derive(Debug, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
struct StakeInfo {
    netuid: u16,
    stake: u64,
    is_registered: bool,
}

async fn stakes(client: &Client, coldkey: &str) -> Vec<StakeInfo> {
    client.runtime("StakeInfoRuntimeApi", "get_stake_info_for_coldkey", vec![account(&key(coldkey))]).await
}

#[derive(Debug, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
struct Simulated {
    tao_amount: u64,
    alpha_amount: u64,
    tao_fee: u64,
    alpha_fee: u64,
}

#[tokio::test]
async fn stake_is_bought_and_sold_for_what_the_simulation_says() {
    let client = Client::instant().await;
    let (bob, hot) = (key("//Bob"), key("//Bob//hot"));
    client.register(&bob, &hot).await;
    // The pool moves with every block, so the simulation must see the block that comes.
    client.rpc("dev_setStorage", stopped_emission()).await.unwrap();
    let simulated: Simulated = client
        .runtime("SwapRuntimeApi", "sim_swap_tao_for_alpha", vec![number(NETUID), number(50 * TAO)])
        .await;
    assert_eq!((simulated.tao_amount + simulated.tao_fee, simulated.alpha_fee), (50 * TAO, 0));
    let before = client.balance(&bob).await;
    assert_eq!(client.stake(&bob, &hot, 50).await, Outcome::Success);
    let paid = before - client.balance(&bob).await;
    assert!((50 * TAO..51 * TAO).contains(&paid), "{paid}");
    let staked = stakes(&client, "//Bob").await;
    let bought = staked[0].stake;
    assert_eq!((staked[0].netuid, bought, staked[0].is_registered), (NETUID, simulated.alpha_amount, true));

    let simulated: Simulated = client
        .runtime("SwapRuntimeApi", "sim_swap_alpha_for_tao", vec![number(NETUID), number(bought / 2)])
        .await;
    let before = client.balance(&bob).await;
    let half = vec![account(&hot), number(NETUID), number(bought / 2)];
    client.succeed("SubtensorModule", "remove_stake", half, &bob).await;
    let gained = client.balance(&bob).await - before;
    assert!(
        gained.abs_diff(simulated.tao_amount) < TAO / 100,
        "{gained}: only the transaction's fee is missing"
    );
    assert_eq!(stakes(&client, "//Bob").await[0].stake, bought - bought / 2);
    let refused = |code: u8| Outcome::Refused(1010, format!("Custom error: {code}"));
    let more = vec![account(&hot), number(NETUID), number(bought)];
    assert_eq!(client.submit("SubtensorModule", "remove_stake", more, &bob).await, refused(5));
}

/// What switches the TAO that each block puts into the dev subnet's pool off.
fn stopped_emission() -> serde_json::Value {
    let key = SubnetEmissionEnabled::<Runtime>::hashed_key_for(NetUid::new(NETUID));
    json!([[[format!("0x{}", hex::encode(key)), "0x00"]]])
}

#[tokio::test]
async fn the_pool_refuses_stakes_with_the_codes_of_the_real_chain() {
    let client = Client::instant().await;
    let (dave, hot) = (key("//Dave"), key("//Dave//hot"));
    client.register(&dave, &hot).await;
    let refused = |code: u8| Outcome::Refused(1010, format!("Custom error: {code}"));
    let stake = |netuid: u16, rao: u64, hotkey: &str| {
        let arguments = vec![account(&key(hotkey)), number(netuid), number(rao)];
        client.submit("SubtensorModule", "add_stake", arguments, &dave)
    };
    assert_eq!(stake(NETUID, 1_999_999, "//Dave//hot").await, refused(1));
    assert_eq!(stake(NETUID, 1_000_000 * TAO, "//Dave//hot").await, refused(2));
    assert_eq!(stake(9, TAO, "//Dave//hot").await, refused(3));
    assert_eq!(stake(NETUID, TAO, "//nobody").await, refused(4));
    let limited = |rao: u64, limit: u64| {
        let partial = subxt::dynamic::Value::bool(false);
        let arguments = vec![account(&hot), number(NETUID), number(rao), number(limit), partial];
        client.submit("SubtensorModule", "add_stake_limit", arguments, &dave)
    };
    assert_eq!(limited(100 * TAO, TAO / 2 + TAO / 1_000).await, refused(8));
    assert_eq!(limited(TAO, TAO / 2 - 1).await, refused(14));
}

#[tokio::test]
async fn stakers_share_a_hotkeys_dividends_by_their_stake() {
    let client = Client::instant().await;
    let (bob, charlie, hot) = (key("//Bob"), key("//Charlie"), key("//Bob//hot"));
    client.register(&bob, &hot).await;
    client.stake(&bob, &hot, 100).await;
    client.stake(&charlie, &hot, 300).await;
    let staked = async |who: &str| stakes(&client, who).await[0].stake;
    let (bobs_first, charlies_first) = (staked("//Bob").await, staked("//Charlie").await);
    client.blocks(20).await;
    let (bobs, charlies) = (staked("//Bob").await - bobs_first, staked("//Charlie").await - charlies_first);
    // The owner of the hotkey takes 18 %, stakes it, and all share the rest.
    let total = bobs + charlies;
    let take = total * 18 / 100;
    let expected = u128::from(total - take) * u128::from(charlies_first)
        / u128::from(bobs_first + charlies_first + take);
    let expected = u64::try_from(expected).unwrap();
    assert!(total > 0);
    assert!(charlies.abs_diff(expected) < total / 1_000, "{charlies} of {total}, not {expected}");
}

//! Staking and taking stake back.

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

#[tokio::test]
async fn stake_is_bought_one_to_one_and_can_be_sold_back() {
    let client = Client::instant().await;
    let (bob, hot) = (key("//Bob"), key("//Bob//hot"));
    client.register(&bob, &hot).await;
    let before = client.balance(&bob).await;
    assert_eq!(client.stake(&bob, &hot, 50).await, Outcome::Success);
    assert!(before - client.balance(&bob).await >= 50 * TAO);
    let staked = stakes(&client, "//Bob").await;
    assert_eq!((staked[0].netuid, staked[0].stake, staked[0].is_registered), (NETUID, 50 * TAO, true));

    let half = vec![account(&hot), number(NETUID), number(25 * TAO)];
    client.succeed("SubtensorModule", "remove_stake", half, &bob).await;
    assert_eq!(stakes(&client, "//Bob").await[0].stake, 25 * TAO);
    let refused = |code: u8| Outcome::Refused(1010, format!("Custom error: {code}"));
    let more = vec![account(&hot), number(NETUID), number(26 * TAO)];
    assert_eq!(client.submit("SubtensorModule", "remove_stake", more, &bob).await, refused(5));
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
    let dear =
        vec![account(&hot), number(NETUID), number(TAO), number(TAO - 1), subxt::dynamic::Value::bool(false)];
    assert_eq!(client.submit("SubtensorModule", "add_stake_limit", dear, &dave).await, refused(8));
}

#[tokio::test]
async fn stakers_share_a_hotkeys_dividends_by_their_stake() {
    let client = Client::instant().await;
    let (bob, charlie, hot) = (key("//Bob"), key("//Charlie"), key("//Bob//hot"));
    client.register(&bob, &hot).await;
    client.stake(&bob, &hot, 100).await;
    client.stake(&charlie, &hot, 300).await;
    client.blocks(20).await;
    let (bobs, charlies) =
        (stakes(&client, "//Bob").await[0].stake, stakes(&client, "//Charlie").await[0].stake);
    let (bobs, charlies) = (bobs - 100 * TAO, charlies - 300 * TAO);
    // The owner of the hotkey takes 18 %, stakes it, and all share the rest.
    let total = bobs + charlies;
    let take = total * 18 / 100;
    let expected = u128::from(total - take) * u128::from(300 * TAO) / u128::from(400 * TAO + take);
    let expected = u64::try_from(expected).unwrap();
    assert!(total > 0);
    assert!(charlies.abs_diff(expected) < total / 1_000, "{charlies} of {total}, not {expected}");
}

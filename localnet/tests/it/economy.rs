//! The economy as clients see it: the pool's codes, the reads, and registration by work.

use localnet::runtime::{
    Runtime,
    numbers::NetUid,
    subtensor::{
        Difficulty, MaxRegistrationsPerBlock, NetworkRateLimit,
        calls::work::{Challenge, meets, seal},
    },
};
use parity_scale_codec::Encode as _;
use serde_json::json;
use sp_runtime::AccountId32;
use subxt::{dynamic::Value, ext::scale_decode::DecodeAsType};

use crate::client::{Client, NETUID, Outcome, TAO, account, key, number};

fn refused(code: u8) -> Outcome {
    Outcome::Refused(1010, format!("Custom error: {code}"))
}

/// Writes values under storage keys.
async fn set(client: &Client, items: &[(Vec<u8>, Vec<u8>)]) {
    let hexed = |bytes: &[u8]| format!("0x{}", hex::encode(bytes));
    let items: Vec<[String; 2]> = items.iter().map(|(key, value)| [hexed(key), hexed(value)]).collect();
    client.rpc("dev_setStorage", json!([items])).await.unwrap();
}

#[derive(Debug, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
struct Delegate {
    take: u16,
    nominators: Vec<(subxt::utils::AccountId32, Vec<(u16, u64)>)>,
    registrations: Vec<u16>,
}

#[derive(Debug, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
struct Market {
    tao_in: u64,
    alpha_in: u64,
    alpha_out: u64,
    tao_in_emission: u64,
}

#[tokio::test]
async fn delegates_markets_and_prices_are_told_in_the_shapes_clients_decode() {
    let client = Client::instant().await;
    let (bob, charlie, hot) = (key("//Bob"), key("//Charlie"), key("//Bob//hot"));
    client.register(&bob, &hot).await;
    client.stake(&charlie, &hot, 10).await;
    let delegate: Option<Delegate> =
        client.runtime("DelegateInfoRuntimeApi", "get_delegate", vec![account(&hot)]).await;
    let delegate = delegate.unwrap();
    assert_eq!((delegate.take, delegate.registrations), (11_796, vec![NETUID]));
    assert_eq!(delegate.nominators[0].0, charlie.public_key().to_account_id());
    assert_eq!(delegate.nominators[0].1[0].0, NETUID);

    let market: Option<Market> =
        client.runtime("SubnetInfoRuntimeApi", "get_dynamic_info", vec![number(NETUID)]).await;
    let market = market.unwrap();
    let price: u64 = client.runtime("SwapRuntimeApi", "current_alpha_price", vec![number(NETUID)]).await;
    let expected = u128::from(market.tao_in) * u128::from(TAO) / u128::from(market.alpha_in);
    assert!(u128::from(price).abs_diff(expected) <= 1, "{price}, not {expected}");
    assert!(market.alpha_out > 0 && market.tao_in_emission == 0, "{market:?}");
    let cost: u64 =
        client.runtime("SubnetRegistrationRuntimeApi", "get_network_registration_cost", vec![]).await;
    assert_eq!(cost, 1_000 * TAO);
}

#[tokio::test]
async fn the_pool_refuses_moves_takes_and_subnets_with_the_codes_of_the_real_chain() {
    let client = Client::instant().await;
    let (bob, dave, eve, poor) = (key("//Bob"), key("//Dave"), key("//Eve"), key("//One"));
    let hot = key("//Bob//hot");
    client.register(&bob, &hot).await;
    client.stake(&bob, &hot, 10).await;
    let submit = |call: &'static str, arguments: Vec<Value>, signer| {
        let client = &client;
        async move { client.submit("SubtensorModule", call, arguments, signer).await }
    };
    let swap = |netuid: u16, alpha: u64| vec![account(&hot), number(NETUID), number(netuid), number(alpha)];
    assert_eq!(submit("swap_stake", swap(9, TAO), &bob).await, refused(3));
    assert_eq!(submit("swap_stake", swap(0, 1_000), &bob).await, refused(1));
    assert_eq!(submit("swap_stake", swap(0, TAO), &bob).await, Outcome::Success);
    let nobody = vec![account(&key("//nobody"))];
    assert_eq!(submit("unstake_all", nobody.clone(), &bob).await, refused(4));
    assert_eq!(submit("unstake_all", vec![account(&hot)], &dave).await, refused(1));

    let take = |parts: u16| vec![account(&hot), number(parts)];
    assert_eq!(submit("decrease_take", take(1), &dave).await, refused(25));
    assert_eq!(submit("increase_take", take(11_797), &bob).await, refused(27));
    assert_eq!(submit("decrease_take", take(10), &bob).await, Outcome::Success);
    assert_eq!(submit("increase_take", take(10), &bob).await, refused(26));

    assert_eq!(submit("register_network", vec![account(&key("//Bob//sn"))], &bob).await, Outcome::Success);
    assert_eq!(submit("register_network", vec![account(&key("//Eve//sn"))], &eve).await, refused(6));
    set(&client, &[(NetworkRateLimit::<Runtime>::hashed_key().to_vec(), 0u64.encode())]).await;
    let price: u64 =
        client.runtime("SubnetRegistrationRuntimeApi", "get_network_registration_cost", vec![]).await;
    assert_eq!(price / TAO, 1_999, "twice the last, and one block's decay less");
    client.succeed("Balances", "transfer_keep_alive", gift(&bob, 1_000), &poor).await;
    assert_eq!(submit("register_network", vec![account(&key("//One//sn"))], &poor).await, refused(2));
}

fn gift(to: &subxt_signer::sr25519::Keypair, tao: u64) -> Vec<Value> {
    vec![Value::unnamed_variant("Id", [account(to)]), number(tao * TAO)]
}

#[tokio::test]
async fn work_admits_a_coldkey_that_has_nothing() {
    let client = Client::instant().await;
    let netuid = NetUid::new(NETUID);
    set(
        &client,
        &[
            (Difficulty::<Runtime>::hashed_key_for(netuid), 1_000u64.encode()),
            (MaxRegistrationsPerBlock::<Runtime>::hashed_key_for(netuid), 9u16.encode()),
        ],
    )
    .await;
    let (coldkey, hotkey) = (key("//penniless"), key("//penniless//hot"));
    let best = client.chain.best();
    let (cold, hot) = (AccountId32::new(coldkey.public_key().0), AccountId32::new(hotkey.public_key().0));
    let challenge = Challenge { netuid, block_hash: best.hash(), hotkey: &hot, coldkey: &cold };
    let nonce = (0u64..).find(|nonce| meets(&seal(&challenge, *nonce), 1_000)).unwrap();
    let arguments = |nonce: u64| {
        let work = seal(&challenge, nonce);
        let block = u64::from(best.number());
        vec![number(NETUID), number(block), number(nonce), Value::from_bytes(work), account(&hotkey)]
    };
    let lazy = (0u64..).find(|nonce| !meets(&seal(&challenge, *nonce), 1_000)).unwrap();
    let outcome = client.submit("SubtensorModule", "pow_register", arguments(lazy), &coldkey).await;
    assert_eq!(outcome, refused(255));
    let outcome = client.submit("SubtensorModule", "pow_register", arguments(nonce), &coldkey).await;
    assert_eq!(outcome, Outcome::Success);
    assert_eq!(client.neurons().await[0].hotkey, hotkey.public_key().to_account_id());
    assert_eq!(client.balance(&key("//Bob")).await, 1_000_000 * TAO, "nobody paid anything");
}

//! The chain's own methods, against the runtime APIs behind them.

use localnet::{Config, genesis_file};
use serde_json::{Value as Json, json};

use crate::client::{Client, address, key};

async fn client() -> Client {
    let more =
        "[[subnets.neurons]]\nhotkey = \"//validator\"\ncoldkey = \"//Bob\"\nstake_rao = 1_000_000_000\n";
    let genesis = genesis_file::parse(&format!("{}\n{more}", genesis_file::DEFAULT)).unwrap();
    Client::of(Config { genesis, ..Config::test() }).await
}

/// The bytes `state_call` answers.
async fn call(client: &Client, api: &str, arguments: &str) -> Vec<u8> {
    let answer = client.rpc("state_call", json!([api, arguments])).await.unwrap();
    hex::decode(&answer.as_str().unwrap()[2..]).unwrap()
}

fn bytes(answer: &Json) -> Vec<u8> {
    answer.as_array().unwrap().iter().map(|byte| u8::try_from(byte.as_u64().unwrap()).unwrap()).collect()
}

#[tokio::test]
async fn answers_are_the_bytes_of_the_runtime_apis_as_a_list_of_numbers() {
    let client = client().await;
    let bob = hex::encode(key("//Bob").public_key().0);
    for (method, parameters, api, arguments) in [
        ("neuronInfo_getNeuronsLite", json!([64]), "NeuronInfoRuntimeApi_get_neurons_lite", "0x4000"),
        ("neuronInfo_getNeurons", json!([64]), "NeuronInfoRuntimeApi_get_neurons", "0x4000"),
        ("neuronInfo_getNeuronLite", json!([64, 0]), "NeuronInfoRuntimeApi_get_neuron_lite", "0x40000000"),
        ("neuronInfo_getNeuron", json!([64, 0]), "NeuronInfoRuntimeApi_get_neuron", "0x40000000"),
        ("subnetInfo_getMetagraph", json!([64]), "SubnetInfoRuntimeApi_get_metagraph", "0x4000"),
        ("subnetInfo_getMechagraph", json!([64, 0]), "SubnetInfoRuntimeApi_get_mechagraph", "0x400000"),
        ("subnetInfo_getDynamicInfo", json!([64]), "SubnetInfoRuntimeApi_get_dynamic_info", "0x4000"),
        ("subnetInfo_getAllDynamicInfo", json!([]), "SubnetInfoRuntimeApi_get_all_dynamic_info", "0x"),
        ("swap_currentAlphaPriceAll", json!([]), "SwapRuntimeApi_current_alpha_price_all", "0x"),
        (
            "swap_simSwapTaoForAlpha",
            json!([64, 1_000_000]),
            "SwapRuntimeApi_sim_swap_tao_for_alpha",
            "0x400040420f0000000000",
        ),
        (
            "subnetInfo_getColdkeyAutoStakeHotkey",
            json!([address(&key("//Bob")), 64]),
            "SubnetInfoRuntimeApi_get_coldkey_auto_stake_hotkey",
            &format!("0x{bob}4000"),
        ),
    ] {
        let answer =
            client.rpc(method, parameters.clone()).await.unwrap_or_else(|error| panic!("{method}: {error}"));
        let expected = call(&client, api, arguments).await;
        assert_eq!(bytes(&answer), expected, "{method}");
        assert!(!expected.is_empty(), "{method}");
    }
}

#[tokio::test]
async fn prices_and_costs_are_plain_numbers() {
    let client = client().await;
    let price = client.rpc("swap_currentAlphaPrice", json!([64])).await.unwrap();
    let expected = call(&client, "SwapRuntimeApi_current_alpha_price", "0x4000").await;
    assert_eq!(price, json!(u64::from_le_bytes(expected.try_into().unwrap())));
    let cost = client.rpc("subnetInfo_getLockCost", json!([])).await.unwrap();
    assert!(cost.as_u64().is_some_and(|rao| rao > 0), "{cost}");
    assert!(client.rpc("subnetInfo_getBlockEmission", json!([])).await.unwrap().is_u64());
}

#[tokio::test]
async fn the_last_parameter_is_a_block_and_wrong_ones_are_errors() {
    let client = client().await;
    let genesis = client.rpc("chain_getBlockHash", json!([0])).await.unwrap();
    let before = client.rpc("neuronInfo_getNeuronsLite", json!([64])).await.unwrap();
    client.blocks(1).await;
    client.rpc("dev_snapshot", json!([])).await.unwrap();
    assert_eq!(client.rpc("neuronInfo_getNeuronsLite", json!([64, genesis])).await.unwrap(), before);
    assert!(client.rpc("neuronInfo_getNeuronsLite", json!([])).await.is_err());
    assert!(client.rpc("neuronInfo_getNeuronsLite", json!([65_536])).await.is_err());
    assert!(client.rpc("neuronInfo_getNeuronsLite", json!([64, "0x00"])).await.is_err());
    let answer = client.rpc("neuronInfo_getNeuronLite", json!([64, 9])).await.unwrap();
    assert_eq!(answer, json!([0]), "none");
}

#[tokio::test]
async fn a_method_is_listed_only_if_its_runtime_api_is_there() {
    let client = client().await;
    let methods = client.rpc("rpc_methods", json!([])).await.unwrap();
    for method in methods["methods"].as_array().unwrap() {
        let method = method.as_str().unwrap();
        let own = ["neuronInfo_", "subnetInfo_", "delegateInfo_", "stakeInfo_", "swap_"];
        if !own.iter().any(|group| method.starts_with(group)) {
            continue;
        }
        // Without parameters some answer and some complain of them; none says that the API is missing.
        if let Err(error) = client.rpc(method, json!([])).await {
            assert!(!format!("{error:?}").contains("has no method"), "{method}: {error:?}");
        }
    }
    assert!(client.rpc("betaBasket_getTotalNav", json!([])).await.is_err());
}

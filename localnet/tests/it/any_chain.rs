//! What holds on every subtensor: `CHAIN_WS_URL` names another chain than our own to try it on (`scripts/chain-docker` starts
//! the official one). The chain must have the development accounts; nothing here needs more of it.

use std::time::Duration;

use localnet::{Blocks, Config, Localnet};
use serde_json::{Value as Json, json};
use subxt::{
    OnlineClient, PolkadotConfig, dynamic,
    dynamic::Value,
    ext::scale_decode::DecodeAsType,
    rpcs::{RpcClient, client::RpcParams, rpc_params},
};

use crate::client::{account, key, number};

/// Blocks of the real chain come every twelve seconds, and final ones some blocks later.
const PATIENCE: Duration = Duration::from_secs(120);

struct Any {
    /// Our own, unless another is named.
    _own: Option<Localnet>,
    rpc: RpcClient,
    api: OnlineClient<PolkadotConfig>,
}

async fn any() -> Any {
    let (own, url) = match std::env::var("CHAIN_WS_URL") {
        Ok(url) => (None, url),
        Err(_) => {
            let config = Config { bind: Config::test().bind, ..Config::new(Blocks::Interval { ms: 50 }) };
            let chain = localnet::spawn(config).await.unwrap();
            let url = chain.ws_url();
            (Some(chain), url)
        }
    };
    let rpc = RpcClient::from_insecure_url(&url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    let api = OnlineClient::<PolkadotConfig>::from_rpc_client(rpc.clone()).await.unwrap();
    Any { _own: own, rpc, api }
}

impl Any {
    async fn rpc(&self, method: &str, parameters: Json) -> Result<Json, subxt::rpcs::Error> {
        let mut list = RpcParams::new();
        parameters.as_array().unwrap().iter().for_each(|parameter| list.push(parameter).unwrap());
        self.rpc.request(method, list).await
    }
}

async fn soon<R>(what: impl Future<Output = R>) -> R {
    tokio::time::timeout(PATIENCE, what).await.expect("it happens within two minutes")
}

#[tokio::test]
async fn any_chain_is_a_subtensor_with_the_methods_clients_call() {
    let chain = any().await;
    let version = chain.rpc("state_getRuntimeVersion", json!([])).await.unwrap();
    assert_eq!(version["specName"], json!("node-subtensor"));
    let properties = chain.rpc("system_properties", json!([])).await.unwrap();
    assert_eq!((&properties["ss58Format"], &properties["tokenDecimals"]), (&json!(42), &json!(9)));
    let methods = chain.rpc("rpc_methods", json!([])).await.unwrap();
    let methods = methods["methods"].as_array().unwrap();
    for method in [
        "account_nextIndex",
        "author_submitAndWatchExtrinsic",
        "author_submitExtrinsic",
        "author_unwatchExtrinsic",
        "chain_getBlock",
        "chain_getBlockHash",
        "chain_getFinalizedHead",
        "chain_getHead",
        "chain_getHeader",
        "chain_subscribeFinalizedHeads",
        "chain_subscribeNewHeads",
        "neuronInfo_getNeuronsLite",
        "payment_queryInfo",
        "state_call",
        "state_getKeysPaged",
        "state_getMetadata",
        "state_getStorage",
        "state_getStorageAt",
        "state_queryStorageAt",
        "state_subscribeRuntimeVersion",
        "state_subscribeStorage",
        "subnetInfo_getMetagraph",
        "swap_currentAlphaPrice",
        "system_accountNextIndex",
        "system_chain",
        "system_health",
    ] {
        assert!(methods.contains(&json!(method)), "{method} is missing");
    }
}

#[tokio::test]
async fn any_chain_makes_blocks_that_continue_each_other_and_become_final() {
    let chain = any().await;
    let mut heads = chain
        .rpc
        .subscribe::<Json>("chain_subscribeFinalizedHeads", rpc_params![], "chain_unsubscribeFinalizedHeads")
        .await
        .unwrap();
    let mut before: Option<u32> = None;
    for _ in 0..3 {
        let head = soon(heads.next()).await.unwrap().unwrap();
        let number = u32::from_str_radix(&head["number"].as_str().unwrap()[2..], 16).unwrap();
        assert!(before.is_none_or(|before| number == before + 1), "{number} after {before:?}");
        before = Some(number);
        let hash = chain.rpc("chain_getBlockHash", json!([number])).await.unwrap();
        assert_eq!(chain.rpc("chain_getHeader", json!([hash])).await.unwrap(), head);
        let block = chain.rpc("chain_getBlock", json!([hash])).await.unwrap();
        assert_eq!(block["block"]["header"], head);
    }
}

#[tokio::test]
async fn any_chain_moves_money_and_says_why_it_does_not() {
    let chain = any().await;
    let to = Value::unnamed_variant("Id", [account(&key("//Bob"))]);
    let payload = dynamic::tx("Balances", "transfer_keep_alive", vec![to, number(1_000_000u64)]);
    let at = chain.api.at_current_block().await.unwrap();
    let mut transactions = at.transactions();
    let progress = transactions.sign_and_submit_then_watch_default(&payload, &key("//Alice")).await.unwrap();
    soon(progress.wait_for_finalized_success()).await.unwrap();
    let nobody = key("//nobody at all");
    let refused = transactions.sign_and_submit_then_watch_default(&payload, &nobody).await.err().unwrap();
    assert!(format!("{refused:?}").contains("1010"), "{refused:?}");
    let garbage = chain.rpc("author_submitExtrinsic", json!(["0x0400"])).await;
    assert!(garbage.is_err());
}

#[tokio::test]
async fn any_chain_answers_runtime_apis_as_the_pinned_metadata_has_them() {
    #[derive(DecodeAsType)]
    #[decode_as_type(crate_path = "subxt::ext::scale_decode")]
    struct Info {
        netuid: u16,
        tempo: u16,
    }
    let chain = any().await;
    let at = chain.api.at_current_block().await.unwrap();
    let call = dynamic::runtime_api_call::<_, Vec<Option<Info>>>(
        "SubnetInfoRuntimeApi",
        "get_all_dynamic_info",
        Vec::<Value>::new(),
    );
    let subnets = at.runtime_apis().call(call).await.unwrap();
    let root = subnets.iter().flatten().find(|info| info.netuid == 0);
    assert!(root.is_some(), "there is always the root network");
    assert!(subnets.iter().flatten().any(|info| info.tempo > 0));
}

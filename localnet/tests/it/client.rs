//! A chain and a subxt client of it, without anything of this crate between them but the address.

use std::str::FromStr;

use localnet::{Blocks, Config, Localnet};
use serde_json::{Value as Json, json};
use subxt::{
    OnlineClient, PolkadotConfig,
    dynamic::{self, Value},
    error::{BackendError, ExtrinsicError, TransactionEventsError, TransactionFinalizedSuccessError},
    ext::scale_decode::DecodeAsType,
    rpcs::{
        RpcClient,
        client::{RpcParams, RpcSubscription},
        rpc_params,
    },
    utils::AccountId32,
};
use subxt_signer::{SecretUri, sr25519::Keypair};

/// The subnet every dev chain has.
pub const NETUID: u16 = 64;
/// One TAO in rao.
pub const TAO: u64 = 1_000_000_000;

/// A chain that makes a block for every transaction, and a client of it.
pub struct Client {
    pub chain: Localnet,
    pub api: OnlineClient<PolkadotConfig>,
    pub rpc: RpcClient,
}

/// A neuron, as `get_neurons_lite` tells it.
#[derive(Debug, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct Neuron {
    pub hotkey: AccountId32,
    pub coldkey: AccountId32,
    pub uid: u16,
    pub active: bool,
    pub axon_info: Axon,
    pub stake: Vec<(AccountId32, u64)>,
    pub emission: u64,
    pub incentive: u16,
    pub consensus: u16,
    pub validator_trust: u16,
    pub dividends: u16,
    pub last_update: u64,
    pub validator_permit: bool,
}

/// Where a neuron serves.
#[derive(Debug, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct Axon {
    pub block: u64,
    pub ip: u128,
    pub port: u16,
    pub ip_type: u8,
}

/// How a submission ended.
#[derive(Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Included, and dispatch succeeded.
    Success,
    /// Included, and dispatch failed with this error of this pallet.
    Failed(String),
    /// The pool refused it with this code and text.
    Refused(i32, String),
}

impl Client {
    /// A chain that makes blocks at once.
    pub async fn instant() -> Self {
        Self::of(Config { bind: Config::test().bind, ..Config::new(Blocks::Instant) }).await
    }

    /// A chain of a configuration.
    pub async fn of(config: Config) -> Self {
        let chain = localnet::spawn(config).await.unwrap();
        let rpc = RpcClient::from_insecure_url(chain.ws_url()).await.unwrap();
        let api = OnlineClient::<PolkadotConfig>::from_rpc_client(rpc.clone()).await.unwrap();
        Self { chain, api, rpc }
    }

    /// Makes a block; answers its time in milliseconds, as the chain's storage has it.
    pub async fn next_timestamp_ms(&self) -> u64 {
        self.blocks(1).await;
        let now = [sp_crypto_hashing::twox_128(b"Timestamp"), sp_crypto_hashing::twox_128(b"Now")].concat();
        let value = self.rpc("state_getStorage", json!([format!("0x{}", hex::encode(now))])).await.unwrap();
        let bytes = hex::decode(&value.as_str().unwrap()[2..]).unwrap();
        u64::from_le_bytes(bytes.try_into().unwrap())
    }

    /// Submits a transaction and hears what becomes of it.
    pub async fn watch(&self, extrinsic: &str) -> RpcSubscription<Json> {
        let (start, stop) = ("author_submitAndWatchExtrinsic", "author_unwatchExtrinsic");
        self.rpc.subscribe(start, rpc_params![extrinsic], stop).await.unwrap()
    }

    /// Submits a call and waits until it is final.
    pub async fn submit(&self, pallet: &str, call: &str, arguments: Vec<Value>, signer: &Keypair) -> Outcome {
        let payload = dynamic::tx(pallet, call, arguments);
        let transactions = self.api.at_current_block().await.unwrap();
        let progress =
            match transactions.transactions().sign_and_submit_then_watch_default(&payload, signer).await {
                Ok(progress) => progress,
                Err(error) => return refusal(error),
            };
        match progress.wait_for_finalized_success().await {
            Ok(_) => Outcome::Success,
            Err(TransactionFinalizedSuccessError::SuccessError(TransactionEventsError::ExtrinsicFailed(
                error,
            ))) => Outcome::Failed(error.to_string()),
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Submits a call that must succeed.
    pub async fn succeed(&self, pallet: &str, call: &str, arguments: Vec<Value>, signer: &Keypair) {
        assert_eq!(self.submit(pallet, call, arguments, signer).await, Outcome::Success, "{pallet}.{call}");
    }

    /// Registers a hotkey on the dev subnet.
    pub async fn register(&self, coldkey: &Keypair, hotkey: &Keypair) -> Outcome {
        self.submit("SubtensorModule", "burned_register", vec![number(NETUID), account(hotkey)], coldkey)
            .await
    }

    /// Stakes TAO to a hotkey on the dev subnet.
    pub async fn stake(&self, coldkey: &Keypair, hotkey: &Keypair, tao: u64) -> Outcome {
        let arguments = vec![account(hotkey), number(NETUID), number(tao * TAO)];
        self.submit("SubtensorModule", "add_stake", arguments, coldkey).await
    }

    /// Sets weights on the dev subnet.
    pub async fn set_weights(&self, hotkey: &Keypair, uids: &[u16], values: &[u16]) -> Outcome {
        let list = |items: &[u16]| Value::unnamed_composite(items.iter().map(|item| number(*item)));
        let arguments = vec![number(NETUID), list(uids), list(values), number(0u64)];
        self.submit("SubtensorModule", "set_weights", arguments, hotkey).await
    }

    /// The neurons of the dev subnet.
    pub async fn neurons(&self) -> Vec<Neuron> {
        self.runtime("NeuronInfoRuntimeApi", "get_neurons_lite", vec![number(NETUID)]).await
    }

    /// Calls a runtime API on the newest block.
    pub async fn runtime<R: DecodeAsType>(&self, api: &str, method: &str, arguments: Vec<Value>) -> R {
        let best = format!("{:?}", self.chain.best().hash());
        let at = self.api.at_block(subxt::utils::H256::from_str(&best).unwrap()).await.unwrap();
        at.runtime_apis().call(dynamic::runtime_api_call::<_, R>(api, method, arguments)).await.unwrap()
    }

    /// Calls a method with parameters.
    pub async fn rpc(&self, method: &str, parameters: Json) -> Result<Json, subxt::rpcs::Error> {
        let mut list = RpcParams::new();
        for parameter in parameters.as_array().unwrap() {
            list.push(parameter).unwrap();
        }
        self.rpc.request(method, list).await
    }

    /// Makes empty blocks.
    pub async fn blocks(&self, count: u32) {
        self.chain.produce_blocks(count).await.unwrap();
    }

    /// What an account has, in rao.
    pub async fn balance(&self, who: &Keypair) -> u64 {
        #[derive(DecodeAsType)]
        #[decode_as_type(crate_path = "subxt::ext::scale_decode")]
        struct Account {
            data: Data,
        }
        #[derive(DecodeAsType)]
        #[decode_as_type(crate_path = "subxt::ext::scale_decode")]
        struct Data {
            free: u64,
        }
        let at = self.api.at_current_block().await.unwrap();
        let address = dynamic::storage::<([u8; 32],), Account>("System", "Account");
        let value = at.storage().fetch(address, (who.public_key().0,)).await.unwrap();
        value.decode().unwrap().data.free
    }
}

/// That dispatch failed with this error of the main pallet.
pub fn failed(name: &str) -> Outcome {
    Outcome::Failed(format!("Pallet error: SubtensorModule::{name}"))
}

/// A development key, such as `//Alice`.
pub fn key(uri: &str) -> Keypair {
    Keypair::from_uri(&SecretUri::from_str(uri).unwrap()).unwrap()
}

/// An account as an argument.
pub fn account(key: &Keypair) -> Value {
    Value::from_bytes(key.public_key().0)
}

/// A number as an argument.
pub fn number(number: impl Into<u128>) -> Value {
    Value::u128(number.into())
}

/// An account's address, as JSON-RPC takes it.
pub fn address(key: &Keypair) -> Json {
    json!(key.public_key().to_account_id().to_string())
}

/// The code and text with which the pool refused a transaction.
fn refusal(error: ExtrinsicError) -> Outcome {
    let ExtrinsicError::ErrorSubmittingTransaction(BackendError::Rpc(error)) = error else {
        panic!("{error:?}")
    };
    let text = format!("{error:?}");
    match error {
        subxt::error::RpcError::ClientError(subxt::rpcs::Error::User(user)) => Outcome::Refused(
            user.code,
            user.data.map(|data| data.get().trim_matches('"').to_owned()).unwrap_or_default(),
        ),
        _ => panic!("{text}"),
    }
}

//! The real chain's bytes: what a node of spec 461 and the official Python SDK agree on, reproduced from the pinned metadata.
//!
//! `golden-461.json` is taken from the test fixtures of `bittensor` 11.3.0 (Apache-2.0). Each of its groups has a test here; a
//! group without one fails.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::str::FromStr;
use std::sync::Arc;

use chain_metadata::{SPEC_NAME, SPEC_VERSION, TRANSACTION_VERSION, metadata, subtensor};
use parity_scale_codec::Decode;
use serde_json::{Value as Json, json};
use subtensor::runtime_types::subtensor_runtime_common::NetUid;
use subtensor::runtime_types::subtensor_runtime_common::currency::{AlphaBalance, TaoBalance};
use subxt::config::DefaultExtrinsicParamsBuilder as Params;
use subxt::config::substrate::{H256, SpecVersionForRange, SubstrateConfig};
use subxt::dynamic::Value;
use subxt::ext::frame_decode::storage::{StorageTypeInfo, encode_storage_key_prefix};
use subxt::ext::scale_decode::DecodeAsType;
use subxt::ext::scale_encode::EncodeAsType;
use subxt::ext::scale_value::{Composite, Primitive, ValueDef};
use subxt::tx::Payload;
use subxt::utils::{AccountId32, MultiAddress, MultiSignature};
use subxt::{OfflineClient, OfflineClientAtBlock};

type Client = OfflineClientAtBlock<SubstrateConfig>;

macro_rules! groups {
    ($($group:ident: $test:ident;)*) => {
        $(
            #[test]
            fn $test() {
                $group(&vectors()[stringify!($group)]);
            }
        )*
        const GROUPS: &[&str] = &[$(stringify!($group)),*];
    };
}

groups! {
    network: versions_are_the_networks;
    storage_keys: storage_keys_are_the_chains;
    calls: calls_encode_as_the_sdk_encodes_them;
    signature_payloads: signer_payloads_are_the_sdks;
    extrinsics: signed_extrinsics_are_the_sdks;
    ss58: addresses_are_the_sdks;
    constants: constants_are_the_chains;
    storage_values: stored_values_decode_to_what_the_sdk_reads;
    runtime_calls: runtime_calls_encode_and_decode_as_in_the_sdk;
}

#[test]
fn no_group_of_vectors_is_forgotten() {
    let vectors = vectors();
    let mut present: Vec<_> = vectors.as_object().unwrap().keys().map(String::as_str).collect();
    let mut tested = GROUPS.to_vec();
    present.sort_unstable();
    tested.sort_unstable();
    assert_eq!(present, tested);
}

fn network(network: &Json) {
    assert_eq!(network["spec_version"], SPEC_VERSION);
    assert_eq!(network["transaction_version"], TRANSACTION_VERSION);
    let metadata = metadata();
    let version = metadata.pallet_by_name("System").unwrap().constant_by_name("Version").unwrap();
    let (name, _, _, version) = <(String, String, u32, u32)>::decode(&mut version.value()).unwrap();
    assert_eq!((name.as_str(), version), (SPEC_NAME, SPEC_VERSION));
}

fn storage_keys(keys: &Json) {
    let client = client();
    for key in keys.as_array().unwrap() {
        let (pallet, entry) = (text(&key["pallet"]), text(&key["storage_function"]));
        let parts: Vec<_> = key["params"].as_array().unwrap().iter().map(argument).collect();
        let encoded = if client.metadata_ref().pallet_by_name(pallet).is_some() {
            let address = subxt::storage::dynamic::<Vec<Value>, Value>(pallet, entry);
            client.storage().entry(address).unwrap().fetch_key(parts).unwrap()
        } else {
            multisig_key(pallet, entry, &key["params"])
        };
        assert_eq!(encoded, bytes(&key["key_hex"]), "{pallet}.{entry}");
    }
}

/// The one key whose pallet is not pinned, put together by hand.
fn multisig_key(pallet: &str, entry: &str, params: &Json) -> Vec<u8> {
    assert_eq!((pallet, entry), ("Multisig", "Multisigs"));
    let (account, hash) = (account(&params[0]).0, bytes(&params[1]));
    let prefix = encode_storage_key_prefix(pallet, entry);
    let account = [sp_crypto_hashing::twox_64(&account).as_slice(), &account].concat();
    let hash = [sp_crypto_hashing::blake2_128(&hash).as_slice(), &hash].concat();
    [prefix.as_slice(), &account, &hash].concat()
}

fn calls(calls: &Json) {
    let metadata = metadata();
    let mut typed = 0;
    for call in calls.as_array().unwrap() {
        let (module, function) = (text(&call["module"]), text(&call["function"]));
        let expected = bytes(&call["data_hex"]);
        let value = runtime_call(module, function, &call["params"]);
        let encoded = value.encode_as_type(metadata.outer_enums().call_enum_ty(), metadata.types()).unwrap();
        assert_eq!(encoded, expected, "{module}.{function}");
        typed += usize::from(check_binding(module, function, &call["params"], &expected));
    }
    assert_eq!(typed, 6, "calls that were also encoded by the generated bindings");
}

/// Encodes the call with the generated bindings too, if we have them for it.
fn check_binding(module: &str, function: &str, params: &Json, expected: &[u8]) -> bool {
    fn check(call: impl Payload, expected: &[u8]) -> bool {
        let client = client();
        client.tx().validate(&call).unwrap();
        assert_eq!(client.tx().call_data(&call).unwrap(), expected);
        true
    }
    let tx = subtensor::tx();
    let netuid = || NetUid(number(&params["netuid"]) as u16);
    let hotkey = || account(&params["hotkey"]);
    let dest = || MultiAddress::Id(account(&params["dest"]));
    let rao = |name: &str| number(&params[name]);
    match (module, function) {
        ("Balances", "transfer_keep_alive") => {
            check(tx.balances().transfer_keep_alive(dest(), TaoBalance(rao("value"))), expected)
        }
        ("Balances", "transfer_allow_death") => {
            check(tx.balances().transfer_allow_death(dest(), TaoBalance(rao("value"))), expected)
        }
        ("SubtensorModule", "add_stake") => {
            let amount = TaoBalance(rao("amount_staked"));
            check(tx.subtensor_module().add_stake(hotkey(), netuid(), amount), expected)
        }
        ("SubtensorModule", "remove_stake") => {
            let amount = AlphaBalance(rao("amount_unstaked"));
            check(tx.subtensor_module().remove_stake(hotkey(), netuid(), amount), expected)
        }
        ("SubtensorModule", "burned_register") => {
            check(tx.subtensor_module().burned_register(netuid(), hotkey()), expected)
        }
        ("SubtensorModule", "set_weights") => {
            let (dests, weights) = (numbers(&params["dests"]), numbers(&params["weights"]));
            let call = tx.subtensor_module().set_weights(netuid(), dests, weights, rao("version_key"));
            check(call, expected)
        }
        _ => false,
    }
}

fn signature_payloads(payloads: &Json) {
    let client = client();
    for payload in payloads.as_array().unwrap() {
        let call = client.tx().from_call_data_bytes(&bytes(&payload["call_data_hex"])).unwrap();
        let params = params(payload);
        let signable = client.tx().create_v4_signable_offline(&call, params).unwrap();
        assert_eq!(signable.signer_payload().unwrap(), bytes(&payload["payload_hex"]));
    }
}

fn extrinsics(extrinsics: &Json) {
    let client = client();
    for extrinsic in extrinsics.as_array().unwrap() {
        assert_eq!(extrinsic["signature_version"], 1, "sr25519");
        let signer = account(&extrinsic["address"]);
        assert_eq!(signer.0.to_vec(), bytes(&extrinsic["public_key_hex"]));
        let call = client.tx().from_call_data_bytes(&bytes(&extrinsic["call_data_hex"])).unwrap();
        let params = params(extrinsic);
        let mut signable = client.tx().create_v4_signable_offline(&call, params).unwrap();
        let signature = MultiSignature::Sr25519(bytes(&extrinsic["signature_hex"]).try_into().unwrap());
        let signed = signable.sign_with_account_and_signature(&signer, &signature).unwrap();
        assert_eq!(signed.encoded(), bytes(&extrinsic["extrinsic_hex"]));
        assert_eq!(signed.hash().0.to_vec(), bytes(&extrinsic["extrinsic_hash"]));
    }
}

fn ss58(addresses: &Json) {
    for address in addresses.as_array().unwrap() {
        let public_key: [u8; 32] = bytes(&address["public_key_hex"]).try_into().unwrap();
        assert_eq!(account(&address["address"]).0, public_key);
        assert_eq!(AccountId32(public_key).to_string(), text(&address["address"]));
    }
}

/// The fixture is of a chain with fast blocks; constants of pallets that are not pinned can only be read from a live node.
fn constants(constants: &Json) {
    let metadata = metadata();
    let mut checked = 0;
    for constant in constants.as_array().unwrap() {
        let (module, name) = (text(&constant["module"]), text(&constant["name"]));
        let Some(pallet) = metadata.pallet_by_name(module) else {
            assert_eq!((module, name), ("Aura", "SlotDuration"));
            continue;
        };
        let pinned = pallet.constant_by_name(name).unwrap();
        let value = Value::decode_as_type(&mut pinned.value(), pinned.ty(), metadata.types()).unwrap();
        assert!(shows(&value, &constant["decoded"]), "{module}.{name}: {value}");
        checked += 1;
    }
    assert_eq!(checked, 2);
}

fn storage_values(values: &Json) {
    let metadata = metadata();
    for value in values.as_array().unwrap() {
        let (pallet, entry) = (text(&value["pallet"]), text(&value["storage_function"]));
        let info = metadata.storage_info(pallet, entry).unwrap();
        let raw = if value["raw_hex"].is_null() {
            info.default_value.clone().unwrap().to_vec()
        } else {
            bytes(&value["raw_hex"])
        };
        let decoded = Value::decode_as_type(&mut raw.as_slice(), info.value_id, metadata.types()).unwrap();
        assert!(shows(&decoded, &value["decoded"]), "{pallet}.{entry}: {decoded}");
    }
}

fn runtime_calls(calls: &Json) {
    let client = client();
    for call in calls.as_array().unwrap() {
        let (api, method) = (text(&call["api"]), text(&call["method"]));
        let arguments: Vec<_> = call["params"].as_array().unwrap().iter().map(argument).collect();
        let payload = subxt::runtime_apis::dynamic::<Vec<Value>, Value>(api, method, arguments);
        let encoded = client.runtime_apis().encode_args(payload).unwrap();
        assert_eq!(encoded, bytes(&call["encoded_params_hex"]), "{api}.{method}");
        let metadata = client.metadata_ref();
        let output =
            metadata.runtime_api_trait_by_name(api).unwrap().method_by_name(method).unwrap().output_ty();
        let raw = bytes(&call["raw_hex"]);
        let decoded = Value::decode_as_type(&mut raw.as_slice(), output, metadata.types()).unwrap();
        assert!(shows(&decoded, &call["decoded"]), "{api}.{method}: {decoded}");
    }
}

fn vectors() -> Json {
    serde_json::from_str(include_str!("golden-461.json")).unwrap()
}

/// The pinned metadata as a client that needs no node.
fn client() -> Client {
    let genesis: [u8; 32] = bytes(&vectors()["network"]["genesis_hash"]).try_into().unwrap();
    let versions = SpecVersionForRange {
        block_range: 0..u64::MAX,
        spec_version: SPEC_VERSION,
        transaction_version: TRANSACTION_VERSION,
    };
    let config = SubstrateConfig::builder()
        .set_genesis_hash(H256(genesis))
        .set_metadata_for_spec_versions([(SPEC_VERSION, Arc::new(metadata()))])
        .set_spec_version_for_block_ranges([versions])
        .build();
    OfflineClient::new_with_config(config).at_block(1u64).unwrap()
}

fn params(vector: &Json) -> subxt::config::DefaultExtrinsicParams<SubstrateConfig> {
    let params = Params::new().nonce(number(&vector["nonce"])).tip(number(&vector["tip"]).into());
    match &vector["era"] {
        Json::String(_) => params.immortal().build(),
        era => {
            // An extrinsic's bytes do not hold the birth block's hash, so its vectors leave that out.
            let birth = vector["era_birth_block_hash"]
                .as_str()
                .map_or(H256::zero(), |hash| H256::from_str(hash).unwrap());
            params.mortal_from_unchecked(number(&era["period"]), number(&era["current"]), birth).build()
        }
    }
}

/// A call as a value of the enum of all calls, which knows pallets whose other parts are not pinned.
fn runtime_call(module: &str, function: &str, params: &Json) -> Value {
    let fields: Vec<_> = params
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), call_argument(name, value)))
        .collect();
    Value::unnamed_variant(module, [Value::named_variant(function, fields)])
}

fn call_argument(name: &str, value: &Json) -> Value {
    match (name, value) {
        ("dest" | "real", address) => Value::unnamed_variant("Id", [argument(address)]),
        ("force_proxy_type", kind) => {
            Value::unnamed_variant("Some", [Value::unnamed_variant(text(kind), [])])
        }
        ("call", Json::String(transfer)) => described_transfer(transfer),
        ("call", call) => {
            let mut call = call.as_object().unwrap().clone();
            let (module, function) = (call.remove("module").unwrap(), call.remove("function").unwrap());
            runtime_call(text(&module), text(&function), &Json::Object(call))
        }
        ("calls", calls) => Value::unnamed_composite(
            calls.as_array().unwrap().iter().map(|call| described_transfer(text(call))),
        ),
        (_, value) => argument(value),
    }
}

/// The fixture describes inner calls in words: `transfer 1 to bob`.
fn described_transfer(words: &str) -> Value {
    let (amount, to) = words.strip_prefix("transfer ").unwrap().split_once(" to ").unwrap();
    let dest = match to {
        "bob" => "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty",
        "charlie" => "5FLSigC9HGRKVhB9FiEo4Y3koPsNmBmLJbpXg2mp1hXcS59Y",
        other => panic!("who is {other}?"),
    };
    let value = amount.parse::<u64>().unwrap();
    runtime_call("Balances", "transfer_keep_alive", &json!({ "dest": dest, "value": value }))
}

fn argument(value: &Json) -> Value {
    match value {
        Json::Number(number) => Value::u128(number.as_u64().unwrap().into()),
        Json::String(hex) if hex.starts_with("0x") => Value::from_bytes(bytes(value)),
        Json::String(_) => Value::from_bytes(account(value).0),
        Json::Array(items) => Value::unnamed_composite(items.iter().map(argument)),
        other => panic!("unexpected argument {other}"),
    }
}

/// Whether a decoded value is what the Python SDK shows, which opens newtypes and options and prints accounts as addresses.
fn shows(value: &Value, expected: &Json) -> bool {
    match (&value.value, expected) {
        (ValueDef::Primitive(Primitive::Bool(bool)), expected) => *expected == *bool,
        (ValueDef::Primitive(Primitive::U128(number)), Json::Number(expected)) => match expected.as_u64() {
            Some(expected) => u128::from(expected) == *number,
            None => expected.as_f64() == Some(*number as f64),
        },
        (ValueDef::Composite(Composite::Named(fields)), Json::Object(expected)) => {
            fields.len() == expected.len()
                && fields
                    .iter()
                    .all(|(name, value)| expected.get(name).is_some_and(|json| shows(value, json)))
        }
        (ValueDef::Composite(Composite::Unnamed(values)), Json::Array(expected))
            if values.len() == expected.len()
                && values.iter().zip(expected).all(|(v, json)| shows(v, json)) =>
        {
            true
        }
        (ValueDef::Composite(Composite::Unnamed(values)), Json::String(address)) if values.len() == 32 => {
            values
                .iter()
                .zip(AccountId32::from_str(address).unwrap().0)
                .all(|(v, octet)| shows(v, &json!(octet)))
        }
        (ValueDef::Composite(Composite::Unnamed(values)), expected) => {
            matches!(values.as_slice(), [only] if shows(only, expected))
        }
        (ValueDef::Variant(variant), Json::Null) => variant.name == "None",
        (ValueDef::Variant(variant), expected) => {
            variant.values.values().next().is_some_and(|v| shows(v, expected))
        }
        _ => false,
    }
}

fn account(address: &Json) -> AccountId32 {
    AccountId32::from_str(text(address)).unwrap()
}

fn bytes(hex: &Json) -> Vec<u8> {
    let hex = text(hex);
    hex::decode(hex.strip_prefix("0x").unwrap_or(hex)).unwrap()
}

fn number(number: &Json) -> u64 {
    number.as_u64().unwrap()
}

fn numbers(list: &Json) -> Vec<u16> {
    list.as_array().unwrap().iter().map(|item| number(item) as u16).collect()
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap()
}

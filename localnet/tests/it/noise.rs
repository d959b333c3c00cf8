//! Bytes that mean nothing: none stops the chain or changes its state.

use localnet::{Config, node::Node, runtime::UncheckedExtrinsic};
use serde_json::json;

use crate::client::{Client, NETUID};

/// A generator of the same noise every time.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, max: u64) -> Vec<u8> {
        (0..self.next() % (max + 1)).map(|_| self.next() as u8).collect()
    }
}

#[test]
fn random_transactions_are_refused_and_leave_no_trace() {
    let node = Node::new(&Config::test()).unwrap();
    let mut noise = Noise(0x5eed);
    let before = node.produce().unwrap();
    for _ in 0..3_000 {
        let mut bytes = noise.bytes(200);
        if noise.next().is_multiple_of(2) {
            // A length and a version that are right, so that decoding goes further.
            let mut framed =
                parity_scale_codec::Encode::encode(&parity_scale_codec::Compact((bytes.len() + 1) as u32));
            framed.push(if noise.next().is_multiple_of(2) { 0x84 } else { 0x04 });
            framed.append(&mut bytes);
            bytes = framed;
        }
        assert!(node.submit(bytes, None).is_err());
    }
    assert!(node.pool().is_empty());
    assert_eq!(node.produce().unwrap().header.parent_hash, before.hash());
}

#[test]
fn mutated_transactions_never_panic_the_chain() {
    let node = Node::new(&Config::test()).unwrap();
    let golden = hex::decode("31028400d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d010102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f40000000000503008eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a48e5c0").unwrap();
    let mut noise = Noise(0xfeed);
    let mut decoded = 0;
    for _ in 0..3_000 {
        let mut bytes = golden.clone();
        for _ in 0..=noise.next() % 4 {
            let at = noise.next() as usize % bytes.len();
            bytes[at] = noise.next() as u8;
        }
        decoded += usize::from(
            parity_scale_codec::DecodeAll::decode_all(&mut &bytes[..])
                .is_ok_and(|_: UncheckedExtrinsic| true),
        );
        assert!(node.submit(bytes, None).is_err());
    }
    assert!(decoded > 100, "some still decode: {decoded}");
    node.produce().unwrap();
}

#[tokio::test]
async fn runtime_apis_with_random_arguments_answer_with_an_error_and_the_chain_goes_on() {
    let client = Client::instant().await;
    let mut noise = Noise(0xbeef);
    for method in [
        "Core_execute_block",
        "Core_initialize_block",
        "BlockBuilder_apply_extrinsic",
        "TaggedTransactionQueue_validate_transaction",
        "NeuronInfoRuntimeApi_get_neurons_lite",
        "SubnetInfoRuntimeApi_get_metagraph",
        "StakeInfoRuntimeApi_get_stake_info_for_coldkeys",
        "TransactionPaymentApi_query_info",
        "Nothing_at_all",
    ] {
        for _ in 0..20 {
            // Some noise is a valid argument; what matters is that there is an answer.
            let arguments = format!("0x{}", hex::encode(noise.bytes(80)));
            let _ = client.rpc("state_call", json!([method, arguments])).await;
        }
    }
    let neurons = client.rpc(
        "state_call",
        json!(["NeuronInfoRuntimeApi_get_neurons_lite", format!("0x{}", hex::encode(NETUID.to_le_bytes()))]),
    );
    assert_eq!(neurons.await.unwrap(), json!("0x00"));
    client.blocks(1).await;
}

#[tokio::test]
async fn methods_with_nonsense_parameters_answer_with_an_error() {
    let client = Client::instant().await;
    let methods = client.rpc("rpc_methods", json!([])).await.unwrap();
    for method in methods["methods"].as_array().unwrap() {
        let method = method.as_str().unwrap();
        if method.contains("ubscribe") || method.contains("AndWatch") || method.contains("unwatch") {
            continue;
        }
        for parameters in [json!([{"a": [null]}]), json!([-1, "0xzz", {}]), json!(["0x", [[]], 1.5, 1.5])] {
            let _ = client.rpc(method, parameters).await;
        }
    }
    client.blocks(1).await;
    assert!(client.rpc("system_health", json!([])).await.is_ok());
}

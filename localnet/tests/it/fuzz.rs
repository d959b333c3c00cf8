//! Random calls and random bodies: nothing panics the node, and the state stays what its rules say.
//!
//! `LOCALNET_FUZZ_CALLS` and `LOCALNET_FUZZ_BODIES` say how many (a few hundred by default), `LOCALNET_FUZZ_SEED` where to begin.

mod generate;

use frame_metadata::{RuntimeMetadata, RuntimeMetadataPrefixed};
use frame_system::EventRecord;
use localnet::{
    Config, Genesis,
    accounts::{dev_account, sign},
    chain::BlockRef,
    node::Node,
    pool::PoolError,
    runtime::{RuntimeCall, RuntimeEvent},
};
use parity_scale_codec::{Compact, Decode as _, DecodeAll as _, Encode as _};
use serde_json::json;
use sp_core::{H256, Pair as _, sr25519};
use sp_crypto_hashing::twox_128;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use self::generate::{Generator, Noise};
use crate::client::Client;

/// Who has money, and who has none.
const FUNDED: [&str; 5] = ["//Alice", "//Alice//hotkey", "//Bob", "//Charlie", "//Dave"];
const UNFUNDED: [&str; 3] = ["//validator", "//miner", "//nobody"];
/// Calls in one block.
const CALLS_PER_BLOCK: u32 = 8;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// The default chain with two neurons, whose root nobody here is: root may do anything.
fn node() -> Node {
    let text = format!(
        "{}\n[[subnets.neurons]]\nhotkey = \"//validator\"\ncoldkey = \"//Bob\"\nstake_rao = 1_000_000_000_000\npermit = true\n[[subnets.neurons]]\nhotkey = \"//miner\"\ncoldkey = \"//Charlie\"\n",
        localnet::genesis_file::DEFAULT
    );
    let mut genesis: Genesis = localnet::genesis_file::parse(&text).unwrap();
    genesis.sudo = dev_account("//Root").unwrap();
    genesis.balances.push((dev_account("//Alice//hotkey").unwrap(), 1_000_000_000_000));
    Node::new(&Config { genesis, ..Config::test() }).unwrap()
}

fn metadata(node: &Node) -> frame_metadata::v14::RuntimeMetadataV14 {
    let bytes: Vec<u8> = node.chain.call_decoded(&node.chain.best(), "Metadata_metadata", &[]).unwrap();
    match RuntimeMetadataPrefixed::decode(&mut &bytes[..]).unwrap().1 {
        RuntimeMetadata::V14(metadata) => metadata,
        _ => panic!("another version"),
    }
}

fn read<R: parity_scale_codec::Decode + Default>(
    node: &Node,
    block: &BlockRef,
    pallet: &str,
    item: &str,
) -> R {
    let key = [twox_128(pallet.as_bytes()), twox_128(item.as_bytes())].concat();
    let value = node.chain.storage(block, &key);
    value.map(|value| R::decode(&mut &value[..]).unwrap()).unwrap_or_default()
}

/// Checks that every rao that is said to exist belongs to somebody, and that nobody has one that does not.
fn assert_issuance(node: &Node, block: &BlockRef) {
    let prefix = [twox_128(b"System"), twox_128(b"Account")].concat();
    let keys = node.chain.keys(block, &prefix, None, usize::MAX);
    let rao = |value: &[u8], at: usize| u128::from(u64::from_le_bytes(value[at..at + 8].try_into().unwrap()));
    // Four counters of four bytes come before what is free and what is reserved.
    let owned: u128 = keys
        .iter()
        .map(|key| node.chain.storage(block, key).unwrap())
        .map(|value| rao(&value, 16) + rao(&value, 24))
        .sum();
    let issued: u64 = read(node, block, "Balances", "TotalIssuance");
    assert_eq!(owned, u128::from(issued), "block {}", block.number());
}

/// Executes a block again on its parent, which checks both roots of its header.
fn execute_again(node: &Node, block: &BlockRef) {
    let parent = node.chain.by_number(block.number() - 1).unwrap();
    let mut encoded = block.header.encode();
    Compact(block.extrinsics.len() as u32).encode_to(&mut encoded);
    encoded.extend(block.extrinsics.iter().flatten());
    node.chain.call(&parent, "Core_execute_block", &encoded).unwrap();
}

#[test]
fn random_calls_never_panic_the_chain_or_break_its_state() {
    let calls = number("LOCALNET_FUZZ_CALLS", 400);
    let node = node();
    let metadata = metadata(&node);
    let genesis = node.chain.best().hash();
    let pairs: Vec<sr25519::Pair> =
        FUNDED.iter().chain(&UNFUNDED).map(|uri| sr25519::Pair::from_string(uri, None).unwrap()).collect();
    let accounts = pairs.iter().map(|pair| pair.public().0).collect();
    let mut generator = Generator::new(&metadata, accounts, number("LOCALNET_FUZZ_SEED", 0x5eed));
    let (mut undecodable, mut refused, mut succeeded, mut failed) = (0u64, 0u64, 0u64, 0u64);
    for made in 1..=calls {
        let call = generator.call();
        if RuntimeCall::decode_all(&mut &call[..]).is_err() {
            undecodable += 1;
        }
        let pair = generator.noise.pick(&pairs).clone();
        let nonce = node.next_nonce(&pair.public().0.into()).unwrap();
        match node.submit(sign(&pair, nonce, genesis, &call), None) {
            Ok(_) => {}
            Err(PoolError::Execution(error)) => panic!("{error}: {}", hex::encode(&call)),
            Err(_) => refused += 1,
        }
        if made % u64::from(CALLS_PER_BLOCK) == 0 || made == calls {
            let block = node.produce().unwrap_or_else(|error| panic!("after call {made}: {error:?}"));
            let events: Vec<EventRecord<RuntimeEvent, H256>> = read(&node, &block, "System", "Events");
            for event in events {
                match event.event {
                    RuntimeEvent::System(frame_system::Event::ExtrinsicSuccess { .. }) => succeeded += 1,
                    RuntimeEvent::System(frame_system::Event::ExtrinsicFailed { .. }) => failed += 1,
                    _ => {}
                }
            }
            // The timestamp succeeds in every block.
            succeeded -= 1;
            assert_issuance(&node, &block);
            execute_again(&node, &block);
        }
    }
    let waiting = node.pool().len();
    eprintln!(
        "{calls} calls: {undecodable} undecodable, {refused} refused by the pool, {succeeded} succeeded, {failed} failed, {waiting} wait"
    );
    assert!(undecodable * 20 < calls, "most calls are well-typed: {undecodable} of {calls} are not");
    assert!(succeeded > 0 && failed * 10 > calls, "{succeeded} succeeded, {failed} failed of {calls}");
    // Epochs ran meanwhile, and the chain goes on.
    (0..50).for_each(|_| drop(node.produce().unwrap()));
    assert_issuance(&node, &node.chain.best());
}

/// Sends bytes as the body of a request, over a connection that stays open; answers the body of the response.
async fn post(stream: &mut TcpStream, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let head = format!(
        "POST / HTTP/1.1\r\nhost: localnet\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await?;
    let mut answer = Vec::new();
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Ok(answer);
        }
        let text = String::from_utf8_lossy(&answer).into_owned();
        let Some((head, rest)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if rest.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return Ok(answer);
        }
    }
}

#[tokio::test]
async fn random_bodies_are_answered_without_an_internal_error() {
    let bodies = number("LOCALNET_FUZZ_BODIES", 400);
    let client = Client::of(Config::test()).await;
    client.blocks(3).await;
    let methods = client.rpc("rpc_methods", json!([])).await.unwrap();
    let methods: Vec<String> = methods["methods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|method| method.as_str().unwrap().to_owned())
        // Faults of connections would end this test, and blocks by the thousand its patience. Over HTTP there are no
        // subscriptions, which the server calls an internal error.
        .filter(|method| {
            !["dev_", "ubscribe", "AndWatch", "unwatch"].iter().any(|part| method.contains(part))
        })
        .collect();
    let mut noise = Noise::new(number("LOCALNET_FUZZ_SEED", 0xb0d1));
    let best = client.chain.best().hash();
    let mut stream = TcpStream::connect(client.chain.address()).await.unwrap();
    let mut answered = 0;
    for _ in 0..bodies {
        let body = noise.body(&methods);
        let answer = match post(&mut stream, &body).await {
            Ok(answer) => answer,
            Err(_) => {
                stream = TcpStream::connect(client.chain.address()).await.unwrap();
                continue;
            }
        };
        answered += 1;
        let answer = String::from_utf8_lossy(&answer);
        let said = String::from_utf8_lossy(&body);
        assert!(!answer.contains("-32603") && !answer.contains(" 500 "), "{said}\n{answer}");
    }
    assert!(answered * 10 > bodies * 9, "{answered} of {bodies} were answered");
    assert_eq!(client.chain.best().hash(), best);
    client.blocks(1).await;
}

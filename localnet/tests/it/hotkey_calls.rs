//! The calls of hotkeys, for the main mechanism and for another: each works for a hotkey that holds nothing, and is free.

use parity_scale_codec::Encode as _;
use subxt::dynamic::Value;
use subxt_signer::sr25519::Keypair;

use crate::{
    client::{Client, NETUID, key, number},
    commit_reveal::{OTHER, ROW, config, list},
    serving::axon,
    timelocked::VERSION,
};

const MECHANISM: u8 = 1;
/// Where the mechanism's rows are stored.
const INDEX: u16 = 4_096 * MECHANISM as u16 + NETUID;

impl Client {
    /// Validators on a subnet of two mechanisms.
    async fn with_mechanisms(commit_reveal: bool) -> Self {
        let mut config = config();
        let subnet = &mut config.genesis.subnets[0];
        (subnet.commit_reveal, subnet.uids_max) = (commit_reveal, 64);
        let client = Self::with_validators(config).await;
        let two = vec![number(NETUID), number(2u8)];
        client.succeed("AdminUtils", "sudo_set_mechanism_count", two, &key("//Alice")).await;
        client
    }

    /// A row of weights, by netuid and mechanism.
    async fn row(&self, index: u16, uid: u16) -> Vec<(u16, u16)> {
        let at = self.api.at_current_block().await.unwrap();
        let address = subxt::dynamic::storage::<(u16, u16), Vec<(u16, u16)>>("SubtensorModule", "Weights");
        at.storage().fetch(address, (index, uid)).await.unwrap().decode().unwrap()
    }

    async fn call(&self, call: &str, arguments: Vec<Value>, hotkey: &Keypair) {
        self.succeed("SubtensorModule", call, arguments, hotkey).await;
        assert_eq!(self.balance(hotkey).await, 0, "{call} is free for who holds nothing");
    }
}

fn lists<I: IntoIterator<Item = Value>>(items: I) -> Value {
    Value::unnamed_composite(items)
}

#[tokio::test]
async fn weights_in_the_open_are_set_for_each_mechanism_and_in_batches() {
    let client = Client::with_mechanisms(false).await;
    let validator = key("//validator");
    let weights = || [list(&[1, 2]), list(&[1, 3]), number(0u64)];
    client.call("set_weights", [vec![number(NETUID)], weights().into()].concat(), &validator).await;
    assert_eq!(client.row(NETUID, 0).await, [(1, 21_845), (2, 65_535)]);
    assert_eq!(client.row(INDEX, 0).await, []);
    let arguments = vec![number(NETUID), number(MECHANISM), list(&[2]), list(&[7]), number(0u64)];
    client.call("set_mechanism_weights", arguments, &validator).await;
    assert_eq!(client.row(INDEX, 0).await, [(2, 65_535)]);
    assert_eq!(client.row(NETUID, 0).await, [(1, 21_845), (2, 65_535)], "the other's stay");
    let pair = Value::unnamed_composite([number(1u16), number(9u16)]);
    let arguments = vec![lists([number(NETUID)]), lists([lists([pair])]), lists([number(0u64)])];
    client.call("batch_set_weights", arguments, &validator).await;
    assert_eq!(client.row(NETUID, 0).await, [(1, 65_535)]);
}

#[tokio::test]
async fn hashed_weights_are_committed_and_revealed_for_each_mechanism_and_in_batches() {
    let client = Client::with_mechanisms(true).await;
    let validator = key("//validator");
    let hash = |index| Value::from_bytes(ROW.hash(&validator, index));
    client.call("commit_weights", vec![number(NETUID), hash(NETUID)], &validator).await;
    let other = Value::from_bytes(OTHER.hash(&validator, INDEX));
    client.call("commit_mechanism_weights", vec![number(NETUID), number(MECHANISM), other], &validator).await;
    client.next_epoch().await;
    let shown = |row: &crate::commit_reveal::Row| {
        vec![list(row.uids), list(row.values), list(row.salt), number(row.version_key)]
    };
    client.call("reveal_weights", [vec![number(NETUID)], shown(&ROW)].concat(), &validator).await;
    let of_mechanism = [vec![number(NETUID), number(MECHANISM)], shown(&OTHER)].concat();
    client.call("reveal_mechanism_weights", of_mechanism, &validator).await;
    assert_eq!(client.row(NETUID, 0).await, [(1, 21_845), (2, 65_535)]);
    assert_eq!(client.row(INDEX, 0).await, [(2, 65_535)]);

    let other = Value::from_bytes(OTHER.hash(&validator, NETUID));
    client.call("batch_commit_weights", vec![lists([number(NETUID)]), lists([other])], &validator).await;
    client.next_epoch().await;
    let lists_of_one = [list(OTHER.uids), list(OTHER.values), list(OTHER.salt)].map(|row| lists([row]));
    let arguments = [vec![number(NETUID)], lists_of_one.into(), vec![lists([number(OTHER.version_key)])]];
    client.call("batch_reveal_weights", arguments.concat(), &validator).await;
    assert_eq!(client.row(NETUID, 0).await, [(2, 65_535)]);
}

#[tokio::test]
async fn timelocked_weights_are_committed_in_each_form_and_opened_by_the_chain() {
    let client = Client::with_mechanisms(true).await;
    let (first, second) = (key("//validator"), key("//validator2"));
    let (sealed, round) = client.sealed(&first, &[1], 1).await;
    let commit = || vec![Value::from_bytes(&sealed), number(round)];
    let main = [vec![number(NETUID)], commit(), vec![number(VERSION)]].concat();
    client.call("commit_timelocked_weights", main, &first).await;
    let mechanism = [vec![number(NETUID), number(MECHANISM)], commit(), vec![number(VERSION)]].concat();
    client.call("commit_timelocked_mechanism_weights", mechanism, &first).await;
    let (sealed, later) = client.sealed(&second, &[2], 1).await;
    let older = vec![number(NETUID), number(MECHANISM), Value::from_bytes(&sealed), number(later)];
    client.call("commit_crv3_mechanism_weights", older, &second).await;
    client.until_round(round.max(later)).await;
    client.next_epoch().await;
    assert_eq!(client.row(NETUID, 0).await, [(1, 65_535)]);
    assert_eq!(client.row(INDEX, 0).await, [(1, 65_535)]);
    assert_eq!(client.row(INDEX, 3).await, [(2, 65_535)]);
    assert_eq!(client.row(NETUID, 3).await, []);
}

#[tokio::test]
async fn what_a_hotkey_says_about_itself_is_free() {
    let client = Client::with_mechanisms(false).await;
    let miner = key("//miner1");
    client.call("serve_axon", axon(0x0a00_0001, 8_091, 4), &miner).await;
    let tls = [axon(0x0a00_0001, 8_092, 4), vec![Value::from_bytes([1, 0xaa])]].concat();
    client.call("serve_axon_tls", tls, &miner).await;
    let prometheus = vec![number(NETUID), number(1u32), number(7u128), number(9_100u16), number(4u8)];
    client.call("serve_prometheus", prometheus, &miner).await;
    let fields = Value::unnamed_composite([Value::unnamed_variant("Sha256", [Value::from_bytes([7; 32])])]);
    let info = Value::named_composite([("fields", fields)]);
    client.succeed("Commitments", "set_commitment", vec![number(NETUID), info], &miner).await;
    assert_eq!(client.balance(&miner).await, 0);
    let at = client.api.at_current_block().await.unwrap();
    let address = subxt::dynamic::storage::<(u16, [u8; 32]), Value>("SubtensorModule", "NeuronCertificates");
    let key = (NETUID, miner.public_key().0);
    let certificate = at.storage().fetch(address, key).await.unwrap();
    assert_eq!(certificate.bytes(), (vec![0xaau8], 1u8).encode());
}

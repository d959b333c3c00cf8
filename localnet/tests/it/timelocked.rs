//! Weights and commitments encrypted to a round of the chain's beacon, and the beacon itself.

use localnet::Config;
use serde_json::json;
use subxt::dynamic::Value;
use subxt_signer::sr25519::Keypair;

use crate::{
    client::{Client, NETUID, Outcome, failed, key, number},
    commit_reveal::config,
    timelock::{seal, weights_payload},
};

/// The signature of quicknet's round 1000.
const ROUND_1000: &str =
    "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39";
/// The version of timelocked weights.
pub const VERSION: u16 = 4;

impl Client {
    async fn commit_timelocked(&self, hotkey: &Keypair, commit: &[u8], round: u64, version: u16) -> Outcome {
        let arguments =
            vec![number(NETUID), number(0u8), Value::from_bytes(commit), number(round), number(version)];
        self.submit("SubtensorModule", "commit_timelocked_mechanism_weights", arguments, hotkey).await
    }

    /// Weights that the beacon's round `rounds` from now opens.
    pub async fn sealed(&self, hotkey: &Keypair, uids: &[u16], rounds: u64) -> (Vec<u8>, u64) {
        let round = self.last_round().await + rounds;
        let payload = weights_payload(hotkey.public_key().0, uids, &vec![1; uids.len()], 0);
        (seal(&self.beacon().await.public_key, round, &payload), round)
    }

    /// Makes blocks until the beacon has published this round.
    pub async fn until_round(&self, round: u64) {
        for _ in 0..200 {
            if self.last_round().await >= round {
                return;
            }
            self.blocks(1).await;
        }
        panic!("the beacon does not reach round {round}");
    }
}

/// A line of the official library's vectors: its ciphertext to quicknet's round 1000.
fn official(name: &str) -> Vec<u8> {
    let line = include_str!("../../src/beacon/ciphertext/vectors.txt")
        .lines()
        .find(|line| line.starts_with(&format!("{name} ")))
        .unwrap();
    hex::decode(line.rsplit(' ').next().unwrap()).unwrap()
}

#[tokio::test]
async fn timelocked_weights_are_opened_by_the_chain_in_the_next_epoch() {
    let client = Client::with_validators(config()).await;
    let validator = key("//validator");
    let (commit, round) = client.sealed(&validator, &[1, 2], 1).await;
    assert_eq!(client.commit_timelocked(&validator, &commit, round, VERSION).await, Outcome::Success);
    let committed_at = u64::from(client.chain.best_number());
    assert_eq!(client.neurons().await[0].last_update, committed_at);
    client.until_round(round).await;
    assert_eq!(client.weights(0).await, [], "not before its epoch, though the round is out");
    client.next_epoch().await;
    assert_eq!(client.weights(0).await, [(1, 65_535), (2, 65_535)]);
    assert_eq!(client.neurons().await[1].incentive, 32_767, "the epoch that begins counts them");
    assert_eq!(client.neurons().await[0].last_update, committed_at);
}

#[tokio::test]
async fn a_commit_waits_for_its_round_until_its_epoch_is_over() {
    let client = Client::with_validators(config()).await;
    // Twenty blocks of 250 ms are five seconds: of rounds every three seconds, the third comes in the epoch of the reveal
    // and the tenth after it.
    let (in_time, too_late) = (key("//validator"), key("//validator2"));
    let (commit, round) = client.sealed(&in_time, &[1], 3).await;
    assert_eq!(client.commit_timelocked(&in_time, &commit, round, VERSION).await, Outcome::Success);
    let (commit, late) = client.sealed(&too_late, &[2], 10).await;
    assert_eq!(client.commit_timelocked(&too_late, &commit, late, VERSION).await, Outcome::Success);
    client.next_epoch().await;
    assert!(client.last_round().await < round);
    assert_eq!(client.weights(0).await, []);
    client.until_round(round).await;
    client.blocks(1).await;
    assert_eq!(client.weights(0).await, [(1, 65_535)]);
    client.until_round(late).await;
    client.blocks(1).await;
    assert_eq!(client.weights(3).await, []);
}

#[tokio::test]
async fn timelocked_commits_are_refused_with_the_errors_of_the_real_chain() {
    let mut config = config();
    config.genesis.subnets[0].weights_rate_limit_blocks = 15;
    let client = Client::with_validators(config).await;
    let validator = key("//validator");
    let (commit, round) = client.sealed(&validator, &[1], 5).await;
    let passed = client.last_round().await - 1;
    assert_eq!(
        client.commit_timelocked(&validator, &commit, passed, VERSION).await,
        Outcome::Refused(1010, "Custom error: 15".into())
    );
    assert_eq!(
        client.commit_timelocked(&validator, &commit, round, 3).await,
        failed("IncorrectCommitRevealVersion")
    );
    assert_eq!(
        client.commit_timelocked(&key("//stranger"), &commit, round, VERSION).await,
        failed("HotKeyNotRegisteredInSubNet")
    );
    assert_eq!(client.commit_timelocked(&validator, &commit, round, VERSION).await, Outcome::Success);
    assert_eq!(
        client.commit_timelocked(&validator, &commit, round, VERSION).await,
        failed("CommittingWeightsTooFast")
    );
    let elsewhere = vec![number(NETUID), number(1u8), Value::from_bytes(&commit), number(round)];
    assert_eq!(
        client.submit("SubtensorModule", "commit_crv3_mechanism_weights", elsewhere, &validator).await,
        failed("MechanismDoesNotExist")
    );
    let open = Config { genesis: localnet::Genesis::default(), ..crate::commit_reveal::config() };
    let client = Client::with_validators(open).await;
    assert_eq!(
        client.commit_timelocked(&validator, &commit, round + 100, VERSION).await,
        failed("CommitRevealDisabled")
    );
}

#[tokio::test]
async fn bytes_that_are_no_ciphertext_or_another_hotkey_s_weights_reveal_nothing_and_harm_nobody() {
    let client = Client::with_validators(config()).await;
    let (validator, other) = (key("//validator"), key("//validator2"));
    let (stolen, round) = client.sealed(&other, &[2], 1).await;
    for commit in [&[0xff; 300], stolen.as_slice(), b""] {
        assert_eq!(client.commit_timelocked(&validator, commit, round, VERSION).await, Outcome::Success);
    }
    assert_eq!(client.commit_timelocked(&other, &stolen, round, VERSION).await, Outcome::Success);
    client.until_round(round).await;
    client.next_epoch().await;
    assert_eq!(client.weights(0).await, []);
    assert_eq!(client.weights(3).await, [(2, 65_535)]);
}

#[tokio::test]
async fn a_ciphertext_of_the_official_library_is_revealed_with_quicknet_s_pulse() {
    let mut config = config();
    // So slow that round 1000 is years away.
    config.genesis.beacon_period_s = 1_000_000;
    let client = Client::with_validators(config).await;
    let validator = key("//validator");
    assert!(client.last_round().await < 1_000);
    let commit = official("weights");
    assert_eq!(client.commit_timelocked(&validator, &commit, 1_000, VERSION).await, Outcome::Success);
    client.next_epoch().await;
    client.put_pulse(1_000, &hex::decode(ROUND_1000).unwrap()).await;
    client.blocks(1).await;
    assert_eq!(client.weights(0).await, [(1, 21_845), (2, 65_535)]);
}

impl Client {
    /// Puts a pulse from elsewhere into the state.
    async fn put_pulse(&self, round: u64, signature: &[u8]) {
        use parity_scale_codec::Encode;
        let blake2_128_concat = |key: Vec<u8>| [&sp_crypto_hashing::blake2_128(&key)[..], &key].concat();
        let storage_key = [
            &sp_crypto_hashing::twox_128(b"Drand")[..],
            &sp_crypto_hashing::twox_128(b"Pulses"),
            &blake2_128_concat(round.encode()),
        ]
        .concat();
        let pulse = (round, sp_crypto_hashing::sha2_256(signature).to_vec(), signature.to_vec()).encode();
        let item = json!([format!("0x{}", hex::encode(storage_key)), format!("0x{}", hex::encode(pulse))]);
        self.rpc("dev_setStorage", json!([[item]])).await.unwrap();
    }
}

#[tokio::test]
async fn the_beacon_signs_every_round_of_the_chain_s_time() {
    let client = Client::of(config()).await;
    client.blocks(1).await;
    let beacon = client.beacon().await;
    assert_eq!((beacon.period, beacon.genesis_time), (3, 1_692_803_367));
    let first = client.last_round().await;
    // Four blocks a second.
    client.blocks(48).await;
    let last = client.last_round().await;
    assert_eq!(last - first, 4);
    for round in first..=last {
        let pulse = client.pulse(round).await.unwrap();
        assert_eq!(pulse.round, round);
        assert!(localnet::beacon::verify(&beacon.public_key, round, &pulse.signature));
        assert_eq!(pulse.randomness, sp_crypto_hashing::sha2_256(&pulse.signature));
    }
    assert!(client.pulse(last + 1).await.is_none());
}

#[tokio::test]
async fn after_a_jump_in_time_the_newest_rounds_are_there_and_those_that_are_waited_for() {
    let client = Client::with_validators(config()).await;
    let validator = key("//validator");
    let before = client.last_round().await;
    let (commit, round) = client.sealed(&validator, &[1], 1_000).await;
    assert_eq!(client.commit_timelocked(&validator, &commit, round, VERSION).await, Outcome::Success);
    let day_ms = 24 * 3_600 * 1_000;
    client.rpc("dev_timeTravel", json!([day_ms])).await.unwrap();
    client.blocks(1).await;
    let last = client.last_round().await;
    assert!(last >= before + day_ms / 3_000);
    assert!(client.pulse(last).await.is_some() && client.pulse(last - 49).await.is_some());
    assert!(client.pulse(round).await.is_some() && client.pulse(round + 1).await.is_none());
    client.next_epoch().await;
    assert_eq!(client.weights(0).await, [(1, 65_535)]);
}

#[tokio::test]
async fn timelocked_commitments_are_revealed_when_their_round_is_out() {
    let client = Client::with_validators(config()).await;
    let miner = key("//miner1");
    let round = client.last_round().await + 2;
    let field = |encrypted: &[u8]| {
        let fields = [("encrypted", Value::from_bytes(encrypted)), ("reveal_round", number(round))];
        Value::named_variant("TimelockEncrypted", fields)
    };
    let sealed = seal(&client.beacon().await.public_key, round, b"here I am");
    let fields = Value::unnamed_composite([field(&sealed), field(&[1; 500])]);
    let info = Value::named_composite([("fields", fields)]);
    client.succeed("Commitments", "set_commitment", vec![number(NETUID), info], &miner).await;
    assert_eq!(client.revealed(&miner).await, None);
    client.until_round(round).await;
    client.blocks(1).await;
    let block = u64::from(client.chain.best_number());
    assert_eq!(client.revealed(&miner).await, Some(vec![(b"here I am".to_vec(), block)]));
    let at = client.api.at_current_block().await.unwrap();
    let address = subxt::dynamic::storage::<(u16, [u8; 32]), Value>("Commitments", "CommitmentOf");
    let left = at.storage().fetch(address, (NETUID, miner.public_key().0)).await.unwrap();
    // Deposit, block, then one field: the other, marked as failed.
    assert_eq!(left.bytes()[12..14], [4, 137]);
}

impl Client {
    async fn revealed(&self, who: &Keypair) -> Option<Vec<(Vec<u8>, u64)>> {
        let at = self.api.at_current_block().await.unwrap();
        let address = subxt::dynamic::storage::<(u16, [u8; 32]), Vec<(Vec<u8>, u64)>>(
            "Commitments",
            "RevealedCommitments",
        );
        let value = at.storage().try_fetch(address, (NETUID, who.public_key().0)).await.unwrap()?;
        Some(value.decode().unwrap())
    }
}

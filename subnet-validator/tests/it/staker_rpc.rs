use std::collections::BTreeMap;
use std::sync::Arc;

use crate::heads::rules;
use crate::support::miner::{Manner, TestMiner};
use crate::support::stand::Stand;
use crate::support::{Ask, catalogue, miner_key, receipt, validator};
use chain_client::weights::{Entry, Progress};
use chain_client::{
    BlockRef, EmissionStanding, EpochState, Hyperparameters, Metagraph, Neuron, SubnetEconomy, YieldInputs,
};
use protocol::digest::Digest;
use protocol::merkle;
use protocol::receipt::UncheckedCountersigned;
use protocol::scoring::{Miner, Policy};
use serde_json::{Value, json};
use subnet_validator::audit::peers::Peers;
use subnet_validator::audit::verdict::Verdict;
use subnet_validator::audit::verdicts::{KeptVerdict, Verdicts};
use subnet_validator::chain_view::ChainSnapshot;
use subnet_validator::clock::Clock;
use subnet_validator::config::Config;
use subnet_validator::ledger::Ledger;
use subnet_validator::market::Market;
use subnet_validator::market::desk::{Desk, Question};
use subnet_validator::market::history::History;
use subnet_validator::staker_rpc::config::StakerRpcConfig;
use subnet_validator::staker_rpc::{StakerRpc, StakerRpcParts};
use subnet_validator::usage::follow::UsageView;
use subnet_validator::weights::window::Window;
use subnet_validator::weights::{Scored, WeightsState};
use tokio::sync::watch;

const RAO: u64 = 1_000_000_000;
/// The block's time: in the hour in which the receipts were issued.
const TIME_MS: u64 = 1_800_000;
const BLOCK: BlockRef = BlockRef { number: 1_234, hash: [0xab; 32] };

fn neuron(uid: u16, name: &str) -> Neuron {
    Neuron {
        uid,
        hotkey: miner_key(name).public(),
        coldkey: miner_key("//Ferdie").public(),
        axon: None,
        axon_block: 0,
        tls_key: None,
        active: true,
        validator_permit: uid == 0,
        stake_rao: u64::MAX,
        root_stake_rao: 0,
        stake_weight_rao: u64::MAX,
        incentive: 17,
        dividends: 0,
        consensus: 0,
        validator_trust: 0,
        emission_rao: 5_000_000_000,
        last_update: 1_200,
        registered_at: Some(10),
    }
}

fn snapshot() -> ChainSnapshot {
    let neurons = vec![neuron(0, "//Alice"), neuron(1, "//Bob"), neuron(2, "//Charlie"), neuron(3, "//Dave")];
    let hyperparameters = Hyperparameters {
        tempo: 360,
        weights_rate_limit: 100,
        commit_reveal_enabled: false,
        weights_version_key: 3,
        min_allowed_weights: 1,
        serving_rate_limit: 50,
        burn_rao: 1_000_000_000,
        registration_allowed: true,
        immunity_period: 4_096,
        max_allowed_uids: 256,
    };
    ChainSnapshot {
        block: BLOCK,
        timestamp_ms: TIME_MS,
        metagraph: Metagraph { netuid: 64, block: BLOCK, tempo: 360, hyperparameters, neurons },
        hyperparameters,
        epoch: EpochState {
            block: BLOCK,
            tempo: 360,
            last_epoch_block: 1_080,
            next_epoch_block: Some(1_440),
            epoch_index: 3,
        },
        weights: BTreeMap::from([(0, vec![(1, 65_535), (3, 100)])]),
        read_at_ms: Clock::new().now_ms() - 7_500,
    }
}

mod figures;
mod interface;
mod server;
mod subscriptions;
mod vectors;

struct Rpc {
    server: StakerRpc,
    stand: Stand,
    chain: watch::Sender<Arc<ChainSnapshot>>,
    history: History,
    verdicts: Verdicts,
    questions: tokio::sync::mpsc::Receiver<Question>,
    _miner: TestMiner,
}

fn market() -> Market {
    let validator = validator().public();
    let of = YieldInputs {
        dividends_rao: 1_000_000,
        stake_rao: 1_000_000_000,
        take: 11_796,
        tempo: 360,
        block_time_ms: 12_000,
    };
    Market {
        chain: Arc::new(snapshot()),
        economy: SubnetEconomy {
            netuid: 64,
            block: BLOCK,
            symbol: "ב".into(),
            price_rao: 50_000_000,
            moving_price_rao: 40_000_000,
            pool_tao_rao: 1_000 * RAO,
            pool_alpha_rao: 20_000 * RAO,
            alpha_out_rao: 30_000 * RAO,
            volume_rao: 7,
            tao_emission_rao: 5_000_000,
            alpha_in_emission_rao: 100_000_000,
            alpha_out_emission_rao: RAO,
            chain_emission_rao: 500_000_000,
        },
        standing: EmissionStanding {
            rank: 33,
            subnets: 128,
            burned_ppm: 250_000,
            root_proportion_ppm: 100_000,
            owner_cut_ppm: 180_000,
            emission_enabled: true,
            block_time_ms: 12_000,
        },
        yields: BTreeMap::from([(validator, of)]),
        commitments: BTreeMap::new(),
    }
}

/// A server over a ledger of `receipts` receipts, alternately Bob's and Charlie's.
async fn rpc(receipts: u64) -> Rpc {
    rpc_with(receipts, |_| {}).await
}

async fn rpc_with(receipts: u64, change: impl FnOnce(&mut StakerRpcConfig)) -> Rpc {
    rpc_over(None, receipts, change).await
}

/// What a server over this ledger answers.
pub async fn asked_of(ledger: &Ledger, method: &str, params: Value) -> Value {
    let rpc = rpc_over(Some(ledger.clone()), 0, |_| {}).await;
    rpc.call(method, params).await["result"]["data"].clone()
}

async fn rpc_over(ledger: Option<Ledger>, receipts: u64, change: impl FnOnce(&mut StakerRpcConfig)) -> Rpc {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::start(&[&miner]).await;
    for sequence in 0..receipts {
        let name = if sequence % 2 == 0 { "//Bob" } else { "//Charlie" };
        stand.ledger.append(receipt(&miner_key(name), sequence)).await.unwrap();
    }
    let snapshot = snapshot();
    let registered = snapshot
        .metagraph
        .neurons
        .iter()
        .map(|neuron| (Miner::new(neuron.hotkey, neuron.coldkey), neuron.uid))
        .collect();
    let window = Window { policy: Policy::default(), end_ms: 1_000_000 + receipts, registered };
    let (table, weights) = window.score(&stand.ledger, rules()).await.unwrap();
    let scored = Some(Arc::new(Scored { block: BLOCK.number, table, weights }));
    let (chain_sender, chain) = watch::channel(Arc::new(snapshot));
    let last = Entry {
        epoch_index: 2,
        decided_at_block: 1_190,
        scores: Digest::ZERO,
        vector: vec![(1, 65_535)],
        progress: Progress::Confirmed { in_block: 1_200, manner: None },
    };
    let state = WeightsState {
        scored,
        last: Some(last),
        waiting: Some("it is early".into()),
        failed: false,
        merged: None,
    };
    let (_, weights) = watch::channel(state);
    let (_, market) = watch::channel(Some(Arc::new(market())));
    let mut config = Config::default().staker_rpc;
    config.bind.set_port(0);
    change(&mut config);
    let usage = UsageView::new(config.usage_hours_max);
    usage.catch_up(&stand.ledger, &Arc::new(catalogue())).await.unwrap();
    let (desk, questions) = Desk::new(config.chain_questions_max);
    let history = History::open(stand.folder.path()).unwrap();
    let verdicts = Verdicts::new(stand.folder.path());
    let server = StakerRpc::bind(StakerRpcParts {
        config,
        hotkey: validator().public(),
        policy: Policy::default(),
        chain,
        market,
        history: history.clone(),
        desk,
        fleet: stand.fleet.clone(),
        ledger: ledger.unwrap_or_else(|| stand.ledger.clone()),
        usage,
        weights,
        peers: Peers::default(),
        verdicts: verdicts.clone(),
        bundles: stand.folder.path().join("audit"),
        clock: Arc::new(Clock::new()),
    })
    .await
    .unwrap();
    Rpc { server, stand, chain: chain_sender, history, verdicts, questions, _miner: miner }
}

/// A verdict about Dave.
fn verdict(epoch_index: u64, agreed: bool) -> KeptVerdict {
    let verdict = Verdict {
        shard: None,
        agreed,
        validator: Some(miner_key("//Dave").public()),
        epoch_index: Some(epoch_index),
        head: Some(Digest::ZERO),
        leaves: 9,
        leaf: None,
        reason: (!agreed).then(|| "leaf 3 is not signed".into()),
        compared_with_chain: true,
        findings: Vec::new(),
        scores: Vec::new(),
        unlogged: BTreeMap::new(),
    };
    KeptVerdict { verdict, reviewed_at_ms: 1 }
}

impl Rpc {
    async fn call(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let reply = Ask::new("POST", self.server.address(), "/").body(body.to_string()).send().await;
        reply.json()
    }

    /// The data of an answer, after checking what every answer says of its block.
    async fn data(&self, method: &str, params: Value) -> Value {
        let answer = self.call(method, params).await;
        let as_of = &answer["result"]["asOf"];
        assert_eq!((&as_of["block"], &as_of["finalized"]), (&json!(1_234), &json!(true)), "{answer}");
        assert_eq!(as_of["blockHash"], format!("0x{}", "ab".repeat(32)));
        assert_eq!(as_of["validatorHotkey"], validator().public().to_ss58());
        assert_eq!(as_of["timestamp"], json!(TIME_MS));
        assert_eq!(as_of["receipts"], json!(self.stand.ledger.head().size));
        assert!(as_of["staleSeconds"].as_u64().unwrap() >= 7);
        answer["result"]["data"].clone()
    }

    async fn error(&self, method: &str, params: Value) -> (i64, String) {
        let answer = self.call(method, params).await;
        let error = &answer["error"];
        let code = error["data"]["code"].as_str().unwrap_or_default().to_owned();
        (error["code"].as_i64().unwrap_or_else(|| panic!("{answer}")), code)
    }
}

#[tokio::test]
async fn info_tells_the_rules_the_policy_and_the_log() {
    let rpc = rpc(3).await;
    let info = rpc.data("subnet_v1_info", json!([])).await;
    assert_eq!(
        (&info["netuid"], &info["tempo"], &info["nextEpochBlock"]),
        (&json!(64), &json!(360), &json!(1_440))
    );
    assert_eq!(info["hyperparameters"]["burnRao"], "1000000000");
    assert_eq!(info["validator"]["stakeRao"], u64::MAX.to_string());
    assert_eq!(info["validator"]["validatorPermit"], true);
    assert_eq!(info["scoring"]["policyHash"], Policy::default().hash().to_string());
    assert_eq!(info["scoring"]["computeBps"], 5_500);
    assert_eq!(info["ledger"], json!({"receipts": 3, "root": rpc.stand.ledger.head().root.to_string()}));
    assert_eq!(info["models"][0]["id"], "echo");
}

#[tokio::test]
async fn miners_are_listed_with_their_scores_by_pages() {
    let rpc = rpc(4).await;
    let page = rpc.data("subnet_v1_miners", json!({"limit": 2})).await;
    assert_eq!(page["nextCursor"], "2");
    let bob = &page["items"][0];
    assert_eq!((&bob["uid"], &bob["online"], &bob["models"]), (&json!(1), &json!(true), &json!(["echo"])));
    assert_eq!(bob["emissionRao"], "5000000000");
    assert_eq!((&bob["score"]["basisPoints"], &bob["score"]["invocations"]), (&json!(5_000), &json!(2)));
    assert_eq!(bob["score"]["computeUnits"], (2 * (5 * 250 + 3 * 1_000)).to_string());
    let rest = rpc.data("subnet_v1_miners", json!({"limit": 2, "cursor": "2"})).await;
    assert_eq!((&rest["items"][0]["uid"], &rest["nextCursor"]), (&json!(3), &Value::Null));
}

#[tokio::test]
async fn receipts_come_newest_first_in_pages_of_at_most_a_hundred() {
    let rpc = rpc(150).await;
    let first = rpc.data("subnet_v1_receipts", Value::Null).await;
    assert_eq!(first["items"].as_array().unwrap().len(), 100);
    assert_eq!(first["items"][0]["index"], 149);
    let rest = rpc.data("subnet_v1_receipts", json!([first["nextCursor"]])).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["nextCursor"]), (50, &Value::Null));

    let charlie = miner_key("//Charlie").public();
    let his = rpc.data("subnet_v1_receipts", json!({"limit": 2, "miner": charlie})).await;
    let item = &his["items"][0];
    assert_eq!(
        (&item["miner"], &item["index"], &item["sequence"]),
        (&json!(charlie), &json!(149), &json!("149"))
    );
    assert_eq!((&item["observed"]["outcome"], &item["finishReason"]), (&json!("delivered"), &json!("stop")));
    assert_eq!(item["counts"], true);
}

#[tokio::test]
async fn a_receipt_can_be_fetched_and_checked_alone_with_its_proof() {
    let rpc = rpc(5).await;
    let hash = receipt(&miner_key("//Bob"), 2).receipt().hash();

    let one = rpc.data("subnet_v1_receipt", json!({"hash": hash})).await;
    let bytes = hex::decode(one["encoded"].as_str().unwrap().strip_prefix("0x").unwrap()).unwrap();
    let checked = UncheckedCountersigned::from_bytes(&bytes).unwrap().verify().unwrap();
    assert_eq!(one["leafHash"], checked.leaf_hash().to_string());

    let proof = rpc.data("subnet_v1_receiptProof", json!([hash])).await;
    let path: Vec<_> = proof["path"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node.as_str().unwrap().parse().unwrap())
        .collect();
    let root = proof["root"].as_str().unwrap().parse().unwrap();
    let (index, size) = (proof["index"].as_u64().unwrap(), proof["size"].as_u64().unwrap());
    assert!(merkle::verify_inclusion(&checked.leaf_hash(), index, size, &path, &root));
}

#[tokio::test]
async fn weights_show_what_the_chain_holds_and_what_follows_next() {
    let rpc = rpc(4).await;
    let weights = rpc.data("subnet_v1_weights", json!([])).await;
    let dave = miner_key("//Dave").public();
    assert_eq!(weights["onChain"][1], json!({"uid": 3, "hotkey": dave, "weight": 100}));
    assert_eq!((&weights["lastUpdate"], &weights["waiting"]), (&json!(1_200), &json!("it is early")));
    let last = &weights["last"];
    assert_eq!(
        (&last["state"], &last["inBlock"], &last["submittedAtBlock"]),
        (&json!("confirmed"), &json!(1_200), &Value::Null)
    );
    assert_eq!(last["weights"][0]["hotkey"], json!(miner_key("//Bob").public()));
    let rows = weights["scores"]["rows"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["basisPoints"].as_u64().unwrap()).sum::<u64>(), 10_000);
    assert_eq!(weights["scores"]["setAside"]["withError"], 0);
}

#[tokio::test]
async fn wrong_parameters_are_refused_with_a_stable_code() {
    let rpc = rpc(1).await;
    let invalid = (-32602, "invalid_params".to_owned());
    for params in [
        json!({"limit": 101}),
        json!({"limit": 0}),
        json!({"cursor": "x"}),
        json!({"colour": 1}),
        json!(["1", -1]),
    ] {
        assert_eq!(rpc.error("subnet_v1_receipts", params.clone()).await, invalid, "{params}");
    }
    assert_eq!(rpc.error("subnet_v1_receipt", json!({"hash": "0x00"})).await, invalid);
    assert_eq!(rpc.error("subnet_v1_receipt", Value::Null).await, invalid);
    let unknown = json!({"hash": format!("0x{}", "00".repeat(32))});
    assert_eq!(rpc.error("subnet_v1_receipt", unknown).await, (-32004, "not_found".into()));
    assert_eq!(rpc.error("subnet_v2_info", json!([])).await.0, -32601);
}

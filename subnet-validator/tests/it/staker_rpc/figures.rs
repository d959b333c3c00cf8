//! Figures that follow from others, computed here a second time.

use protocol::digest::Digest;
use protocol::merkle;
use serde_json::{Value, json};
use subnet_validator::heads::{TempoFacts, cut};
use subnet_validator::market::desk::Question;
use subnet_validator::market::history::{EpochMarket, EpochYield};

use super::{BLOCK, RAO, TIME_MS, rpc, snapshot, verdict};
use crate::heads::rules;
use crate::support::{miner_key, receipt, validator};

fn number(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn economics_add_up() {
    let rpc = rpc(0).await;
    let data = rpc.data("subnet_v1_economics", json!([])).await;
    // 50,000 alpha at 0.05 TAO.
    assert_eq!(data["marketCapRao"], (2_500 * RAO).to_string());
    assert_eq!((&data["emissionShare"], &data["tier"]), (&json!("0.010000"), &json!(2)));
    assert_eq!(data["alphaOutPerDayRao"], (7_200 * RAO).to_string());
    let split = ["owner", "miners", "validators", "root"].map(|part| number(&data["split"][part]));
    assert!((split.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{split:?}");
    assert_eq!(data["split"]["root"], "0.041000", "a tenth of half of what the owner leaves");
}

#[tokio::test]
async fn a_yield_can_be_computed_again_from_its_inputs() {
    let rpc = rpc(0).await;
    let of = |dividends_rao| EpochYield {
        dividends_rao,
        stake_rao: RAO,
        take: 11_796,
        tempo: 360,
        block_time_ms: 12_000,
    };
    for (epoch_index, dividends_rao) in [(1, 0), (2, 300_000), (3, 500_000)] {
        rpc.history.record_epoch(EpochMarket {
            epoch_index,
            block: 100 * u32::try_from(epoch_index).unwrap(),
            block_hash: Digest::ZERO,
            timestamp_ms: TIME_MS - 1_000 + epoch_index,
            price_rao: 1,
            tao_emission_rao: 1,
            yields: [(validator().public(), of(dividends_rao))].into(),
        });
    }
    let data = rpc.data("subnet_v1_yield", json!({"window": "1h"})).await;
    assert_eq!(
        (&data["epochsSeen"], &data["epochsPaid"], &data["take"]),
        (&json!(3), &json!(2), &json!("0.179995"))
    );
    let inputs = data["inputs"].as_array().unwrap();
    let product: f64 =
        inputs.iter().map(|one| 1.0 + number(&one["dividendsRao"]) / number(&one["stakeRao"])).product();
    let year = product.powf(number(&data["epochsPerYear"]) / inputs.len() as f64);
    assert!((number(&data["percentPerYear"]) - (year - 1.0) * 100.0).abs() < 1e-3, "{data}");

    let last = rpc.data("subnet_v1_yield", json!([])).await;
    assert_eq!((&last["epochsSeen"], &last["inputs"][0]["block"]), (&json!(1), &json!(BLOCK.number)));
    assert_eq!(last["percentPerEpoch"], "0.100000");
    let stranger = json!({"hotkey": miner_key("//Eve").public()});
    assert_eq!(rpc.error("subnet_v1_yield", stranger).await, (-32004, "not_found".into()));
}

#[tokio::test]
async fn quotes_are_the_chains_at_the_answers_block() {
    let mut rpc = rpc(0).await;
    let mut questions = std::mem::replace(&mut rpc.questions, tokio::sync::mpsc::channel(1).1);
    let answering = tokio::spawn(async move {
        let Some(Question::Stake { tao_rao, at, reply }) = questions.recv().await else {
            panic!("another question")
        };
        let quote = chain_client::SwapQuote {
            tao_rao,
            alpha_rao: 19 * RAO,
            tao_fee_rao: 5,
            alpha_fee_rao: 0,
            tao_slippage_rao: 3,
            alpha_slippage_rao: 0,
        };
        reply.send(Ok(quote)).unwrap();
        at
    });
    let data = rpc.data("subnet_v1_quoteStake", json!({"amount": RAO.to_string()})).await;
    assert_eq!(
        (&data["taoRao"], &data["alphaRao"]),
        (&json!(RAO.to_string()), &json!((19 * RAO).to_string()))
    );
    assert_eq!(answering.await.unwrap(), BLOCK);
    for amount in ["0", "-1", "1.5", "18446744073709551616"] {
        let refused = rpc.error("subnet_v1_quoteUnstake", json!([amount])).await;
        assert_eq!(refused, (-32602, "invalid_params".into()), "{amount}");
    }
    assert_eq!(rpc.error("subnet_v1_quoteStake", json!(["1"])).await, (-32001, "chain_unavailable".into()));
}

#[tokio::test]
async fn usage_is_what_the_receipts_add_up_to_however_it_is_divided() {
    let rpc = rpc(7).await;
    let by = async |group: &str| rpc.data("subnet_v1_usage", json!({"window": "1h", "groupBy": group})).await;
    let miners = by("miner").await;
    assert_eq!(miners["rows"].as_array().unwrap().len(), 2);
    assert_eq!((&miners["receipts"], &miners["total"]["service"]["requests"]), (&json!(7), &json!(7)));
    // Each receipt: 5 tokens read at 250, 3 written at 1,000.
    assert_eq!(miners["total"]["computeUnits"], (7 * (5 * 250 + 3 * 1_000)).to_string());
    for group in ["model", "hour", "day"] {
        let rows = by(group).await;
        assert_eq!(
            (rows["rows"].as_array().unwrap().len(), &rows["total"]),
            (1, &miners["total"]),
            "{group}"
        );
    }
    let revenue = rpc.data("subnet_v1_revenue", json!([])).await;
    assert_eq!((&revenue["charged"], &revenue["refunded"]), (&miners["total"]["computeUnits"], &json!("0")));
    let fleet = rpc.data("subnet_v1_fleet", json!([])).await;
    assert_eq!((&fleet["online"], &fleet["models"][0]["holders"]), (&json!(1), &json!(1)));
    assert_eq!(fleet["models"][0]["demandShare"], "1.000000");
}

#[tokio::test]
async fn a_score_is_explained_down_to_receipts_that_add_up_to_it() {
    let rpc = rpc(9).await;
    let bob = miner_key("//Bob").public();
    let first = rpc.data("subnet_v1_scoreExplain", json!({"minerHotkey": bob, "limit": 3})).await;
    let next = first["receipts"]["nextCursor"].clone();
    let rest = rpc.data("subnet_v1_scoreExplain", json!([bob, null, next])).await;
    let items = first["receipts"]["items"]
        .as_array()
        .unwrap()
        .iter()
        .chain(rest["receipts"]["items"].as_array().unwrap());
    let units: Vec<u64> = items.map(|item| item["computeUnits"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!((units.len(), &rest["receipts"]["nextCursor"]), (5, &Value::Null));
    assert_eq!(first["score"]["computeUnits"], units.iter().sum::<u64>().to_string());
    let points: u64 =
        first["terms"].as_array().unwrap().iter().map(|term| term["pointsBps"].as_u64().unwrap()).sum();
    assert!(first["score"]["basisPoints"].as_u64().unwrap() - points <= 4, "{first}");
    assert_eq!(first["epoch"], Value::Null);
    let nobody = json!([miner_key("//Ferdie//nobody").public()]);
    assert_eq!(rpc.error("subnet_v1_scoreExplain", nobody).await, (-32004, "not_found".into()));
}

#[tokio::test]
async fn an_epochs_head_proves_its_receipts_and_explains_its_scores() {
    let rpc = rpc(5).await;
    let miners = snapshot().metagraph.neurons;
    let facts = TempoFacts {
        epoch_index: 3,
        block: BLOCK,
        timestamp_ms: TIME_MS,
        miners: miners.iter().map(|one| protocol::scoring::Miner::new(one.hotkey, one.coldkey)).collect(),
    };
    cut(&rpc.stand.ledger, &rules(), &validator(), facts).await.unwrap();
    rpc.stand.ledger.append(receipt(&miner_key("//Bob"), 77)).await.unwrap();

    let page = rpc.data("subnet_v1_epochs", json!([])).await;
    let epoch = &page["items"][0];
    assert_eq!(
        (&epoch["epochIndex"], &epoch["receipts"], &epoch["commitmentState"]),
        (&json!(3), &json!(5), &json!("missing"))
    );
    let whole = rpc.data("subnet_v1_epoch", json!([3])).await;
    assert_eq!((&whole["root"], &whole["scores"]["scoreTable"]), (&epoch["root"], &epoch["scoresHash"]));
    assert_eq!(rpc.error("subnet_v1_epoch", json!([4])).await, (-32004, "not_found".into()));

    let hash = receipt(&miner_key("//Bob"), 2).receipt().hash();
    let proof = rpc.data("subnet_v1_receiptProof", json!({"hash": hash, "epoch": 3})).await;
    assert_eq!((&proof["size"], &proof["root"], &proof["head"]), (&json!(5), &epoch["root"], &epoch["head"]));
    let digest = |value: &Value| value.as_str().unwrap().parse::<Digest>().unwrap();
    let path: Vec<Digest> = proof["path"].as_array().unwrap().iter().map(digest).collect();
    let leaf = receipt(&miner_key("//Bob"), 2).leaf_hash();
    assert!(merkle::verify_inclusion(&leaf, 2, 5, &path, &digest(&epoch["root"])));
    let later = json!({"hash": receipt(&miner_key("//Bob"), 77).receipt().hash(), "epoch": 3});
    assert_eq!(rpc.error("subnet_v1_receiptProof", later).await, (-32004, "not_found".into()));

    let explained = rpc
        .data("subnet_v1_scoreExplain", json!({"minerHotkey": miner_key("//Bob").public(), "epoch": 3}))
        .await;
    assert_eq!((&explained["scoreTable"], &explained["epoch"]), (&epoch["scoresHash"], &json!(3)));
    assert_eq!(explained["receipts"]["items"].as_array().unwrap().len(), 3, "not the one after the head");
}

#[tokio::test]
async fn validators_are_listed_by_stake_with_their_yield() {
    let rpc = rpc(0).await;
    let page = rpc.data("subnet_v1_validators", json!([])).await;
    let [own] = page["items"].as_array().unwrap().as_slice() else { panic!("{page}") };
    assert_eq!((&own["uid"], &own["isSelf"], &own["take"]), (&json!(0), &json!(true), &json!("0.179995")));
    assert_eq!((&own["percentPerEpoch"], &own["weights"]), (&json!("0.100000"), &json!(2)));
    assert_eq!(&rpc.data("subnet_v1_validator", json!([validator().public()])).await, own);
    assert_eq!(rpc.error("subnet_v1_validator", json!([miner_key("//Bob").public()])).await.1, "not_found");
    let miner = rpc.data("subnet_v1_miner", json!([miner_key("//Bob").public()])).await;
    assert_eq!((&miner["uid"], &miner["immuneUntil"]), (&json!(1), &json!(4_106)));
}

#[tokio::test]
async fn verdicts_are_shown_newest_first_by_pages() {
    let rpc = rpc(0).await;
    for epoch_index in 0..5 {
        rpc.verdicts.append(&verdict(epoch_index, epoch_index != 4)).unwrap();
    }
    let page = rpc.data("subnet_v1_audits", json!({"limit": 3})).await;
    assert_eq!((&page["items"][0]["epochIndex"], &page["items"][0]["agreed"]), (&json!(4), &json!(false)));
    let rest = rpc.data("subnet_v1_audits", json!({"limit": 3, "cursor": page["nextCursor"]})).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["nextCursor"]), (2, &Value::Null));
    assert_eq!(rpc.data("subnet_v1_exports", json!([])).await, json!({"bundles": []}));
}

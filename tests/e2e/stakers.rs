//! What stakers are told is what the chain and the ledger hold, read here a second time without the validator.

use protocol::digest::Digest;
use serde_json::{Value, json};
use subnet_tests::{ECHO_MODEL, Subnet, wait};

const NETUID: u16 = 64;
const RAO: u64 = 1_000_000_000;

fn amount(value: &Value) -> u64 {
    value.as_str().and_then(|text| text.parse().ok()).expect("an amount in decimal digits")
}

/// A subnet that has served five calls and ended some epochs, so that there are dividends and a committed head.
async fn served() -> Subnet {
    let subnet = Subnet::start(1, 2).await;
    for number in 0..5 {
        assert_eq!(subnet.validators[0].chat(ECHO_MODEL, &format!("call {number}")).await.status, 200);
    }
    wait::until("weights are on chain and an epoch has paid for them", || async {
        subnet.produce_blocks(2).await;
        let answer = subnet.validators[0].rpc("subnet_v1_validators", json!([])).await;
        let paid = answer["data"]["items"][0]["dividendsRao"].as_str().is_some_and(|rao| rao != "0");
        let heads = subnet.validators[0].rpc("subnet_v1_epochs", json!([])).await;
        let newest = &heads["data"]["items"][0];
        // A head may have been cut between two of the calls.
        (paid && newest["commitmentState"] == "onChain" && newest["receipts"] == 5).then_some(())
    })
    .await;
    subnet
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_figure_of_money_is_the_chains_own_at_the_block_named() {
    let subnet = served().await;
    let (validator, client) = (&subnet.validators[0], subnet.client());
    let block_of = |answer: &Value| {
        let number = u32::try_from(answer["asOf"]["block"].as_u64().unwrap()).unwrap();
        let hash: Digest = answer["asOf"]["blockHash"].as_str().unwrap().parse().unwrap();
        chain_client::BlockRef { number, hash: hash.0 }
    };

    let economics = validator.rpc("subnet_v1_economics", json!([])).await;
    let economy = client.economy(NETUID, block_of(&economics)).await.unwrap();
    let data = &economics["data"];
    let shown = ["priceRao", "taoInRao", "alphaInRao", "alphaOutRao", "taoEmissionRao", "chainEmissionRao"];
    let read = [
        economy.price_rao,
        economy.pool_tao_rao,
        economy.pool_alpha_rao,
        economy.alpha_out_rao,
        economy.tao_emission_rao,
        economy.chain_emission_rao,
    ];
    assert_eq!(shown.map(|name| amount(&data[name])), read);

    let percent = validator.rpc("subnet_v1_yield", json!([])).await;
    let inputs = client.yield_inputs(NETUID, &validator.hotkey(), block_of(&percent)).await.unwrap();
    let shown = &percent["data"]["inputs"][0];
    assert_eq!(
        (amount(&shown["dividendsRao"]), amount(&shown["stakeRao"])),
        (inputs.dividends_rao, inputs.stake_rao)
    );
    let epoch: f64 = percent["data"]["percentPerEpoch"].as_str().unwrap().parse().unwrap();
    let expected = 100.0 * inputs.dividends_rao as f64 / inputs.stake_rao as f64;
    assert!(inputs.dividends_rao > 0 && (epoch - expected).abs() < 1e-5, "{epoch} {expected}");

    let quote = validator.rpc("subnet_v1_quoteStake", json!([(10 * RAO).to_string()])).await;
    let own = client.quote_stake(NETUID, 10 * RAO, block_of(&quote)).await.unwrap();
    assert_eq!(
        (amount(&quote["data"]["alphaRao"]), amount(&quote["data"]["taoRao"])),
        (own.alpha_rao, own.tao_rao)
    );

    let metagraph = validator.rpc("subnet_v1_validators", json!([])).await;
    let coldkey = metagraph["data"]["items"][0]["coldkey"].clone();
    let position = validator.rpc("subnet_v1_position", json!([coldkey])).await;
    let at = block_of(&position);
    let positions = client.stake_positions(&coldkey.as_str().unwrap().parse().unwrap(), at).await.unwrap();
    let [held] = &positions[..] else { panic!("{positions:?}") };
    let stake = &position["data"]["stakes"][0];
    assert_eq!(
        (amount(&stake["stakeRao"]), amount(&position["data"]["stakeRao"])),
        (held.stake_rao, held.stake_rao)
    );
    let worth = client.quote_unstake(NETUID, held.stake_rao, at).await.unwrap();
    assert_eq!(amount(&stake["valueRao"]), worth.tao_rao);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_usage_and_explanations_are_those_of_the_ledger_and_of_the_chain() {
    let subnet = served().await;
    let validator = &subnet.validators[0];
    let epochs = validator.rpc("subnet_v1_epochs", json!([])).await;
    let newest = &epochs["data"]["items"][0];
    let block = subnet.client().finalized().await.unwrap();
    let committed = subnet.client().commitment(NETUID, &validator.hotkey(), block).await.unwrap().unwrap();
    assert_eq!(newest["head"], Digest(*committed.sha256().unwrap()).to_string());

    let reader = validator.validator().ledger().reader();
    let (verified, stored) = tokio::task::spawn_blocking(move || {
        (reader.verify(|_| {}).unwrap(), reader.from(0, usize::MAX).unwrap())
    })
    .await
    .unwrap();
    assert_eq!(
        (&newest["receipts"], &newest["root"]),
        (&json!(verified.size), &json!(verified.root.to_string()))
    );
    let usage = validator.rpc("subnet_v1_usage", json!({"window": "30d"})).await;
    let total = &usage["data"]["total"];
    let tokens: u64 = stored.iter().map(|one| u64::from(one.receipt.receipt().completion_tokens)).sum();
    assert_eq!(
        (total["service"]["requests"].as_u64().unwrap(), amount(&total["completionTokens"])),
        (5, tokens)
    );

    let epoch = newest["epochIndex"].as_u64().unwrap();
    let record = validator.validator().ledger().reader().head(epoch).unwrap().unwrap();
    for row in &record.table.rows {
        let params = json!({"minerHotkey": row.hotkey.to_ss58(), "epoch": epoch});
        let explained = validator.rpc("subnet_v1_scoreExplain", params).await["data"].clone();
        assert_eq!(explained["score"]["basisPoints"], row.basis_points);
        let items = explained["receipts"]["items"].as_array().unwrap();
        let units: u128 = items.iter().map(|item| u128::from(amount(&item["computeUnits"]))).sum();
        assert_eq!(units, row.compute_units, "{explained}");
    }
}

//! What holds on every subtensor: `CHAIN_WS_URL` names another chain than our own to try it on (`scripts/chain-docker` starts
//! the official one). The chain must have the development accounts and one subnet that takes registrations.

use std::pin::pin;
use std::time::{Duration, SystemTime};

use chain_client::{Announced, Announcement, ChainClient, ConnectConfig, Registration};
use futures::StreamExt;
use localnet::{Blocks, Config, Localnet};

use crate::support::{TAO, account, any_port, key};

/// Blocks of the real chain come every twelve seconds, and final ones some blocks later.
const PATIENCE: Duration = Duration::from_secs(120);
/// Where a subnet is looked for.
const NETUIDS: std::ops::RangeInclusive<u16> = 1..=128;

struct Any {
    /// Our own, unless another is named.
    _own: Option<Localnet>,
    chain: ChainClient,
    netuid: u16,
}

async fn any() -> Any {
    let (own, url) = match std::env::var("CHAIN_WS_URL") {
        Ok(url) => (None, url),
        Err(_) => {
            let config = Config { bind: any_port(), ..Config::new(Blocks::Interval { ms: 50 }) };
            let chain = localnet::spawn(config).await.unwrap();
            let url = chain.ws_url();
            (Some(chain), url)
        }
    };
    let chain = ChainClient::connect(ConnectConfig::new([url])).await.unwrap();
    let chain = chain.with_submit_timeout(PATIENCE);
    let head = chain.finalized().await.unwrap();
    for netuid in NETUIDS {
        let rules = chain.hyperparameters(netuid, head).await;
        if rules.is_ok_and(|rules| rules.registration_allowed) {
            return Any { _own: own, chain, netuid };
        }
    }
    panic!("no subnet takes registrations");
}

/// A key that nobody has used on that chain.
fn fresh(name: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    format!("//{name}//{}", now.as_nanos())
}

#[tokio::test]
async fn any_chain_gives_finalised_blocks_once_and_in_order() {
    let Any { chain, _own, .. } = any().await;
    let mut blocks = pin!(chain.finalized_blocks());
    let mut before = None;
    for _ in 0..4 {
        let next = tokio::time::timeout(PATIENCE, blocks.next()).await.expect("blocks come");
        let block = next.unwrap().unwrap();
        assert!(before.is_none_or(|before| block.number == before + 1), "{block} after {before:?}");
        assert_eq!(chain.block_at(block.number).await.unwrap(), block);
        before = Some(block.number);
    }
}

#[tokio::test]
async fn any_chain_answers_every_read_at_one_block() {
    let Any { chain, netuid, _own } = any().await;
    let drift = chain.drift_now().await.unwrap();
    println!("{drift}");
    let head = chain.finalized().await.unwrap();
    assert!(chain.block_time_ms().await.unwrap() > 0);
    assert!(chain.timestamp_ms(head).await.unwrap() > 0 || head.number == 0);
    let metagraph = chain.metagraph(netuid, head).await.unwrap();
    let rules = chain.hyperparameters(netuid, head).await.unwrap();
    assert_eq!(metagraph.hyperparameters, rules, "two ways to the same");
    assert_eq!(chain.epoch(netuid, head).await.unwrap().tempo, rules.tempo);
    let named = chain.rules(netuid, head).await.unwrap();
    assert!(named.iter().any(|(name, _)| name == "tempo"), "{named:?}");
    let weights = chain.weights(netuid, head).await.unwrap();
    assert!(weights.keys().all(|uid| metagraph.by_uid(*uid).is_some()));
    let commitments = chain.commitments(netuid, head).await.unwrap();
    for (hotkey, commitment) in commitments.iter().take(3) {
        assert_eq!(chain.commitment(netuid, hotkey, head).await.unwrap().as_ref(), Some(commitment));
    }
    assert_eq!(chain.economy(netuid, head).await.unwrap().netuid, netuid);
    chain.stake_positions(&account("//Alice"), head).await.unwrap();
    assert!(chain.balance_rao(&account("//Alice"), head).await.unwrap() > 0);
}

#[tokio::test]
async fn any_chain_moves_money_registers_announces_and_commits() {
    let Any { chain, netuid, _own } = any().await;
    let (miner, coldkey) = (key(&fresh("miner")), key(&fresh("coldkey")));
    let head = chain.finalized().await.unwrap();
    let price = chain.registration_quote(netuid, &miner.public(), &coldkey.public(), head).await.unwrap();
    let amount = price.needed_rao() * 2 + TAO;
    let block = chain.transfer(&key("//Alice"), &coldkey.public(), amount).await.unwrap();
    assert_eq!(chain.balance_rao(&coldkey.public(), block).await.unwrap(), amount);

    let quote = chain.registration_quote(netuid, &miner.public(), &coldkey.public(), block).await.unwrap();
    assert_eq!(quote.obstacle(None), None);
    let limit = quote.burn_rao * 2;
    let registered = chain.register_up_to(&coldkey, &miner.public(), netuid, limit).await.unwrap();
    let Registration::Registered { uid, block } = registered else { panic!("{registered:?}") };
    assert_eq!(chain.uid_of(netuid, &miner.public(), block).await.unwrap(), Some(uid));

    let wanted = Announcement { address: "203.0.113.7:8091".parse().unwrap(), tls_key: None };
    let announced = chain.announce_axon(&miner, netuid, &wanted).await.unwrap();
    assert!(matches!(announced, Announced::Now { .. }), "{announced:?}");
    let block = chain.set_commitment(&miner, netuid, &[7; 32]).await.unwrap();
    let metagraph = chain.metagraph(netuid, block).await.unwrap();
    let neuron = metagraph.by_uid(uid).unwrap();
    assert_eq!((neuron.hotkey, neuron.coldkey), (miner.public(), coldkey.public()));
    assert!(wanted.is_of(neuron), "{neuron:?}");
    let committed = chain.commitment(netuid, &miner.public(), block).await.unwrap().unwrap();
    assert_eq!(committed.sha256(), Some(&[7; 32]));
    assert_eq!(chain.balance_rao(&miner.public(), block).await.unwrap(), 0, "hotkeys pay nothing");
}

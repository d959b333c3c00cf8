//! The stream of finalised blocks, and submissions that outlive their connection.

use std::net::SocketAddr;
use std::pin::pin;

use chain_client::BlockRef;
use futures::StreamExt;

use crate::support::{NETUID, Wire, World, account, client, key, soon, until};

#[tokio::test]
async fn every_finalized_block_comes_once_and_in_order() {
    let world = World::manual().await;
    world.localnet.produce_blocks(3).await.unwrap();
    let mut blocks = pin!(world.chain.finalized_blocks());
    let first = soon("the current block", blocks.next()).await.unwrap().unwrap();
    assert_eq!(first, world.chain.finalized().await.unwrap());
    // Many at once: the node may announce only the last of them.
    world.localnet.produce_blocks(20).await.unwrap();
    for number in 4..=23 {
        let block = soon("the next block", blocks.next()).await.unwrap().unwrap();
        assert_eq!(block.number, number);
        assert_eq!(block, world.chain.block_at(number).await.unwrap());
    }
}

#[tokio::test]
async fn stream_resumes_without_a_gap_after_the_connection_was_lost() {
    let world = World::manual().await;
    let mut wire = Wire::to(&world.localnet).await;
    let urls = [wire.url()];
    let chain = tokio::select! {
        chain = client(&urls) => chain,
        () = wire.carry() => unreachable!(),
    };
    let mut blocks = pin!(chain.finalized_blocks());
    let mut seen: Vec<BlockRef> = Vec::new();
    let mut losses = 0;
    for _ in 0..3 {
        world.localnet.produce_blocks(5).await.unwrap();
        let target = world.localnet.best_number();
        while seen.last().is_none_or(|block| block.number < target) {
            tokio::select! {
                item = soon("a block", blocks.next()) => match item.unwrap() {
                    Ok(block) => seen.push(block),
                    Err(_) => losses += 1,
                },
                () = wire.carry() => unreachable!(),
            }
        }
        wire.cut().await;
    }
    let numbers: Vec<_> = seen.iter().map(|block| block.number).collect();
    let expected: Vec<_> = (numbers[0]..=15).collect();
    assert_eq!(numbers, expected);
    assert!(losses <= 4, "{losses} failures for 2 losses");
}

#[tokio::test]
async fn submission_is_followed_to_its_block_though_the_connection_is_lost() {
    register_with_a_cut(true).await;
}

#[tokio::test]
async fn submission_whose_answer_may_be_lost_is_done_exactly_once() {
    register_with_a_cut(false).await;
}

/// Registers while the wire is cut between the pool and the block; before that the client has the node's answer if it is
/// `answered`, else the answer may be lost with the wire.
async fn register_with_a_cut(answered: bool) {
    let world = World::manual().await;
    let mut wire = Wire::to(&world.localnet).await;
    let urls = [wire.url()];
    let chain = tokio::select! {
        chain = client(&urls) => chain,
        () = wire.carry() => unreachable!(),
    };
    let (bob, miner) = (key("//Bob"), account("//Miner"));
    let mut registering = pin!(chain.register_burned(&bob, &miner, NETUID));
    tokio::select! {
        early = &mut registering => panic!("done before any block was made: {early:?}"),
        () = wire.carry() => unreachable!(),
        () = until("the extrinsic to be in the pool", || world.localnet.waiting() == 1) => {}
    }
    if answered {
        // The answer left the node when the pool had the extrinsic, so it is here before that of a later question.
        tokio::select! {
            early = &mut registering => panic!("done before any block was made: {early:?}"),
            () = wire.carry() => unreachable!(),
            head = chain.best() => assert_eq!(head.unwrap().number, 0),
        }
    }
    wire.cut().await;
    world.localnet.produce_blocks(2).await.unwrap();
    let registration = tokio::select! {
        registration = soon("the registration", &mut registering) => registration.unwrap(),
        () = wire.carry() => unreachable!(),
    };
    assert_eq!(registration.uid(), 0);
    let head = world.chain.finalized().await.unwrap();
    assert_eq!(world.chain.metagraph(NETUID, head).await.unwrap().neurons.len(), 1);
}

#[tokio::test]
async fn submission_waits_for_finality_and_not_longer_than_allowed() {
    let world = World::manual().await;
    let config = chain_client::ConnectConfig {
        submit_timeout_ms: 300,
        ..chain_client::ConnectConfig::new([world.localnet.ws_url()])
    };
    let chain = chain_client::ChainClient::connect(config).await.unwrap();
    let error = chain.register_burned(&key("//Bob"), &account("//Miner"), NETUID).await.unwrap_err();
    assert!(matches!(error, chain_client::SubmitError::TimedOut { after_ms: 300, .. }), "{error:?}");
    world.localnet.produce_blocks(1).await.unwrap();
    let axon: SocketAddr = "203.0.113.7:8091".parse().unwrap();
    let (chain, localnet) = (&world.chain, &world.localnet);
    let miner = key("//Miner");
    let serving = chain.serve_axon(&miner, NETUID, axon);
    let sealing = async {
        until("the extrinsic to be in the pool", || localnet.waiting() == 1).await;
        localnet.produce_blocks(1).await.unwrap();
    };
    let (block, ()) = tokio::join!(serving, sealing);
    assert_eq!(block.unwrap().number, 2);
}

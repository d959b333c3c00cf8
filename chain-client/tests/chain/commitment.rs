//! Publishing a digest and reading it back.

use chain_client::SubmitError;

use crate::support::{NETUID, VALIDATOR, World, account, key};

#[tokio::test]
async fn published_digest_is_read_back_at_its_block() {
    let world = World::with_validator(|_| {}).await;
    let before = world.chain.finalized().await.unwrap();
    let block = world.chain.set_commitment(&key(VALIDATOR), NETUID, &[7; 32]).await.unwrap();
    let commitment = world.chain.commitment(NETUID, &account(VALIDATOR), block).await.unwrap().unwrap();
    assert_eq!(commitment.block, block.number);
    assert_eq!(commitment.sha256(), Some(&[7; 32]));
    assert_eq!(world.chain.commitment(NETUID, &account(VALIDATOR), before).await.unwrap(), None);
}

#[tokio::test]
async fn later_digest_replaces_the_earlier_one() {
    let world = World::with_validator(|_| {}).await;
    let first = world.chain.set_commitment(&key(VALIDATOR), NETUID, &[1; 32]).await.unwrap();
    let second = world.chain.set_commitment(&key(VALIDATOR), NETUID, &[2; 32]).await.unwrap();
    for (block, expected) in [(first, [1; 32]), (second, [2; 32])] {
        let commitment = world.chain.commitment(NETUID, &account(VALIDATOR), block).await.unwrap().unwrap();
        assert_eq!(commitment.sha256(), Some(&expected));
    }
}

#[tokio::test]
async fn stranger_cannot_commit() {
    let world = World::instant().await;
    let error = world.chain.set_commitment(&key("//Alice"), NETUID, &[1; 32]).await.unwrap_err();
    let SubmitError::Dispatch { pallet, error } = error else { panic!("{error:?}") };
    assert_eq!((pallet.as_str(), error.as_str()), ("Commitments", "AccountNotAllowedCommit"));
}

#[tokio::test]
async fn every_commitment_of_the_subnet_is_read_at_once() {
    let world = World::with_validator(|_| {}).await;
    let head = world.chain.finalized().await.unwrap();
    assert!(world.chain.commitments(NETUID, head).await.unwrap().is_empty());
    world.chain.set_commitment(&key(VALIDATOR), NETUID, &[1; 32]).await.unwrap();
    let block = world.chain.set_commitment(&key("//Miner"), NETUID, &[2; 32]).await.unwrap();
    let commitments = world.chain.commitments(NETUID, block).await.unwrap();
    let digests: Vec<_> =
        [VALIDATOR, "//Miner"].map(|who| *commitments[&account(who)].sha256().unwrap()).into();
    assert_eq!((digests, commitments.len()), (vec![[1; 32], [2; 32]], 2));
}

#[tokio::test]
async fn the_history_of_commitments_is_found_block_by_block() {
    let world = World::with_validator(|_| {}).await;
    let mut blocks = Vec::new();
    for number in 1..=4u8 {
        world.localnet.produce_blocks(3).await.unwrap();
        blocks.push(world.chain.set_commitment(&key(VALIDATOR), NETUID, &[number; 32]).await.unwrap());
    }
    world.localnet.produce_blocks(2).await.unwrap();
    let head = world.chain.finalized().await.unwrap();
    let history = async |from, to, max| {
        let found = world.chain.commitment_history(NETUID, &account(VALIDATOR), from, to, max).await.unwrap();
        found.iter().map(|found| (found.sha256().unwrap()[0], found.block)).collect::<Vec<_>>()
    };
    let all: Vec<_> = blocks.iter().zip(1..=4).map(|(block, number)| (number, block.number)).rev().collect();
    assert_eq!(history(0, head, 10).await, all);
    assert_eq!(history(blocks[1].number, blocks[2], 10).await, all[1..=2]);
    assert_eq!(history(blocks[1].number + 1, blocks[2], 10).await, all[1..=1]);
    assert_eq!(history(0, head, 2).await, all[..2]);
    let before = world.chain.block_at(blocks[0].number - 1).await.unwrap();
    assert_eq!(history(0, before, 10).await, []);
}

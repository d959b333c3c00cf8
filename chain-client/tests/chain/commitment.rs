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

//! Connecting, losing the connection, and getting it back.

use chain_client::{ConnectConfig, ConnectError, QueryError};
use futures::StreamExt;
use protocol::AccountId;
use tokio::net::TcpListener;

use crate::support::{NETUID, World, any_port, client, soon};

#[tokio::test]
async fn client_connects_to_the_first_endpoint_that_answers() {
    let world = World::instant().await;
    let dead = TcpListener::bind(any_port()).await.unwrap();
    let dead_url = format!("ws://{}", dead.local_addr().unwrap());
    drop(dead);
    let chain = client(&[dead_url, world.localnet.ws_url()]).await;
    assert_eq!(chain.url().await, Some(world.localnet.ws_url()));
    assert_eq!(chain.genesis_hash().await.unwrap(), world.chain.genesis_hash().await.unwrap());
}

#[tokio::test]
async fn calls_move_to_the_next_endpoint_when_one_goes_away() {
    let (first, second) = (World::instant().await, World::instant().await);
    let urls = [first.localnet.ws_url(), second.localnet.ws_url()];
    let chain = client(&urls).await;
    assert_eq!(chain.url().await.as_ref(), Some(&urls[0]));
    first.localnet.shutdown().await;
    // The first call after the loss may be the one to notice it.
    let mut answer = chain.finalized().await;
    if matches!(answer, Err(QueryError::Disconnected { .. })) {
        answer = chain.finalized().await;
    }
    assert_eq!(answer.unwrap().number, 0);
    assert_eq!(chain.url().await.as_ref(), Some(&urls[1]));
}

#[tokio::test]
async fn calls_without_any_endpoint_left_say_so() {
    let world = World::instant().await;
    world.localnet.shutdown().await;
    let mut error = world.chain.finalized().await.unwrap_err();
    if matches!(error, QueryError::Disconnected { .. }) {
        error = world.chain.finalized().await.unwrap_err();
    }
    assert!(matches!(error, QueryError::NotConnected { .. }), "{error:?}");
    assert!(error.is_passing());
}

#[tokio::test]
async fn silent_endpoint_costs_one_deadline_and_then_the_next_is_used() {
    let world = World::instant().await;
    let silent = TcpListener::bind(any_port()).await.unwrap();
    let urls = [format!("ws://{}", silent.local_addr().unwrap()), world.localnet.ws_url()];
    let config = ConnectConfig { request_timeout_ms: 2_000, ..ConnectConfig::new(urls) };
    let connecting = chain_client::ChainClient::connect(config);
    let chain = soon("the second endpoint", connecting).await.unwrap();
    assert_eq!(chain.url().await, Some(world.localnet.ws_url()));
}

#[tokio::test]
async fn endpoint_of_another_chain_is_refused_after_a_loss() {
    let first = World::instant().await;
    let second = World::with_subnet(|subnet| subnet.tempo_blocks = 7).await;
    assert_ne!(first.chain.genesis_hash().await.unwrap(), second.chain.genesis_hash().await.unwrap());
    let chain = client(&[first.localnet.ws_url(), second.localnet.ws_url()]).await;
    first.localnet.shutdown().await;
    let mut error = chain.finalized().await.unwrap_err();
    if matches!(error, QueryError::Disconnected { .. }) {
        error = chain.finalized().await.unwrap_err();
    }
    assert!(
        matches!(&error, QueryError::NotConnected { source: ConnectError::OtherChain { .. }, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn endpoint_of_another_chain_hides_none_that_comes_after_it() {
    let (first, third) = (World::instant().await, World::instant().await);
    let other = World::with_subnet(|subnet| subnet.tempo_blocks = 7).await;
    let urls = [&first, &other, &third].map(|world| world.localnet.ws_url());
    let chain = client(&urls).await;
    first.localnet.shutdown().await;
    let mut answer = chain.finalized().await;
    if matches!(answer, Err(QueryError::Disconnected { .. })) {
        answer = chain.finalized().await;
    }
    assert_eq!(answer.unwrap().number, 0);
    assert_eq!(chain.url().await.as_ref(), Some(&urls[2]));
}

#[tokio::test]
async fn node_that_finalises_nothing_more_is_left_for_one_that_does() {
    let (still, alive) = (World::instant().await, World::instant().await);
    still.localnet.produce_blocks(3).await.unwrap();
    alive.localnet.produce_blocks(5).await.unwrap();
    let urls = [still.localnet.ws_url(), alive.localnet.ws_url()];
    let config = ConnectConfig { silence_ms_max: 300, ..ConnectConfig::new(urls.clone()) };
    let chain = chain_client::ChainClient::connect(config).await.unwrap();
    let mut blocks = Box::pin(chain.finalized_blocks());
    for number in 3..=5 {
        let block = soon("the next block", blocks.next()).await.unwrap().unwrap();
        assert_eq!(block.number, number);
    }
    assert_eq!(chain.url().await.as_ref(), Some(&urls[1]));
}

#[tokio::test]
async fn node_that_goes_on_and_stays_behind_is_left_for_one_that_does_not() {
    let (first, slow, alive) = (World::instant().await, World::instant().await, World::instant().await);
    first.localnet.produce_blocks(30).await.unwrap();
    slow.localnet.produce_blocks(21).await.unwrap();
    alive.localnet.produce_blocks(31).await.unwrap();
    let urls = [&first, &slow, &alive].map(|world| world.localnet.ws_url());
    let config = ConnectConfig { silence_ms_max: 600, ..ConnectConfig::new(urls.clone()) };
    let chain = chain_client::ChainClient::connect(config).await.unwrap();
    let mut blocks = Box::pin(chain.finalized_blocks());
    assert_eq!(soon("the newest block", blocks.next()).await.unwrap().unwrap().number, 30);
    first.localnet.shutdown().await;
    // A block in each third of the time that silence may last, and none of them new.
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(200));
    let progress = async {
        for _ in 0..8 {
            ticks.tick().await;
            slow.localnet.produce_blocks(1).await.unwrap();
        }
        std::future::pending::<()>().await
    };
    let newest = async {
        loop {
            match blocks.next().await {
                Some(Ok(block)) => return block.number,
                Some(Err(_)) => {}
                None => unreachable!("the stream goes on"),
            }
        }
    };
    let number = tokio::select! {
        number = soon("a new block", newest) => number,
        () = progress => unreachable!(),
    };
    assert_eq!((number, chain.url().await.as_ref()), (31, Some(&urls[2])));
    assert!(slow.chain.finalized().await.unwrap().number < 29, "it was left while it went on");
}

#[tokio::test]
async fn node_that_is_far_behind_is_passed_over_while_another_answers() {
    let (first, behind, last) = (World::instant().await, World::instant().await, World::instant().await);
    first.localnet.produce_blocks(20).await.unwrap();
    last.localnet.produce_blocks(15).await.unwrap();
    let urls = [&first, &behind, &last].map(|world| world.localnet.ws_url());
    let chain = client(&urls).await;
    let mut blocks = Box::pin(chain.finalized_blocks());
    assert_eq!(soon("the newest block", blocks.next()).await.unwrap().unwrap().number, 20);
    first.localnet.shutdown().await;
    let mut answer = chain.finalized().await;
    if matches!(answer, Err(QueryError::Disconnected { .. })) {
        answer = chain.finalized().await;
    }
    assert_eq!(answer.unwrap().number, 15, "not the one that is 20 behind");
    assert_eq!(chain.url().await.as_ref(), Some(&urls[2]));
    last.localnet.shutdown().await;
    let mut answer = chain.finalized().await;
    if matches!(answer, Err(QueryError::Disconnected { .. })) {
        answer = chain.finalized().await;
    }
    assert_eq!(answer.unwrap().number, 0, "better one that is behind than none");
}

#[tokio::test]
async fn unknown_subnets_and_blocks_are_named() {
    let world = World::instant().await;
    let head = world.chain.finalized().await.unwrap();
    let error = world.chain.metagraph(NETUID + 1, head).await.unwrap_err();
    assert!(matches!(error, QueryError::SubnetNotFound { netuid, .. } if netuid == NETUID + 1), "{error:?}");
    let error = world.chain.block_at(1_000).await.unwrap_err();
    assert!(matches!(error, QueryError::UnknownBlock { .. }), "{error:?}");
    let nobody = world.chain.balance_rao(&AccountId([7; 32]), head).await.unwrap();
    assert_eq!(nobody, 0);
}

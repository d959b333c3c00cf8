//! Weights that stay hidden until the chain, or their validator, reveals them.

use chain_client::weights::{Manner, Scores, Step, Timing, WeightSetter, WeightsTarget};
use localnet::runtime::subtensor::genesis::Subnet;
use protocol::digest::Digest;
use tempfile::TempDir;

use crate::support::{NETUID, VALIDATOR, World, key};

const TEMPO: u16 = 40;

struct Hidden {
    world: World,
    setter: WeightSetter,
    _folder: TempDir,
}

impl Hidden {
    async fn on(change: impl FnOnce(&mut Subnet)) -> Self {
        let world = World::manual_with_validator(|subnet| {
            subnet.commit_reveal = true;
            subnet.tempo_blocks = TEMPO;
            change(subnet);
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let target = WeightsTarget {
            netuid: NETUID,
            mechanism: 0,
            version_key: None,
            timing: Timing { submit_after_percent: 10, ..Timing::DEFAULT },
            journal_folder: folder.path().to_owned(),
        };
        let setter = WeightSetter::open(world.chain.clone(), key(VALIDATOR), target).await.unwrap();
        Self { world, setter, _folder: folder }
    }

    async fn step(&mut self) -> Step {
        let scores = Scores { values: vec![(0, 1.0), (1, 3.0)], label: Digest::ZERO };
        self.setter.set_weights(&scores).await.unwrap()
    }

    /// Steps and makes blocks until the commit is final; answers how it was made.
    async fn commit(&mut self) -> Manner {
        let mut manner = None;
        for _ in 0..TEMPO {
            match self.step().await {
                Step::Submitted { manner: submitted, .. } => manner = Some(submitted),
                Step::Confirmed { .. } => return manner.expect("it was submitted before"),
                _ => {}
            }
            self.world.localnet.produce_blocks(1).await.unwrap();
        }
        panic!("no commit in a whole tempo: {:?}", self.setter.last());
    }

    async fn row(&self) -> Vec<(u16, u16)> {
        let head = self.world.chain.best().await.unwrap();
        self.world.chain.weights(NETUID, head).await.unwrap().remove(&0).unwrap_or_default()
    }

    /// Steps and makes blocks until the weights can be read; answers after how many.
    async fn until_revealed(&mut self) -> u32 {
        let from = self.world.localnet.best_number();
        while self.row().await.is_empty() {
            self.step().await;
            self.world.localnet.produce_blocks(1).await.unwrap();
            let blocks = self.world.localnet.best_number() - from;
            assert!(blocks < 3 * u32::from(TEMPO), "not revealed after {blocks} blocks");
        }
        self.world.localnet.best_number() - from
    }
}

#[tokio::test]
async fn timelocked_weights_are_revealed_by_the_chain_one_epoch_later() {
    let mut hidden = Hidden::on(|_| {}).await;
    let manner = hidden.commit().await;
    assert!(matches!(manner, Manner::Timelocked { .. }), "{manner:?}");
    assert_eq!(hidden.row().await, []);
    let committed = hidden.world.localnet.best_number();
    hidden.until_revealed().await;
    assert_eq!(hidden.row().await, [(0, 21_845), (1, u16::MAX)]);
    let revealed = hidden.world.localnet.best_number();
    let (committed_in, revealed_in) = (committed / u32::from(TEMPO), revealed / u32::from(TEMPO));
    assert_eq!(revealed_in, committed_in + 1, "committed by {committed}, revealed in {revealed}");
}

#[tokio::test]
async fn every_tempo_has_its_commit_and_no_more_than_one() {
    let mut hidden = Hidden::on(|_| {}).await;
    let mut commits = 0;
    for _ in 0..3 * TEMPO {
        if matches!(hidden.step().await, Step::Confirmed { .. }) {
            commits += 1;
        }
        hidden.world.localnet.produce_blocks(1).await.unwrap();
    }
    assert_eq!(commits, 3);
}

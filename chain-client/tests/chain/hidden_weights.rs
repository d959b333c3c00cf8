//! Weights that stay hidden until the chain, or their validator, reveals them.

use chain_client::weights::{Manner, Scores, Step, Timing, Wait, WeightSetter, WeightsTarget};
use localnet::runtime::subtensor::genesis::Subnet;
use protocol::digest::Digest;
use tempfile::TempDir;

use crate::support::{NETUID, VALIDATOR, World, key};

const TEMPO: u16 = 40;
/// The storage key of `SubtensorModule.CommitRevealWeightsVersion`, a little-endian u16.
const COMMIT_REVEAL_VERSION: &str = "0x658faa385070e074c85bf6b568cf055570d1da21926e4e8efdfb497ee508d611";

struct Hidden {
    world: World,
    setter: Option<WeightSetter>,
    folder: TempDir,
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
        let mut hidden = Self { world, setter: None, folder };
        hidden.restart().await;
        hidden
    }

    /// The process dies, if there is one, and starts.
    async fn restart(&mut self) {
        self.setter = None;
        let target = WeightsTarget {
            netuid: NETUID,
            mechanism: 0,
            version_key: None,
            timing: Timing { submit_after_percent: 10, ..Timing::DEFAULT },
            journal_folder: self.folder.path().to_owned(),
        };
        let setter = WeightSetter::open(self.world.chain.clone(), key(VALIDATOR), target).await;
        self.setter = Some(setter.unwrap());
    }

    async fn step(&mut self) -> Step {
        let scores = Scores { values: vec![(0, 1.0), (1, 3.0)], label: Digest::ZERO };
        self.setter.as_mut().unwrap().set_weights(&scores).await.unwrap()
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
        panic!("no commit in a whole tempo: {:?}", self.setter.as_ref().unwrap().last());
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
async fn where_the_chain_still_wants_hashes_the_validator_reveals_them_in_the_one_epoch_for_it() {
    let mut hidden = Hidden::on(|_| {}).await;
    hidden.world.set_storage(COMMIT_REVEAL_VERSION, "0x0200").await;
    let manner = hidden.commit().await;
    assert!(matches!(manner, Manner::Hashed { .. }), "{manner:?}");
    let committed = hidden.world.localnet.best_number();
    // It dies in between: what has to be shown is on disk.
    hidden.restart().await;
    hidden.until_revealed().await;
    assert_eq!(hidden.row().await, [(0, 21_845), (1, u16::MAX)]);
    let revealed = hidden.world.localnet.best_number();
    assert_eq!(revealed / u32::from(TEMPO), committed / u32::from(TEMPO) + 1, "{committed}, {revealed}");
    // The next tempo's commit was made in the meantime, or will be.
    hidden.commit().await;
}

#[tokio::test]
async fn a_version_of_commit_reveal_that_is_not_known_is_named() {
    let mut hidden = Hidden::on(|_| {}).await;
    hidden.world.set_storage(COMMIT_REVEAL_VERSION, "0x0500").await;
    let waiting = hidden.step().await;
    assert!(matches!(waiting, Step::Waiting(Wait::UnknownCommitReveal { version: 5 })), "{waiting:?}");
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

//! The chain's tempo, moved by hand: each act of a play owns a part of the tempo, and waiting never runs past it, however slow the
//! machine is.

use std::cell::Cell;

use chain_client::EpochState;

use crate::nodes::ValidatorNode;
use crate::subnet::Subnet;
use crate::wait;

/// Blocks of one tempo: enough for each act.
pub(super) const BLOCKS: u16 = 60;
/// Looks at a condition between two blocks made for it.
const LOOKS_PER_BLOCK: u32 = 40;

/// Makes blocks for a subnet, no faster than the validators follow.
pub(super) struct Tempo<'s> {
    pub(super) subnet: &'s Subnet,
    /// Those that must have read each block before the next: a real chain leaves them twelve seconds.
    pub(super) followers: Vec<&'s ValidatorNode>,
}

impl Tempo<'_> {
    /// Makes a block and waits until it was read.
    pub(super) async fn step(&self) {
        self.subnet.produce_blocks(1).await;
        let number = self.subnet.chain().finalized_number();
        wait::until("the honest validators follow the chain", || async {
            let seen = |node: &&ValidatorNode| node.validator().chain().borrow().block.number >= number;
            self.followers.iter().all(seen).then_some(())
        })
        .await;
    }

    /// Where the chain is.
    pub(super) async fn epoch(&self) -> EpochState {
        let at = self.subnet.client().finalized().await.unwrap();
        self.subnet.client().epoch(crate::subnet::NETUID, at).await.unwrap()
    }

    /// Makes blocks until the next tempo has begun.
    pub(super) async fn begin_next(&self) {
        let now = self.epoch().await.epoch_index;
        while self.epoch().await.epoch_index == now {
            self.step().await;
        }
    }

    /// Makes blocks until so much of the tempo has passed.
    pub(super) async fn until_percent(&self, percent: u8) {
        while self.percent().await < u64::from(percent) {
            self.step().await;
        }
    }

    /// Looks until there is something, with a block now and then, because validators act when there is a new one; but with none past
    /// `percent_max` of the tempo.
    pub(super) async fn look<T>(
        &self,
        what: &str,
        percent_max: u8,
        condition: impl AsyncFn() -> Option<T>,
    ) -> T {
        let looks = Cell::new(0_u32);
        wait::until(what, || async {
            looks.set(looks.get() + 1);
            if looks.get().is_multiple_of(LOOKS_PER_BLOCK) && self.percent().await < u64::from(percent_max) {
                self.step().await;
            }
            condition().await
        })
        .await
    }

    async fn percent(&self) -> u64 {
        let epoch = self.epoch().await;
        (u64::from(epoch.block.number) - epoch.last_epoch_block) * 100 / u64::from(BLOCKS)
    }
}

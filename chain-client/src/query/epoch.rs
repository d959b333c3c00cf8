//! Where a subnet stands between two epochs.

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::NetUid;

use super::{check_existence, want_existence};
use crate::blocks::BlockRef;
use crate::client::ChainClient;
use crate::error::QueryError;
use crate::weights::schedule::EpochClock;

/// The chain runs an overdue epoch after this many blocks whatever the schedule says.
const BLOCKS_SINCE_LAST_STEP_MAX: u64 = 50_400;

/// A subnet's epoch schedule as of one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochState {
    /// The block it was read at.
    pub block: BlockRef,
    /// Blocks from one epoch to the next; 0 means that epochs never run.
    pub tempo: u16,
    /// The block in which the last epoch ran, or the anchor of the schedule if none has.
    pub last_epoch_block: u64,
    /// The block in which the next will run, if nothing changes; `None` if epochs never run. The chain may put it off by
    /// some blocks when many subnets are due at once.
    pub next_epoch_block: Option<u64>,
    /// How many epochs have run.
    pub epoch_index: u64,
}

impl EpochState {
    /// Blocks until the next epoch runs.
    pub fn blocks_left(&self) -> Option<u64> {
        Some(self.next_epoch_block?.saturating_sub(self.block.number.into()))
    }
}

/// The chain's counters, from which the schedule follows.
pub(crate) struct Schedule {
    tempo: u16,
    last_epoch_block: u64,
    pending_epoch_at: u64,
    blocks_since_last_step: u64,
}

impl ChainClient {
    /// Reads the epoch schedule in one request.
    pub async fn epoch(&self, netuid: u16, at: BlockRef) -> Result<EpochState, QueryError> {
        self.bounded("reading the epoch schedule", async {
            let mut reader = self.reader(at).await?;
            let module = subtensor::storage().subtensor_module();
            let key = || (NetUid(netuid),);
            let exists = want_existence(&mut reader, netuid)?;
            let tempo = reader.want(module.tempo(), key())?;
            let last_epoch_block = reader.want(module.last_epoch_block(), key())?;
            let pending_epoch_at = reader.want(module.pending_epoch_at(), key())?;
            let blocks_since_last_step = reader.want(module.blocks_since_last_step(), key())?;
            let epoch_index = reader.want(module.subnet_epoch_index(), key())?;
            let values = reader.fetch().await?;
            check_existence(values.value(&exists)?, netuid)?;
            let schedule = Schedule {
                tempo: values.value(&tempo)?,
                last_epoch_block: values.value(&last_epoch_block)?,
                pending_epoch_at: values.value(&pending_epoch_at)?,
                blocks_since_last_step: values.value(&blocks_since_last_step)?,
            };
            Ok(EpochState {
                block: at,
                tempo: schedule.tempo,
                last_epoch_block: schedule.last_epoch_block,
                next_epoch_block: schedule.next_epoch_block(at.number.into()),
                epoch_index: values.value(&epoch_index)?,
            })
        })
        .await
    }
}

impl Schedule {
    pub(crate) fn of(clock: &EpochClock) -> Self {
        let EpochClock { tempo, last_epoch_block, pending_epoch_at, blocks_since_last_step, .. } = *clock;
        Self { tempo, last_epoch_block, pending_epoch_at, blocks_since_last_step }
    }

    /// The first block after `now` that satisfies the chain's `should_run_epoch`.
    pub(crate) fn next_epoch_block(&self, now: u64) -> Option<u64> {
        if self.tempo == 0 {
            return None;
        }
        let by_tempo = self.last_epoch_block.saturating_add(self.tempo.into());
        let by_request = if self.pending_epoch_at > 0 { self.pending_epoch_at } else { u64::MAX };
        let overdue =
            BLOCKS_SINCE_LAST_STEP_MAX.saturating_add(1).saturating_sub(self.blocks_since_last_step);
        let by_silence = now.saturating_add(overdue);
        Some(by_tempo.min(by_request).min(by_silence).max(now.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> Schedule {
        Schedule { tempo: 360, last_epoch_block: 1_000, pending_epoch_at: 0, blocks_since_last_step: 100 }
    }

    #[test]
    fn next_epoch_is_one_tempo_after_the_last() {
        assert_eq!(schedule().next_epoch_block(1_100), Some(1_360));
    }

    #[test]
    fn requested_epoch_comes_first() {
        let schedule = Schedule { pending_epoch_at: 1_150, ..schedule() };
        assert_eq!(schedule.next_epoch_block(1_100), Some(1_150));
    }

    #[test]
    fn due_epoch_runs_in_the_next_block() {
        let schedule = Schedule { pending_epoch_at: 1_050, ..schedule() };
        assert_eq!(schedule.next_epoch_block(1_100), Some(1_101));
    }

    #[test]
    fn silence_of_a_week_forces_an_epoch() {
        let schedule = Schedule { tempo: 50_400, blocks_since_last_step: 50_398, ..schedule() };
        assert_eq!(schedule.next_epoch_block(1_100), Some(1_103));
    }

    #[test]
    fn zero_tempo_means_no_epochs() {
        assert_eq!(Schedule { tempo: 0, ..schedule() }.next_epoch_block(1_100), None);
    }
}

//! When the chain will reveal a commit made now, and which round of the drand beacon is out by then.
//!
//! The chain counts a subnet's epochs. A commit belongs to the epoch of the block it is in, and is revealed in the first
//! block that belongs to the epoch `reveal_period` later. In each block the chain first reveals and then runs epochs; a
//! reveal therefore looks one epoch ahead when one is due in the same block. All state must be of one block.

/// The chain runs an overdue epoch after this many blocks whatever the schedule says; also the longest tempo.
const TEMPO_MAX: u64 = 50_400;

/// Blocks added to the first possible reveal, so that the beacon's signature is on the chain by then. The SDK's choice.
const MARGIN_BLOCKS: u64 = 3;

/// A subnet's epoch counters as of one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochClock {
    /// The block.
    pub block: u64,
    /// Blocks from one epoch to the next; 0 means that epochs never run.
    pub tempo: u16,
    /// Block of the last epoch.
    pub last_epoch_block: u64,
    /// Block of an epoch asked for by the subnet's owner; 0 if none is.
    pub pending_epoch_at: u64,
    /// Epochs so far.
    pub epoch_index: u64,
    /// Blocks since the last epoch, as the chain counts them.
    pub blocks_since_last_step: u64,
}

/// A drand beacon, as `Drand.BeaconConfig` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beacon {
    /// BLS12-381 public key in G2, compressed, 96 bytes.
    pub public_key: Vec<u8>,
    /// When round 1 came, in seconds since 1970.
    pub genesis_s: u64,
    /// Seconds between rounds.
    pub period_s: u64,
    /// The newest round whose signature the chain has; 0 if none.
    pub last_round: u64,
}

/// No reveal can be foreseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The subnet runs no epochs.
    #[error("the subnet runs no epochs, so nothing would ever be revealed")]
    NoEpochs,
    /// The reveal period is longer than the chain allows.
    #[error("the reveal period of {epochs} epochs reaches further than can be foreseen")]
    TooFar {
        /// The reveal period.
        epochs: u64,
    },
    /// The beacon has no period.
    #[error("the chain's beacon configuration has no period")]
    NoBeacon,
}

impl EpochClock {
    /// Whether an epoch is due in `block`, by the counters as they are.
    fn is_due(&self, block: u64) -> bool {
        let asked_for = self.pending_epoch_at > 0 && block >= self.pending_epoch_at;
        let overdue = self.blocks_since_last_step > TEMPO_MAX;
        let tempo_over = block.saturating_sub(self.last_epoch_block) >= u64::from(self.tempo);
        self.tempo > 0 && (asked_for || overdue || tempo_over)
    }

    /// The epoch that commits and reveals in `block` belong to; `self` is the state after the block before it.
    pub fn epoch_in(&self, block: u64) -> u64 {
        self.epoch_index.saturating_add(u64::from(self.is_due(block)))
    }

    /// The state after the next block. That many subnets may be due at once, and then wait for each other, is left out.
    fn next(mut self) -> Self {
        self.block = self.block.saturating_add(1);
        self.blocks_since_last_step = self.blocks_since_last_step.saturating_add(1);
        if self.is_due(self.block) {
            self.last_epoch_block = self.block;
            self.pending_epoch_at = 0;
            self.epoch_index = self.epoch_index.saturating_add(1);
            self.blocks_since_last_step = 0;
        }
        self
    }

    /// The first block that reveals a commit made in the block after this one.
    pub fn reveal_block(&self, reveal_period_epochs: u64) -> Result<u64, ScheduleError> {
        if self.tempo == 0 {
            return Err(ScheduleError::NoEpochs);
        }
        let first = self.block.saturating_add(1);
        let target = self.epoch_in(first).saturating_add(reveal_period_epochs);
        // The chain allows 100 epochs: five million steps of a few instructions.
        let steps = reveal_period_epochs.min(100).saturating_add(1).saturating_mul(TEMPO_MAX);
        let mut before = *self;
        for block in first..=first.saturating_add(steps) {
            if before.epoch_in(block) == target {
                return Ok(block);
            }
            before = before.next();
        }
        Err(ScheduleError::TooFar { epochs: reveal_period_epochs })
    }
}

impl Beacon {
    /// The round to encrypt to, so that a commit made after `clock`'s block is revealed `reveal_period_epochs` later.
    ///
    /// `now_ms` is the chain's time in that block. Unlike the SDK, which asks the machine's clock, this depends on nothing
    /// but the chain, so a clock that is wrong cannot make a commit readable early or lose it. Should the chain have stood
    /// still, the beacon's own progress (`last_round`) tells the time.
    pub fn reveal_round(
        &self,
        clock: &EpochClock,
        reveal_period_epochs: u64,
        now_ms: u64,
        block_time_ms: u64,
    ) -> Result<u64, ScheduleError> {
        let period_ms = self.period_s.saturating_mul(1_000);
        let genesis_ms = self.genesis_s.saturating_mul(1_000);
        // Round 1 comes with the first second.
        let rounds_over = self.last_round.saturating_sub(1);
        let now_ms = now_ms.max(genesis_ms.saturating_add(rounds_over.saturating_mul(period_ms)));
        let blocks = clock
            .reveal_block(reveal_period_epochs)?
            .saturating_add(MARGIN_BLOCKS)
            .saturating_sub(clock.block);
        let target_ms = now_ms.saturating_add(blocks.saturating_mul(block_time_ms));
        let round = target_ms.saturating_sub(genesis_ms).checked_div(period_ms);
        Ok(round.ok_or(ScheduleError::NoBeacon)?.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with bittensor-core 0.1.5's `get_encrypted_commit_v2`; see the README beside the file.
    const CORE: &str = include_str!("../../tests/data/weights/schedule.txt");

    fn clock() -> EpochClock {
        EpochClock {
            block: 1_020,
            tempo: 360,
            last_epoch_block: 1_000,
            pending_epoch_at: 0,
            epoch_index: 5,
            blocks_since_last_step: 20,
        }
    }

    #[test]
    fn reveal_blocks_are_those_that_bittensor_core_foresees() {
        let mut cases = 0;
        for line in CORE.lines() {
            let numbers: Vec<u64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
            let [tempo, last, pending, index, since, block, period, expected] = numbers[..] else {
                panic!("eight numbers: {line}")
            };
            let clock = EpochClock {
                block,
                tempo: tempo.try_into().unwrap(),
                last_epoch_block: last,
                pending_epoch_at: pending,
                epoch_index: index,
                blocks_since_last_step: since,
            };
            assert_eq!(clock.reveal_block(period), Ok(expected), "{line}");
            cases += 1;
        }
        assert_eq!(cases, 60);
    }

    #[test]
    fn a_commit_is_revealed_one_period_of_epochs_later() {
        assert_eq!(clock().reveal_block(1), Ok(1_360));
        assert_eq!(clock().reveal_block(3), Ok(2_080));
        // In the last block of a tempo the commit already belongs to the next.
        assert_eq!(EpochClock { block: 1_359, ..clock() }.reveal_block(1), Ok(1_720));
        assert_eq!(EpochClock { tempo: 0, ..clock() }.reveal_block(1), Err(ScheduleError::NoEpochs));
    }

    #[test]
    fn the_round_is_out_three_blocks_after_the_reveal_block() {
        let beacon = Beacon { public_key: Vec::new(), genesis_s: 1_000, period_s: 3, last_round: 0 };
        // 343 blocks of 12 s after 500 s of beacon.
        let round = beacon.reveal_round(&clock(), 1, 1_500_000, 12_000);
        assert_eq!(round, Ok((500 + 343 * 12) / 3));
        assert_eq!(beacon.reveal_round(&clock(), 1, 0, 1), Ok(1));
        let silent = Beacon { period_s: 0, ..beacon.clone() };
        assert_eq!(silent.reveal_round(&clock(), 1, 0, 1), Err(ScheduleError::NoBeacon));
    }

    #[test]
    fn a_chain_that_stood_still_is_dated_by_the_beacon() {
        let beacon = Beacon { public_key: Vec::new(), genesis_s: 1_000, period_s: 3, last_round: 5_000 };
        let round = beacon.reveal_round(&clock(), 1, 1_500_000, 12_000).unwrap();
        assert_eq!(round, 4_999 + 343 * 4);
    }
}

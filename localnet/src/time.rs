//! The chain's clock: the machine's, moved by whoever travels in time, and never standing still between two blocks.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// A clock for block timestamps, in milliseconds since 1970.
#[derive(Debug)]
pub struct Clock {
    /// Least time from one block to the next.
    step_ms: u64,
    reading: Mutex<Reading>,
}

/// What a clock remembers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Reading {
    /// How far someone travelled.
    travelled_ms: u64,
    /// How wrong the clock is: ahead of time, or behind it when negative.
    skew_ms: i64,
    /// Time of the last block.
    last_ms: u64,
}

impl Reading {
    fn now_ms(&self) -> u64 {
        machine_ms().saturating_add(self.travelled_ms).saturating_add_signed(self.skew_ms)
    }
}

impl Clock {
    /// A clock that puts at least so much time between two blocks, and never none.
    pub fn new(step_ms: u64) -> Self {
        Self { step_ms: step_ms.max(1), reading: Mutex::default() }
    }

    /// Time for the next block: later than that of the last.
    pub fn next_ms(&self) -> u64 {
        let mut reading = self.reading();
        reading.last_ms = reading.now_ms().max(reading.last_ms.saturating_add(self.step_ms));
        reading.last_ms
    }

    /// What the clock shows between blocks: never less than the time of the last.
    pub fn now_ms(&self) -> u64 {
        let reading = self.reading();
        reading.now_ms().max(reading.last_ms)
    }

    /// Moves the clock ahead, for good.
    pub fn travel(&self, milliseconds: u64) {
        let mut reading = self.reading();
        // From the chain's time: blocks made faster than their step are ahead of the machine's.
        let ahead_ms = reading.last_ms.saturating_sub(machine_ms().saturating_add(reading.travelled_ms));
        reading.travelled_ms = reading.travelled_ms.saturating_add(milliseconds).saturating_add(ahead_ms);
    }

    /// Lets the clock be wrong by so much: ahead, or behind when negative; 0 mends it. Blocks never go back in time: behind,
    /// each is one step later than the last until the clock has caught up.
    pub fn skew(&self, milliseconds: i64) {
        self.reading().skew_ms = milliseconds;
    }

    /// Where the clock stands.
    pub fn read(&self) -> Reading {
        *self.reading()
    }

    /// Puts the clock back to where it stood.
    pub fn restore(&self, reading: Reading) {
        *self.reading() = reading;
    }

    /// Tells the clock the time of a block it did not give.
    pub fn saw(&self, block_ms: u64) {
        let mut reading = self.reading();
        reading.last_ms = reading.last_ms.max(block_ms);
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The machine's time in milliseconds since 1970.
fn machine_ms() -> u64 {
    let machine = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    u64::try_from(machine).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_a_step_apart_and_travel_moves_the_next() {
        let clock = Clock::new(250);
        let times: Vec<u64> = (0..100).map(|_| clock.next_ms()).collect();
        assert!(times.windows(2).all(|pair| pair[0] + 250 <= pair[1]));
        clock.travel(3_600_000);
        assert!(clock.next_ms() >= times[99] + 3_600_000, "from the time of the last block on");
    }

    #[test]
    fn a_clock_that_falls_behind_still_never_goes_back() {
        let clock = Clock::new(1);
        let before = clock.next_ms();
        clock.skew(-3_600_000);
        assert_eq!((clock.next_ms(), clock.next_ms()), (before + 1, before + 2));
        clock.skew(3_600_000);
        assert!(clock.next_ms() >= before + 3_600_000);
        clock.skew(0);
        let healed = clock.next_ms();
        assert_eq!(clock.next_ms(), healed + 1);
    }

    #[test]
    fn a_restored_clock_continues_where_it_stood() {
        let clock = Clock::new(1);
        let start = clock.next_ms();
        let reading = clock.read();
        clock.travel(3_600_000);
        assert!(clock.next_ms() >= start + 3_600_000);
        clock.restore(reading);
        assert!(clock.next_ms() < start + 3_600_000);
    }
}

//! Which ticket sequence numbers of one shard of a validator have been used.
//!
//! A validator's gateways have numbers apart from each other, so each has a window of its own. A gateway numbers its tickets upwards, but two requests that race over two connections may arrive swapped. So the
//! newest [`WINDOW`] numbers are remembered one by one: each is accepted once, in any order, and anything older than the
//! window is refused.

use parity_scale_codec::{Decode, Encode};

/// How far behind the newest sequence number an unused one may arrive.
pub const WINDOW: u64 = 1024;
const WORDS: usize = (WINDOW / 64) as usize;

/// The used numbers among the newest `WINDOW`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct SequenceWindow {
    newest: u64,
    /// A ring: number `n` has the bit `n % WINDOW`.
    used: [u64; WORDS],
}

/// The number was used before, or is too old to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ticket sequence {sequence} was used before; the newest one seen is {newest}")]
pub struct SequenceRefused {
    /// The refused number.
    pub sequence: u64,
    /// The newest number used so far.
    pub newest: u64,
}

impl SequenceWindow {
    /// Uses up `sequence`.
    pub fn admit(&mut self, sequence: u64) -> Result<(), SequenceRefused> {
        let refused = SequenceRefused { sequence, newest: self.newest };
        if sequence > self.newest {
            let skipped = (sequence - self.newest).min(WINDOW);
            for behind in 0..skipped {
                self.set(sequence - behind, false);
            }
            self.newest = sequence;
        } else if self.newest - sequence >= WINDOW || self.is_set(sequence) {
            return Err(refused);
        }
        self.set(sequence, true);
        Ok(())
    }

    fn is_set(&self, sequence: u64) -> bool {
        let (word, bit) = place(sequence);
        self.used[word] & bit != 0
    }

    fn set(&mut self, sequence: u64, used: bool) {
        let (word, bit) = place(sequence);
        if used {
            self.used[word] |= bit;
        } else {
            self.used[word] &= !bit;
        }
    }
}

fn place(sequence: u64) -> (usize, u64) {
    let position = sequence % WINDOW;
    ((position / 64) as usize, 1 << (position % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_number_is_accepted_once_in_any_order() {
        let mut window = SequenceWindow::default();
        for sequence in [0, 2, 1, 5, 3] {
            assert_eq!(window.admit(sequence), Ok(()));
        }
        for sequence in [0, 1, 2, 3, 5] {
            assert_eq!(window.admit(sequence), Err(SequenceRefused { sequence, newest: 5 }));
        }
        assert_eq!(window.admit(4), Ok(()));
    }

    #[test]
    fn numbers_behind_the_window_are_refused() {
        let mut window = SequenceWindow::default();
        window.admit(2_000).unwrap();
        assert!(window.admit(2_000 - WINDOW).is_err());
        assert_eq!(window.admit(2_000 - WINDOW + 1), Ok(()));
        window.admit(u64::MAX).unwrap();
        assert!(window.admit(2_000).is_err());
    }

    #[test]
    fn the_window_agrees_with_a_set_of_all_numbers_ever_seen() {
        let mut window = SequenceWindow::default();
        let mut seen = BTreeSet::new();
        let mut state = 1_u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let sequence = seen.last().copied().unwrap_or(0_u64).saturating_sub(700) + (state >> 33) % 900;
            assert_eq!(window.admit(sequence).is_ok(), seen.insert(sequence), "{sequence}");
        }
    }
}

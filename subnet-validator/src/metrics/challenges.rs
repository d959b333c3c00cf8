//! Counters of challenges, by what was asked and what came of it.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// The metric's name.
pub const NAME: &str = "subnet_validator_challenges_total";

/// What was asked, or looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A request of the validator's own, executed again.
    Probe,
    /// A user's call, executed again.
    Sample,
    /// Pieces of a model's file.
    Weights,
    /// A product of matrices in a time.
    Product,
    /// All answers: whether one comes twice. Nothing is sent for it.
    Replay,
}

/// What came of it. What waits, or could not be executed again, is sent and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// It was asked, or drawn.
    Sent,
    /// It was as it should be.
    Answered,
    /// Nothing that counts came in time.
    Missed,
    /// The miner signed something else than the truth: evidence that convicts.
    Wrong,
    /// Grounds to look again sooner, or evidence that costs half: a row of misses, a fingerprint withheld, a user's call that is not as
    /// the receipt says.
    Doubted,
}

const ASKED: [(Asked, &str); 5] = [
    (Asked::Probe, "probe"),
    (Asked::Sample, "sample"),
    (Asked::Weights, "weights"),
    (Asked::Product, "product"),
    (Asked::Replay, "replay"),
];

const CAME: [(Came, &str); 5] = [
    (Came::Sent, "sent"),
    (Came::Answered, "answered"),
    (Came::Missed, "missed"),
    (Came::Wrong, "wrong"),
    (Came::Doubted, "doubted"),
];

/// Pairs that cannot occur have no line.
fn occurs(asked: Asked, came: Came) -> bool {
    match (asked, came) {
        // It is seen, not asked.
        (Asked::Replay, came) => came == Came::Wrong,
        // A user's words are nobody's evidence, and the user's call has been answered before it is drawn.
        (Asked::Sample, Came::Wrong | Came::Missed) => false,
        _ => true,
    }
}

/// The counters.
#[derive(Debug, Default)]
pub(super) struct ChallengeCounts([[AtomicU64; CAME.len()]; ASKED.len()]);

impl ChallengeCounts {
    pub(super) fn slot(&self, asked: Asked, came: Came) -> Option<&AtomicU64> {
        debug_assert!(occurs(asked, came), "{asked:?} {came:?}");
        self.0.get(asked as usize)?.get(came as usize)
    }

    pub(super) fn render(&self, page: &mut String) {
        for (asked, kind) in ASKED {
            for (came, outcome) in CAME {
                if let Some(slot) = occurs(asked, came).then(|| self.slot(asked, came)).flatten() {
                    let count = slot.load(Ordering::Relaxed);
                    let _ = writeln!(page, "{NAME}{{kind=\"{kind}\",outcome=\"{outcome}\"}} {count}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ASKED, CAME, ChallengeCounts};

    #[test]
    fn every_kind_and_outcome_has_its_own_slot_and_what_cannot_occur_has_no_line() {
        assert!(ASKED.iter().enumerate().all(|(slot, (asked, _))| *asked as usize == slot));
        assert!(CAME.iter().enumerate().all(|(slot, (came, _))| *came as usize == slot));
        let mut page = String::new();
        ChallengeCounts::default().render(&mut page);
        assert_eq!(page.lines().count(), 3 * 5 + 3 + 1);
        assert!(page.ends_with("subnet_validator_challenges_total{kind=\"replay\",outcome=\"wrong\"} 0\n"));
    }
}

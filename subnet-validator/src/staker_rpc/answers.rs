//! Answers kept for as long as they are the same: for one block and one length of the log, and a moment at most, for what miners do
//! between blocks. Many stakers who ask the same are told what one of them was.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jsonrpsee::core::JsonRawValue;

/// How long an answer is kept although block and log stay the same, in milliseconds.
const KEPT_MS_MAX: u64 = 500;

/// Answers kept at once; when there are more, all are forgotten.
const ANSWERS_MAX: usize = 512;

/// Their bytes together.
const BYTES_MAX: usize = 32 << 20;

/// Longer parameters are not looked for.
const PARAMS_BYTES_MAX: usize = 256;

/// What an answer was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) block_hash: [u8; 32],
    pub(super) receipts: u64,
    /// Receipts that are summed up.
    pub(super) summed: u64,
}

/// Answers by method and parameters.
#[derive(Debug, Default)]
pub(super) struct Answers {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    of: HashMap<(&'static str, Box<str>), Answer>,
    bytes: usize,
}

#[derive(Debug)]
struct Answer {
    version: Version,
    at_ms: u64,
    data: Arc<JsonRawValue>,
}

impl Answers {
    /// The answer, if it would be the same now.
    pub(super) fn get(
        &self,
        method: &'static str,
        params: &str,
        version: Version,
        now_ms: u64,
    ) -> Option<Arc<JsonRawValue>> {
        let kept = self.lock();
        let answer = kept.of.get(&(method, params.into()))?;
        let fresh = answer.version == version && now_ms.saturating_sub(answer.at_ms) <= KEPT_MS_MAX;
        fresh.then(|| Arc::clone(&answer.data))
    }

    /// Keeps an answer.
    pub(super) fn put(
        &self,
        method: &'static str,
        params: &str,
        version: Version,
        now_ms: u64,
        data: &Arc<JsonRawValue>,
    ) {
        let bytes = data.get().len();
        if params.len() > PARAMS_BYTES_MAX || bytes > BYTES_MAX {
            return;
        }
        let mut kept = self.lock();
        if kept.of.len() >= ANSWERS_MAX || kept.bytes.saturating_add(bytes) > BYTES_MAX {
            *kept = Kept::default();
        }
        let answer = Answer { version, at_ms: now_ms, data: Arc::clone(data) };
        let before = kept.of.insert((method, params.into()), answer);
        kept.bytes = kept.bytes.saturating_sub(before.map_or(0, |before| before.data.get().len()));
        kept.bytes = kept.bytes.saturating_add(bytes);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Whole entries only: a panic leaves none behind that is half.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{ANSWERS_MAX, Answers, Version};
    use std::sync::Arc;

    #[test]
    fn an_answer_is_kept_for_its_block_and_a_moment_only() {
        let answers = Answers::default();
        let data: Arc<_> = jsonrpsee::core::to_json_raw_value(&1).unwrap().into();
        let version = Version { block_hash: [1; 32], receipts: 7, summed: 7 };
        answers.put("m", "[]", version, 1_000, &data);
        assert!(answers.get("m", "[]", version, 1_500).is_some());
        assert!(answers.get("m", "[]", version, 1_501).is_none());
        assert!(answers.get("m", "[1]", version, 1_000).is_none());
        assert!(answers.get("m", "[]", Version { receipts: 8, ..version }, 1_000).is_none());
        assert!(answers.get("m", "[]", Version { block_hash: [2; 32], ..version }, 1_000).is_none());
    }

    #[test]
    fn no_more_answers_are_kept_than_allowed() {
        let answers = Answers::default();
        let data: Arc<_> = jsonrpsee::core::to_json_raw_value(&1).unwrap().into();
        let version = Version { block_hash: [1; 32], receipts: 7, summed: 7 };
        for number in 0..3 * ANSWERS_MAX {
            answers.put("m", &number.to_string(), version, 1_000, &data);
            assert!(answers.lock().of.len() <= ANSWERS_MAX);
        }
        answers.put("m", &"x".repeat(1_000), version, 1_000, &data);
        assert!(answers.get("m", &"x".repeat(1_000), version, 1_000).is_none());
    }
}

//! How many answers may be in the making at once: altogether and per caller.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::account::AccountId;

#[derive(Debug, Default)]
struct Counts {
    all: u16,
    callers: BTreeMap<AccountId, u16>,
}

/// The miner's slots. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Slots {
    max: NonZeroU16,
    per_caller_max: NonZeroU16,
    counts: Arc<Mutex<Counts>>,
}

/// Every slot is taken, or every slot this caller may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSlot;

/// One answer in the making; dropping it frees the slot.
#[derive(Debug)]
pub struct Slot {
    caller: AccountId,
    counts: Arc<Mutex<Counts>>,
}

impl Slots {
    /// Slots that are all free.
    pub fn new(max: NonZeroU16, per_caller_max: NonZeroU16) -> Self {
        Self { max, per_caller_max, counts: Arc::default() }
    }

    /// Takes a slot for `caller`, or says at once that there is none.
    pub fn take(&self, caller: AccountId) -> Result<Slot, NoSlot> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let of_caller = counts.callers.get(&caller).copied().unwrap_or(0);
        if counts.all >= self.max.get() || of_caller >= self.per_caller_max.get() {
            return Err(NoSlot);
        }
        counts.all += 1;
        *counts.callers.entry(caller).or_default() += 1;
        Ok(Slot { caller, counts: Arc::clone(&self.counts) })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(1);
        if let Some(count) = counts.callers.get_mut(&self.caller) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.callers.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: u16) -> NonZeroU16 {
        NonZeroU16::new(value).unwrap()
    }

    #[test]
    fn a_caller_cannot_take_every_slot_and_dropping_one_frees_it() {
        let slots = Slots::new(number(3), number(2));
        let (greedy, modest) = (AccountId([1; 32]), AccountId([2; 32]));
        let first = slots.take(greedy).unwrap();
        let _second = slots.take(greedy).unwrap();
        assert_eq!(slots.take(greedy).unwrap_err(), NoSlot);
        let _third = slots.take(modest).unwrap();
        assert_eq!(slots.take(modest).unwrap_err(), NoSlot);
        drop(first);
        assert!(slots.take(modest).is_ok());
    }
}

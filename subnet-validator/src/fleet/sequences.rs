//! Sequence numbers of tickets, per miner. They are reserved in blocks on disk before the first of a block is used, so that no
//! number is used twice, whatever happens to this process; a restart skips the rest of a block.

use std::collections::HashMap;
use std::ops::Range;

use protocol::account::AccountId;
use tokio::sync::Mutex;

use crate::ledger::{AppendError, Ledger};

/// Hands out sequence numbers.
pub(super) struct Sequences {
    ledger: Ledger,
    block: u64,
    reserved: Mutex<HashMap<AccountId, Range<u64>>>,
}

impl Sequences {
    pub(super) fn new(ledger: Ledger, block: u64) -> Self {
        Self { ledger, block, reserved: Mutex::default() }
    }

    /// The next number for this miner.
    pub(super) async fn next(&self, miner: AccountId) -> Result<u64, AppendError> {
        let mut reserved = self.reserved.lock().await;
        let range = reserved.entry(miner).or_insert(0..0);
        if let Some(next) = range.next() {
            return Ok(next);
        }
        *range = self.ledger.reserve_sequences(miner, self.block).await?;
        range.next().ok_or(AppendError::Closed)
    }
}

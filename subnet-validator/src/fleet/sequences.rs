//! Sequence numbers of tickets, per miner. They are reserved in blocks on disk before the first of a block is used, so that no
//! number is used twice, whatever happens to this process; a restart skips the rest of a block. Half a block is reserved at a
//! time, and the next half while this one still lasts: a call waits for the disk here only when numbers are used up faster.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use protocol::account::AccountId;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio_util::task::TaskTracker;

use crate::ledger::{AppendError, Ledger};

/// Hands out sequence numbers.
pub(super) struct Sequences {
    ledger: Ledger,
    /// Numbers reserved at a time; at most twice as many are ever reserved and unused.
    half: u64,
    /// Reservations made ahead; the fleet's end waits for them.
    ahead: TaskTracker,
    stocks: Mutex<HashMap<AccountId, Arc<Stock>>>,
}

/// What is reserved for one miner.
struct Stock {
    miner: AccountId,
    numbers: Mutex<Numbers>,
    /// Held by whoever reserves more.
    reserving: Arc<AsyncMutex<()>>,
}

#[derive(Default)]
struct Numbers {
    current: Range<u64>,
    spare: Range<u64>,
}

impl Sequences {
    pub(super) fn new(ledger: Ledger, block: u64, ahead: TaskTracker) -> Self {
        Self { ledger, half: block.div_ceil(2).max(1), ahead, stocks: Mutex::default() }
    }

    /// The next number for this miner.
    pub(super) async fn next(&self, miner: AccountId) -> Result<u64, AppendError> {
        let stock = self.stock(miner);
        let taken = stock.numbers().take();
        let number = match taken {
            Some(number) => number,
            None => {
                let alone = Arc::clone(&stock.reserving).lock_owned().await;
                // Somebody else may have reserved meanwhile.
                let taken = stock.numbers().take();
                match taken {
                    Some(number) => number,
                    None => {
                        stock.reserve(&self.ledger, self.half, alone).await?;
                        let taken = stock.numbers().take();
                        taken.ok_or(AppendError::Closed)?
                    }
                }
            }
        };
        self.look_ahead(&stock);
        Ok(number)
    }

    fn stock(&self, miner: AccountId) -> Arc<Stock> {
        let mut stocks = self.stocks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let new = || Arc::new(Stock { miner, numbers: Mutex::default(), reserving: Arc::default() });
        Arc::clone(stocks.entry(miner).or_insert_with(new))
    }

    /// Reserves the next half once this one is half used, unless somebody does already.
    fn look_ahead(&self, stock: &Arc<Stock>) {
        if !stock.numbers().run_low(self.half) {
            return;
        }
        let Ok(alone) = Arc::clone(&stock.reserving).try_lock_owned() else { return };
        let (stock, ledger, half) = (Arc::clone(stock), self.ledger.clone(), self.half);
        self.ahead.spawn(async move {
            // If it fails, the call that finds no number left tries again and says why.
            let _ = stock.reserve(&ledger, half, alone).await;
        });
    }
}

impl Stock {
    async fn reserve(
        &self,
        ledger: &Ledger,
        count: u64,
        alone: OwnedMutexGuard<()>,
    ) -> Result<(), AppendError> {
        if self.numbers().run_low(count) {
            let range = ledger.reserve_sequences(self.miner, count).await?;
            self.numbers().spare = range;
        }
        drop(alone);
        Ok(())
    }

    fn numbers(&self) -> std::sync::MutexGuard<'_, Numbers> {
        // No panic can come between the two halves of a change.
        self.numbers.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Numbers {
    fn take(&mut self) -> Option<u64> {
        if self.current.is_empty() {
            self.current = std::mem::take(&mut self.spare);
        }
        self.current.next()
    }

    fn run_low(&self, half: u64) -> bool {
        self.spare.is_empty() && (self.current.end - self.current.start) * 2 <= half
    }
}

#[cfg(test)]
mod tests {
    use super::Numbers;

    #[test]
    fn numbers_of_a_half_are_followed_by_those_of_the_next() {
        let mut numbers = Numbers { current: 6..8, spare: 12..14 };
        let taken: Vec<u64> = std::iter::from_fn(|| numbers.take()).collect();
        assert_eq!(taken, [6, 7, 12, 13]);
    }

    #[test]
    fn more_are_reserved_once_half_of_a_half_is_used_and_none_lie_ready() {
        assert!(Numbers::default().run_low(4));
        assert!(!Numbers { current: 0..3, spare: 0..0 }.run_low(4));
        assert!(Numbers { current: 1..3, spare: 0..0 }.run_low(4));
        assert!(!Numbers { current: 1..3, spare: 4..8 }.run_low(4));
    }
}

//! Reads the ledger's receipts into [`Usage`] as they come.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::catalogue::Catalogue;
use protocol::scoring::HOUR_MS;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Usage;
use crate::ledger::{Ledger, ReadError};

/// Receipts read and added at a time.
const BATCH_RECEIPTS: usize = 512;

/// A handle to the sums. Clones share them.
#[derive(Debug, Clone)]
pub struct UsageView {
    usage: Arc<Mutex<Usage>>,
    receipts: watch::Sender<u64>,
}

/// What the reading task needs.
pub struct Follow {
    /// Where the receipts are.
    pub ledger: Ledger,
    /// What tokens are worth.
    pub catalogue: Arc<Catalogue>,
    /// Where the sums go.
    pub view: UsageView,
    /// Now, in milliseconds: what is older than the hours kept is not read.
    pub now_ms: u64,
    /// Ends the task.
    pub stop: CancellationToken,
}

impl UsageView {
    /// Sums of nothing; at most this many hours will be kept.
    #[must_use]
    pub fn new(hours_max: u64) -> Self {
        Self { usage: Arc::new(Mutex::new(Usage::new(hours_max))), receipts: watch::Sender::new(0) }
    }

    /// Looks at the sums. Adding waits meanwhile, so look quickly.
    pub fn look<T>(&self, look: impl FnOnce(&Usage) -> T) -> T {
        look(&self.lock())
    }

    /// How many receipts are in the sums.
    #[must_use]
    pub fn receipts(&self) -> u64 {
        *self.receipts.borrow()
    }

    /// Tells how many receipts are in the sums, and when there are more.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.receipts.subscribe()
    }

    /// Adds all receipts of the log that are not in yet.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn catch_up(&self, ledger: &Ledger, catalogue: &Arc<Catalogue>) -> Result<(), ReadError> {
        loop {
            let (view, catalogue) = (self.clone(), Arc::clone(catalogue));
            let added = ledger
                .read(move |reader| {
                    let next = view.lock().receipts();
                    let batch = reader.from(next, BATCH_RECEIPTS)?;
                    let mut usage = view.lock();
                    for stored in &batch {
                        usage.add(&stored.receipt, &catalogue);
                    }
                    Ok(batch.len())
                })
                .await?;
            let receipts = self.lock().receipts();
            self.receipts.send_if_modified(|known| std::mem::replace(known, receipts) != receipts);
            if added < BATCH_RECEIPTS {
                return Ok(());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Usage> {
        // A panic while adding leaves sums that are off by one receipt; they are shown, never paid by.
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs until stopped.
pub async fn run(follow: Follow) {
    let Follow { ledger, catalogue, view, now_ms, stop } = follow;
    let oldest_ms = now_ms.saturating_sub(view.lock().hours_max.saturating_mul(HOUR_MS));
    let mut growth = ledger.head_changes();
    match ledger.read(move |reader| reader.window_first_index(oldest_ms)).await {
        Ok(first) => view.lock().skip_to(first),
        Err(error) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            "usage is summed from the log's beginning"
        ),
    }
    loop {
        growth.mark_unchanged();
        if let Err(error) = view.catch_up(&ledger, &catalogue).await {
            tracing::error!(error = &error as &dyn std::error::Error, "usage cannot be summed");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = growth.changed() => if changed.is_err() { return },
        }
    }
}

//! Faults on request, as clients see them.

mod chain;
mod connections;
mod snapshots;

use std::time::Duration;

/// How long a test waits for what must happen.
const SOON: Duration = Duration::from_secs(20);

/// Waits for something that must happen soon.
async fn soon<R>(what: impl Future<Output = R>) -> R {
    tokio::time::timeout(SOON, what).await.expect("it happens within twenty seconds")
}

//! The only file that reads the machine's clocks; everything that decides takes the time as an argument.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Nanoseconds since the Unix epoch, zero should the clock stand before it.
pub fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Milliseconds since the Unix epoch.
pub fn unix_ms() -> u64 {
    unix_ns() / 1_000_000
}

/// A point on the monotonic clock, for durations and deadlines.
pub fn monotonic() -> Instant {
    Instant::now()
}

/// Milliseconds since `start`, as receipts carry them.
pub fn elapsed_ms(start: Instant) -> u32 {
    u32::try_from(start.elapsed().as_millis()).unwrap_or(u32::MAX)
}

/// The point on the monotonic clock at which the wall clock will show `unix_ms`; now if that has passed.
pub fn at_unix_ms(at_ms: u64) -> Instant {
    monotonic() + Duration::from_millis(at_ms.saturating_sub(unix_ms()))
}

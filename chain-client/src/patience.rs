//! Waiting for a chain that cannot be read yet: a node that starts beside its miner or validator needs minutes to answer.

use std::error::Error;
use std::time::Duration;

use tokio::time::sleep;

use crate::{BlockRef, ChainClient, QueryError};

const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// How old an endpoint's newest block may be before it is taken for one that has not caught up yet, in milliseconds.
const HEAD_AGE_MS_MAX: u64 = 600_000;

/// Tries until it succeeds or fails for a reason that does not pass by itself. Waits a second after the first failure, twice as
/// long after each further one and 30 s at most, and says each time that it waits. Ends only so: race it against whatever
/// should end it.
pub async fn until_it_passes<T, E, F>(
    is_passing: impl Fn(&E) -> bool,
    mut attempt: impl FnMut() -> F,
) -> Result<T, E>
where
    E: Error + 'static,
    F: Future<Output = Result<T, E>>,
{
    let mut pause = PAUSE_FIRST;
    loop {
        // On the heap: what a node does at its start is large, and is over soon.
        match Box::pin(attempt()).await {
            Err(error) if is_passing(&error) => {
                let again_in_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(
                    again_in_ms,
                    error = &error as &dyn Error,
                    "the chain cannot be read yet: it is tried until it can"
                );
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            result => return result,
        }
    }
}

impl ChainClient {
    /// How many minutes old this block is, if that is so much that its endpoint must still be catching up: what it does not
    /// know may be so all the same. The chain's first block has no time and is never old.
    pub async fn minutes_behind(&self, at: BlockRef, now_ms: u64) -> Result<Option<u64>, QueryError> {
        let made_ms = self.timestamp_ms(at).await?;
        let age_ms = now_ms.saturating_sub(made_ms);
        Ok((made_ms > 0 && age_ms > HEAD_AGE_MS_MAX).then_some(age_ms / 60_000))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Failure(&'static str);

    fn passes(failure: &Failure) -> bool {
        failure.0 == "passing"
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_tried_again_later_and_later_until_it_has_passed() {
        let (begun, tries) = (tokio::time::Instant::now(), Cell::new(0));
        let done = until_it_passes(passes, || async {
            tries.set(tries.get() + 1);
            if tries.get() < 9 { Err(Failure("passing")) } else { Ok(tries.get()) }
        });
        assert_eq!(done.await.unwrap(), 9);
        assert_eq!(begun.elapsed().as_secs(), 1 + 2 + 4 + 8 + 16 + 30 + 30 + 30);
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_pass_is_told_at_once() {
        let tries = Cell::new(0);
        let done: Result<(), _> = until_it_passes(passes, || async {
            tries.set(tries.get() + 1);
            Err(Failure("for good"))
        })
        .await;
        assert_eq!((done.unwrap_err().0, tries.get()), ("for good", 1));
    }
}

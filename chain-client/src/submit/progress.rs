//! How far a submission is, for whoever waits for it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::error::{SubmitError, millis};
use crate::blocks::BlockRef;
use crate::error::QueryError;

/// Longest silence while a submission is waited for.
pub(super) const TELL_INTERVAL: Duration = Duration::from_secs(10);

/// How far a submission is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubmitProgress {
    /// What is being done.
    pub doing: &'static str,
    /// Since it began.
    pub elapsed: Duration,
    /// The deadline.
    pub timeout: Duration,
    /// Where it is.
    pub stage: SubmitStage,
}

/// Where a submission is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubmitStage {
    /// Nothing was sent yet.
    Signing,
    /// It was sent, and no block is known to have it.
    Sent,
    /// A block has it that may still be replaced by another.
    InBlock(BlockRef),
}

impl fmt::Display for SubmitProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { doing, elapsed, timeout, stage } = self;
        let (elapsed, timeout) = (elapsed.as_secs(), timeout.as_secs());
        match stage {
            SubmitStage::Signing => write!(f, "{doing}: preparing"),
            SubmitStage::Sent => write!(f, "{doing}: sent, waiting for a block"),
            SubmitStage::InBlock(block) => {
                write!(f, "{doing}: in block {}, waiting until it is final", block.number)
            }
        }?;
        write!(f, " ({elapsed} of at most {timeout} s)")
    }
}

/// Who is told.
#[derive(Clone, Default)]
pub(crate) struct Audience(Option<Arc<dyn Fn(SubmitProgress) + Send + Sync>>);

impl Audience {
    pub(crate) fn new(tell: impl Fn(SubmitProgress) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    pub(super) fn tell(&self, progress: SubmitProgress) {
        tracing::debug!("{progress}");
        if let Some(tell) = &self.0 {
            tell(progress);
        }
    }
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Audience").field(&self.0.is_some()).finish()
    }
}

/// What is known of a submission so far: what remains to be said when its time is up.
#[derive(Debug)]
pub(super) enum Reached {
    /// A stage on the way.
    Stage(SubmitStage),
    /// A block has it that may still be replaced, and it failed there.
    Failed(SubmitError),
}

impl Reached {
    /// The error of a submission whose time is up.
    pub(super) fn out_of_time(self, doing: &'static str, after: Duration) -> SubmitError {
        let after_ms = millis(after);
        match self {
            Self::Stage(SubmitStage::Signing) => SubmitError::Query(QueryError::TimedOut { doing, after_ms }),
            Self::Stage(SubmitStage::Sent) => SubmitError::TimedOut { doing, after_ms },
            Self::Stage(SubmitStage::InBlock(block)) => SubmitError::NotFinal { doing, block, after_ms },
            Self::Failed(error) => error,
        }
    }
}

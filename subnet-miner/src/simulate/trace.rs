//! Traces: what users would have paid one miner for each model, step by step.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How many models a trace may have: the optimum looks at every set of them.
pub const MODELS_MAX: usize = 12;

/// How many steps a trace may have.
pub const STEPS_MAX: usize = 20_000;

/// How long a trace's file may be, in bytes.
pub const BYTES_MAX: u64 = 16 << 20;

/// A trace. `scripts/make-traces` makes those that are shipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// Its name.
    pub name: String,
    /// What it shows, in a sentence.
    pub about: String,
    /// Length of a step, in milliseconds.
    pub step_ms: u64,
    /// Steps that a validator's demand window has: what rules see is the mean over so many steps.
    pub window_steps: usize,
    /// Memory for models, in bytes.
    pub memory_bytes: u64,
    /// The models.
    pub models: Vec<ModelTrace>,
    /// Offers for models that are cold.
    #[serde(default)]
    pub bounties: Vec<Bounty>,
}

/// One model's demand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelTrace {
    /// Its name.
    pub id: String,
    /// Memory it takes.
    pub memory_bytes: u64,
    /// From the decision until it is ready, in milliseconds.
    pub load_ms: u64,
    /// What it earns in each step in which it is ready, in thousandths of a compute unit.
    pub demand: Vec<u64>,
}

/// An offer that is paid once, to a miner that has the model ready while the offer stands and had it not ready before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounty {
    /// Index of the model.
    pub model: usize,
    /// First step in which it stands.
    pub opens: usize,
    /// First step in which it does not any more: another miner was faster.
    pub closes: usize,
    /// What it is worth at first, in thousandths of a compute unit.
    pub first: u64,
    /// By how much it grows in a step.
    pub grows: u64,
}

/// Why there is no trace.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file.
    #[error("cannot read the trace {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Its form.
    #[error("the trace {} is not what a trace looks like; see docs/strategist.md", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// Its content.
    #[error("the trace {} cannot be simulated: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
}

impl Trace {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, TraceError> {
        let read = |source| TraceError::Read { path: path.to_owned(), source };
        let content = |reason| TraceError::Content { path: path.to_owned(), reason };
        if std::fs::metadata(path).map_err(read)?.len() > BYTES_MAX {
            return Err(content("it is longer than 16 MiB"));
        }
        let text = std::fs::read(path).map_err(read)?;
        let trace: Self = serde_json::from_slice(&text)
            .map_err(|source| TraceError::Form { path: path.to_owned(), source })?;
        trace.check().map_err(content)?;
        Ok(trace)
    }

    fn check(&self) -> Result<(), &'static str> {
        let steps = self.steps();
        if self.models.is_empty() || self.models.len() > MODELS_MAX {
            return Err("it needs 1 to 12 models");
        }
        if steps == 0 || steps > STEPS_MAX || self.models.iter().any(|model| model.demand.len() != steps) {
            return Err("each model needs the same number of steps, 1 to 20,000");
        }
        if self.step_ms == 0 || self.window_steps == 0 {
            return Err("steps and windows need a length");
        }
        if self
            .bounties
            .iter()
            .any(|bounty| bounty.model >= self.models.len() || bounty.opens >= bounty.closes)
        {
            return Err("a bounty is for no model of the trace, or closes before it opens");
        }
        Ok(())
    }

    /// How many steps it has.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.models.first().map_or(0, |model| model.demand.len())
    }

    /// Steps from the decision to load a model until it is ready.
    #[must_use]
    pub fn load_steps(&self, model: usize) -> usize {
        let steps = self.models.get(model).map_or(0, |model| model.load_ms).div_ceil(self.step_ms);
        usize::try_from(steps).unwrap_or(usize::MAX)
    }
}

impl Bounty {
    /// What it is worth in a step; nothing when it does not stand.
    #[must_use]
    pub fn worth(&self, step: usize) -> u64 {
        if step < self.opens || step >= self.closes {
            return 0;
        }
        self.first.saturating_add(self.grows.saturating_mul((step - self.opens) as u64))
    }
}

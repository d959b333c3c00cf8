//! What a newer runtime has changed of what this software uses.
//!
//! The chain upgrades itself under our feet. Calls are encoded, and values decoded, against the live metadata; each use of
//! an item whose shape is no longer the one this software was built for is refused by its name, and the rest goes on
//! working. A [`DriftReport`] says beforehand what that will be: it is made on connecting and for every new version of
//! the runtime, and logged. Shapes are compared by subxt's hashes of all types involved, names included: a rename that
//! leaves the bytes as they were counts as a change, because nobody but a person can tell it from a change of meaning.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use subxt::metadata::Metadata;

mod used;

use used::USED;

/// How many runtime versions are remembered.
const VERSIONS_MAX: usize = 16;

/// What kind of thing an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Something to submit.
    Call,
    /// A storage entry.
    Storage,
    /// A constant.
    Constant,
    /// A method of a runtime API.
    RuntimeApi,
}

/// A named part of the runtime's interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// Its pallet, or the runtime API it is a method of.
    pub group: &'static str,
    /// Its name there.
    pub name: &'static str,
}

/// How a live runtime differs from the one this software was built for, in what it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftReport {
    /// The live runtime's version.
    pub spec_version: u32,
    /// The version this software was built for.
    pub built_for: u32,
    /// Items that are there with another shape.
    pub changed: Vec<Item>,
    /// Items that are gone.
    pub gone: Vec<Item>,
    /// How many items are as they were.
    pub unchanged: usize,
}

impl DriftReport {
    /// Compares a live runtime's metadata with the pinned.
    #[must_use]
    pub fn of(live: &Metadata, spec_version: u32) -> Self {
        let pinned = chain_metadata::metadata();
        let built_for = chain_metadata::SPEC_VERSION;
        let mut report =
            Self { spec_version, built_for, changed: Vec::new(), gone: Vec::new(), unchanged: 0 };
        for item in USED {
            match (item.hash(live), item.hash(&pinned)) {
                (None, _) => report.gone.push(*item),
                (Some(live), Some(pinned)) if live != pinned => report.changed.push(*item),
                // Left out of the pinned metadata: it can only be gone.
                _ => report.unchanged += 1,
            }
        }
        report
    }

    /// Whether everything that this software uses is as it knows it.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.changed.is_empty() && self.gone.is_empty()
    }
}

impl Item {
    fn hash(&self, metadata: &Metadata) -> Option<[u8; 32]> {
        if self.kind == Kind::RuntimeApi {
            let method = metadata.runtime_api_trait_by_name(self.group)?.method_by_name(self.name)?;
            return Some(method.hash());
        }
        let pallet = metadata.pallet_by_name(self.group)?;
        match self.kind {
            Kind::Call => pallet.call_hash(self.name),
            Kind::Storage => pallet.storage_hash(self.name),
            Kind::Constant | Kind::RuntimeApi => pallet.constant_hash(self.name),
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Call => "call",
            Kind::Storage => "storage",
            Kind::Constant => "constant",
            Kind::RuntimeApi => "runtime API",
        };
        write!(f, "{kind} {}.{}", self.group, self.name)
    }
}

impl fmt::Display for DriftReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { spec_version, built_for, changed, gone, unchanged } = self;
        if self.is_clean() {
            return write!(
                f,
                "the runtime (spec {spec_version}) has all {unchanged} items in use as in spec {built_for}"
            );
        }
        write!(
            f,
            "the runtime (spec {spec_version}) is not the one this software was built for (spec {built_for})"
        )?;
        for (what, items) in [("changed", changed), ("gone", gone)] {
            if !items.is_empty() {
                let items: Vec<String> = items.iter().map(ToString::to_string).collect();
                write!(f, "; {what}: {}", items.join(", "))?;
            }
        }
        write!(
            f,
            "; what needs these is refused, {unchanged} other items are as they were: update this software"
        )
    }
}

/// The reports of the runtimes seen so far.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<BTreeMap<u32, Arc<DriftReport>>>);

impl Seen {
    /// The report for this runtime; made and logged when it is seen first.
    pub(crate) fn report(&self, live: &Metadata, spec_version: u32) -> Arc<DriftReport> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(report) = seen.get(&spec_version) {
            return Arc::clone(report);
        }
        let report = Arc::new(DriftReport::of(live, spec_version));
        if report.is_clean() {
            tracing::info!("{report}");
        } else {
            tracing::warn!("{report}");
        }
        if seen.len() >= VERSIONS_MAX {
            seen.pop_first();
        }
        seen.insert(spec_version, Arc::clone(&report));
        report
    }
}

#[cfg(test)]
mod tests;

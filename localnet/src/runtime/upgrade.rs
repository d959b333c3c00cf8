//! Upgrades of the runtime that are none: another version, and metadata in which some items have changed.
//!
//! The real chain is upgraded about twice a month under its clients. What they must notice is the version, which every
//! signature covers, and what is gone or has another shape. The rules stay those of this build.

pub mod drift;

use frame_support::{storage::unhashed, traits::Get};
use parity_scale_codec::{Decode, Encode};
use sp_version::RuntimeVersion;

use self::drift::Drift;
use super::VERSION;

/// Where the state keeps the upgrade. It is no pallet's, and no client knows it.
const KEY: &[u8] = b":localnet:upgrade";

/// What the runtime claims to have become.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct Upgrade {
    /// Its version.
    pub spec_version: u32,
    /// Version of its transactions; another one makes offline signers useless.
    pub transaction_version: u32,
    /// What its metadata says differently.
    pub drifts: Vec<Drift>,
}

impl Upgrade {
    /// Nothing but another version.
    pub fn to(spec_version: u32) -> Self {
        Self { spec_version, transaction_version: VERSION.transaction_version, drifts: Vec::new() }
    }

    /// The same, with an item that changed.
    #[must_use]
    pub fn with(mut self, drift: Drift) -> Self {
        self.drifts.push(drift);
        self
    }

    /// Makes it what the state says the runtime is.
    pub(crate) fn put(&self) {
        unhashed::put(KEY, self);
    }
}

/// The version as the state has it.
pub fn version() -> RuntimeVersion {
    let mut version = VERSION;
    if let Some(upgrade) = unhashed::get::<Upgrade>(KEY) {
        version.spec_version = upgrade.spec_version;
        version.transaction_version = upgrade.transaction_version;
    }
    version
}

/// The metadata as the state has it, of any version.
pub(super) fn metadata(encoded: Vec<u8>) -> Vec<u8> {
    match unhashed::get::<Upgrade>(KEY) {
        Some(upgrade) if !upgrade.drifts.is_empty() => drift::apply(encoded, &upgrade.drifts),
        _ => encoded,
    }
}

/// The version, for the pallets.
pub struct Version;

impl Get<RuntimeVersion> for Version {
    fn get() -> RuntimeVersion {
        version()
    }
}

//! Upgrades of the runtime under its clients.

use sp_version::RuntimeVersion;
use thiserror::Error;

use super::{Node, ProduceError};
use crate::{
    chain::{BlockRef, CallError, Interference},
    runtime::upgrade::{Upgrade, drift},
};

/// Why the runtime was not upgraded.
#[derive(Debug, Error)]
pub enum UpgradeError {
    /// The metadata has no such item.
    #[error(
        "the metadata has no {0}; name an item as Pallet.call, Pallet.Storage, Pallet.Constant or Api.method, as the metadata writes it"
    )]
    Unknown(String),
    /// The metadata could not be read.
    #[error("could not read the metadata")]
    Metadata(#[from] CallError),
    /// The block was not made.
    #[error(transparent)]
    Produce(#[from] ProduceError),
}

/// The newest version that has runtime APIs and that every client knows.
const METADATA_VERSION: u32 = 15;

impl Node {
    /// The runtime's version after the newest block.
    pub fn version(&self) -> Result<RuntimeVersion, CallError> {
        self.chain.call_decoded(&self.chain.best(), "Core_version", &[])
    }

    /// Makes a block after which the runtime has another version and, if asked, metadata with items that changed. What
    /// waits and was signed for the old version can be in no later block.
    pub fn upgrade(&self, upgrade: Upgrade) -> Result<BlockRef, UpgradeError> {
        let arguments = METADATA_VERSION.to_le_bytes();
        let metadata: Option<Vec<u8>> =
            self.chain.call_decoded(&self.chain.best(), "Metadata_metadata_at_version", &arguments)?;
        let metadata = metadata.unwrap_or_default();
        if let Some(unknown) = upgrade.drifts.iter().find(|item| !drift::is_known(&metadata, item)) {
            return Err(UpgradeError::Unknown(unknown.item.clone()));
        }
        Ok(self.produce_with(Interference::Upgrade(upgrade))?)
    }
}

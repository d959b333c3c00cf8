//! Registration on a subnet, paid by burning TAO.

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::NetUid;
use protocol::AccountId;
use protocol::signing::Keypair;
use subxt::utils::AccountId32;

use super::error::SubmitError;
use crate::blocks::BlockRef;
use crate::client::ChainClient;

const DOING: &str = "registering by burn";

/// What came of a registration. That the hotkey is registered already is no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Registered now.
    Registered {
        /// The uid it got.
        uid: u16,
        /// The finalised block that did it.
        block: BlockRef,
    },
    /// It was registered before; nothing was paid.
    AlreadyRegistered {
        /// Its uid.
        uid: u16,
    },
}

impl Registration {
    /// The hotkey's uid.
    pub fn uid(&self) -> u16 {
        match self {
            Self::Registered { uid, .. } | Self::AlreadyRegistered { uid } => *uid,
        }
    }
}

impl ChainClient {
    /// Registers `hotkey` on the subnet. `coldkey` pays the current price and a small fee, and owns the hotkey from then on
    /// if nobody did before.
    pub async fn register_burned(
        &self,
        coldkey: &Keypair,
        hotkey: &AccountId,
        netuid: u16,
    ) -> Result<Registration, SubmitError> {
        let best = self.best().await?;
        if let Some(uid) = self.uid_of(netuid, hotkey, best).await? {
            return Ok(Registration::AlreadyRegistered { uid });
        }
        let call = subtensor::tx().subtensor_module().burned_register(NetUid(netuid), AccountId32(hotkey.0));
        match self.submit(DOING, coldkey, &call).await {
            Ok(block) => {
                let uid = self.uid_of(netuid, hotkey, block).await?;
                let uid =
                    uid.ok_or(SubmitError::Dropped { doing: DOING, reason: "it was pruned at once" })?;
                Ok(Registration::Registered { uid, block })
            }
            Err(error) => {
                // Somebody else, or an earlier attempt of ours, may have been quicker.
                let lost_race = matches!(&error, SubmitError::Dispatch { error, .. } if error == "HotKeyAlreadyRegisteredInSubNet");
                if lost_race && let Some(uid) = self.uid_of(netuid, hotkey, self.finalized().await?).await? {
                    return Ok(Registration::AlreadyRegistered { uid });
                }
                Err(error)
            }
        }
    }
}

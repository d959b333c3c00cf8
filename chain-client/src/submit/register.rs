//! Registration on a subnet, paid by burning TAO.

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::NetUid;
use protocol::AccountId;
use protocol::signing::Keypair;
use subxt::utils::AccountId32;

use super::error::SubmitError;
use crate::blocks::BlockRef;
use crate::client::ChainClient;

pub(crate) mod quote;

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
    /// Registered in a block that is not final yet: it may still be undone.
    NotFinal {
        /// The uid it got there.
        uid: u16,
        /// That block.
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
            Self::Registered { uid, .. } | Self::NotFinal { uid, .. } | Self::AlreadyRegistered { uid } => {
                *uid
            }
        }
    }
}

impl ChainClient {
    /// Registers `hotkey` on the subnet. `coldkey` pays the current price and a small fee, and owns the hotkey from then on
    /// if nobody did before.
    ///
    /// The price moves with every block and registration, so the one that was looked at may not be the one that is paid:
    /// [`ChainClient::register_up_to`] has the chain hold it to a limit.
    pub async fn register_burned(
        &self,
        coldkey: &Keypair,
        hotkey: &AccountId,
        netuid: u16,
    ) -> Result<Registration, SubmitError> {
        self.register(coldkey, hotkey, netuid, None).await
    }

    /// As [`ChainClient::register_burned`], paying at most `limit_rao`: above it the chain refuses with
    /// `RegistrationPriceLimitExceeded`, and only the fee is spent.
    pub async fn register_up_to(
        &self,
        coldkey: &Keypair,
        hotkey: &AccountId,
        netuid: u16,
        limit_rao: u64,
    ) -> Result<Registration, SubmitError> {
        self.register(coldkey, hotkey, netuid, Some(limit_rao)).await
    }

    async fn register(
        &self,
        coldkey: &Keypair,
        hotkey: &AccountId,
        netuid: u16,
        limit_rao: Option<u64>,
    ) -> Result<Registration, SubmitError> {
        let best = self.best().await?;
        if let Some(uid) = self.uid_of(netuid, hotkey, best).await? {
            return Ok(Registration::AlreadyRegistered { uid });
        }
        let module = subtensor::tx().subtensor_module();
        let who = AccountId32(hotkey.0);
        let submitted = match limit_rao {
            None => self.submit(DOING, coldkey, &module.burned_register(NetUid(netuid), who)).await,
            Some(limit) => {
                self.submit(DOING, coldkey, &module.register_limit(NetUid(netuid), who, limit)).await
            }
        };
        match self.seat_of(netuid, hotkey, submitted, DOING).await {
            Ok(registration) => Ok(registration),
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

    /// The registration that a submission has made.
    pub(super) async fn seat_of(
        &self,
        netuid: u16,
        hotkey: &AccountId,
        submitted: Result<BlockRef, SubmitError>,
        doing: &'static str,
    ) -> Result<Registration, SubmitError> {
        let (block, is_final) = match submitted {
            Ok(block) => (block, true),
            Err(SubmitError::NotFinal { block, .. }) => (block, false),
            Err(error) => return Err(error),
        };
        let uid = self.uid_of(netuid, hotkey, block).await?;
        let uid = uid.ok_or(SubmitError::Dropped { doing, reason: "it was pruned at once" })?;
        Ok(match is_final {
            true => Registration::Registered { uid, block },
            false => Registration::NotFinal { uid, block },
        })
    }
}

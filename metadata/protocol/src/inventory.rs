//! What a miner says it serves, signed, so that a validator can route by it and hold the miner to it.

use parity_scale_codec::{Decode, Encode, Error, Input};
use serde::{Deserialize, Serialize};

use crate::account::AccountId;
use crate::bounded::{decode_list, decode_text};
use crate::digest::Digest;
use crate::signing::{self, BadSignature, Domain, Keypair, Signature};
use crate::ticket::ModelId;

/// How long a device's description may be.
pub const DEVICE_BYTES_MAX: usize = 128;

/// How many models one miner may list.
pub const MODELS_MAX: usize = 256;

/// How far ahead of the reader's clock an inventory may be dated.
pub const ISSUED_AHEAD_MS_MAX: u64 = 2_000;

/// A model that is loaded and ready.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct HotModel {
    /// Its name.
    pub id: ModelId,
    /// SHA-256 of its weights.
    pub weights_digest: Digest,
    /// The longest prompt and answer together.
    pub context_tokens: u32,
    /// How many requests run at once.
    pub slots: u16,
    /// How many requests run now.
    pub in_flight: u16,
}

/// What the miner signs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Serialize, Deserialize)]
pub struct Inventory {
    /// The subnet.
    pub netuid: u16,
    /// The hotkey that signs.
    pub miner: AccountId,
    /// Unix time of issue.
    pub issued_at_ms: u64,
    /// The device in words, such as a processor's name.
    pub device: String,
    /// Memory for models on that device.
    pub memory_bytes: u64,
    /// The models that are ready.
    pub models: Vec<HotModel>,
}

/// An inventory as it travels: nothing has been checked. The signature covers the SCALE bytes, whatever the
/// transport.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct SignedInventory {
    /// What is claimed.
    pub inventory: Inventory,
    /// The miner's signature, unchecked.
    pub signature: Signature,
}

/// Why an inventory is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InventoryError {
    /// Another miner's.
    #[error("the inventory names another miner")]
    Miner,
    /// A text or list over its limit.
    #[error("the inventory's device text or list of models is over its limit")]
    TooLarge,
    /// Issued too long ago.
    #[error("the inventory is {age_ms} ms old")]
    Stale {
        /// Its age.
        age_ms: u64,
    },
    /// Issued too far ahead of this clock.
    #[error("the inventory was issued {ahead_ms} ms in the future")]
    IssuedAhead {
        /// How far.
        ahead_ms: u64,
    },
    /// Not signed by that miner.
    #[error("checking the inventory's signature")]
    Signature(#[source] BadSignature),
}

impl Inventory {
    /// Signs. With a key that is not `self.miner`'s the result will not verify.
    pub fn sign(self, miner: &Keypair) -> SignedInventory {
        let signature = miner.sign(Domain::Inventory, &self.encode());
        SignedInventory { inventory: self, signature }
    }
}

impl SignedInventory {
    /// Checks sizes, age and that `miner` signed it. The subnet is the caller's to compare.
    pub fn verify(
        self,
        now_ms: u64,
        age_ms_max: u64,
        miner: &AccountId,
    ) -> Result<Inventory, InventoryError> {
        let Self { inventory, signature } = self;
        if inventory.miner != *miner {
            return Err(InventoryError::Miner);
        }
        if inventory.device.len() > DEVICE_BYTES_MAX || inventory.models.len() > MODELS_MAX {
            return Err(InventoryError::TooLarge);
        }
        let age_ms = now_ms.saturating_sub(inventory.issued_at_ms);
        if age_ms > age_ms_max {
            return Err(InventoryError::Stale { age_ms });
        }
        let ahead_ms = inventory.issued_at_ms.saturating_sub(now_ms);
        if ahead_ms > ISSUED_AHEAD_MS_MAX {
            return Err(InventoryError::IssuedAhead { ahead_ms });
        }
        signing::verify(Domain::Inventory, miner, &inventory.encode(), &signature)
            .map_err(InventoryError::Signature)?;
        Ok(inventory)
    }
}

impl Decode for Inventory {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        Ok(Self {
            netuid: u16::decode(input)?,
            miner: AccountId::decode(input)?,
            issued_at_ms: u64::decode(input)?,
            device: decode_text(input, DEVICE_BYTES_MAX)?,
            memory_bytes: u64::decode(input)?,
            models: decode_list(input, MODELS_MAX)?,
        })
    }
}

#[cfg(test)]
mod tests;

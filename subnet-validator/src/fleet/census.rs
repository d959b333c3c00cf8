//! Who says that it holds what: the miners whose inventories are fresh, for those who ask them to show it.

use protocol::account::AccountId;
use protocol::catalogue::Model;

use super::Fleet;

/// A miner's device as its inventory has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceClaim {
    /// The miner.
    pub miner: AccountId,
    /// The device in words.
    pub device: String,
    /// Memory for models, in bytes.
    pub memory_bytes: u64,
}

impl Fleet {
    /// The miners that say they hold this model with these weights.
    #[must_use]
    pub fn holders_of(&self, model: &Model) -> Vec<AccountId> {
        let now_ms = self.shared.clock.now_ms();
        let view = self.shared.view.borrow();
        let holders = view.holders(model, now_ms, self.shared.limits.inventory_max_age_ms);
        holders.map(|holder| holder.miner.hotkey).collect()
    }

    /// The devices that miners say they have.
    #[must_use]
    pub fn devices(&self) -> Vec<DeviceClaim> {
        let (now_ms, max_age_ms) = (self.shared.clock.now_ms(), self.shared.limits.inventory_max_age_ms);
        let view = self.shared.view.borrow();
        let claims = view.miners.values().filter_map(|miner| {
            let known = miner.fresh_inventory(now_ms, max_age_ms)?;
            let (device, memory_bytes) = (known.device.clone(), known.memory_bytes);
            Some(DeviceClaim { miner: miner.hotkey, device, memory_bytes })
        });
        claims.collect()
    }
}

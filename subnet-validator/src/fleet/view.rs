//! What the validator knows of the miners at one moment: who they are, where they listen, what they run.

use std::collections::BTreeMap;

use protocol::account::AccountId;
use protocol::catalogue::Model;
use protocol::inventory::{HotModel, Inventory};
use protocol::ticket::ModelId;

use super::axon::AxonAddress;

/// One miner with a published axon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinerEntry {
    /// Its uid on the subnet.
    pub uid: u16,
    /// Its hotkey.
    pub hotkey: AccountId,
    /// Where it listens.
    pub axon: AxonAddress,
    /// What it last said it runs, if it ever did.
    pub inventory: Option<KnownInventory>,
}

/// A checked inventory with the moment it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownInventory {
    /// When it arrived, by this validator's clock.
    pub received_at_ms: u64,
    /// When it was made, by the miner's clock: an older one does not replace it.
    pub issued_at_ms: u64,
    /// When each of its models was first seen there without a break, by this validator's clock.
    pub hot_since_ms: BTreeMap<ModelId, u64>,
    /// The device in words.
    pub device: String,
    /// Memory for models.
    pub memory_bytes: u64,
    /// The models that are ready.
    pub models: Vec<HotModel>,
}

/// All miners.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// By hotkey.
    pub miners: BTreeMap<AccountId, MinerEntry>,
}

/// A miner that holds a model right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder<'view> {
    /// The miner.
    pub miner: &'view MinerEntry,
    /// The model as it runs there.
    pub model: &'view HotModel,
}

impl View {
    /// A view of these miners.
    #[must_use]
    pub fn new(miners: impl IntoIterator<Item = MinerEntry>) -> Self {
        Self { miners: miners.into_iter().map(|miner| (miner.hotkey, miner)).collect() }
    }

    /// Miners that hold exactly this model, weights included, by an inventory no older than the limit.
    pub fn holders(
        &self,
        model: &Model,
        now_ms: u64,
        inventory_max_age_ms: u64,
    ) -> impl Iterator<Item = Holder<'_>> {
        let (id, digest) = (model.id.clone(), model.weights_digest);
        self.miners.values().filter_map(move |miner| {
            let inventory = miner.fresh_inventory(now_ms, inventory_max_age_ms)?;
            let hot = inventory.models.iter().find(|hot| hot.id == id && hot.weights_digest == digest)?;
            Some(Holder { miner, model: hot })
        })
    }

    /// Replaces the list of miners and keeps what is known of those that stayed where they were.
    pub fn replace_miners(&mut self, miners: impl IntoIterator<Item = MinerEntry>) {
        let mut known = std::mem::take(&mut self.miners);
        for mut miner in miners {
            if let Some(before) = known.remove(&miner.hotkey)
                && before.axon == miner.axon
            {
                miner.inventory = before.inventory;
            }
            self.miners.insert(miner.hotkey, miner);
        }
    }

    /// Records an inventory that arrived now, unless the miner is gone meanwhile or a newer one is known. Says whether it did.
    pub fn record_inventory(&mut self, inventory: Inventory, now_ms: u64) -> bool {
        let Some(miner) = self.miners.get_mut(&inventory.miner) else { return false };
        let before = miner.inventory.as_ref();
        if before.is_some_and(|known| known.issued_at_ms > inventory.issued_at_ms) {
            return false;
        }
        let since = |model: &HotModel| {
            let known = before.and_then(|known| known.hot_since_ms.get(&model.id)).copied();
            (model.id.clone(), known.unwrap_or(now_ms))
        };
        let hot_since_ms = inventory.models.iter().map(since).collect();
        let Inventory { issued_at_ms, device, memory_bytes, models, .. } = inventory;
        miner.inventory = Some(KnownInventory {
            received_at_ms: now_ms,
            issued_at_ms,
            hot_since_ms,
            device,
            memory_bytes,
            models,
        });
        true
    }
}

impl Holder<'_> {
    /// When the model was first seen at this miner.
    #[must_use]
    pub fn hot_since_ms(&self) -> u64 {
        let known = self.miner.inventory.as_ref();
        known.and_then(|known| known.hot_since_ms.get(&self.model.id)).copied().unwrap_or(u64::MAX)
    }
}

impl MinerEntry {
    /// The last inventory, if it is not too old.
    #[must_use]
    pub fn fresh_inventory(&self, now_ms: u64, inventory_max_age_ms: u64) -> Option<&KnownInventory> {
        self.inventory
            .as_ref()
            .filter(|known| now_ms.saturating_sub(known.received_at_ms) <= inventory_max_age_ms)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use std::net::SocketAddr;

    use super::{KnownInventory, MinerEntry, View};
    use protocol::account::AccountId;
    use protocol::catalogue::Model;
    use protocol::digest::Digest;
    use protocol::inventory::{HotModel, Inventory};
    use protocol::ticket::ModelId;

    fn model(weights: &[u8]) -> Model {
        Model {
            id: "m".parse().unwrap(),
            weights_digest: Digest::of(weights),
            prompt_multiplier: 1,
            completion_multiplier: 1,
            memory_bytes: 1,
        }
    }

    fn miner(id: u8, port: u16, received_at_ms: Option<u64>) -> MinerEntry {
        let hot = HotModel {
            id: ModelId::try_from("m").unwrap(),
            weights_digest: Digest::of(b"w"),
            context_tokens: 8,
            slots: 1,
            in_flight: 0,
        };
        MinerEntry {
            uid: id.into(),
            hotkey: AccountId([id; 32]),
            axon: SocketAddr::from(([127, 0, 0, 2], port)).into(),
            inventory: received_at_ms.map(|received_at_ms| KnownInventory {
                received_at_ms,
                issued_at_ms: 0,
                hot_since_ms: BTreeMap::new(),
                device: "cpu".into(),
                memory_bytes: 1,
                models: vec![hot],
            }),
        }
    }

    fn holders(view: &View, weights: &[u8], now_ms: u64) -> Vec<u16> {
        view.holders(&model(weights), now_ms, 1_000).map(|holder| holder.miner.uid).collect()
    }

    #[test]
    fn only_fresh_inventories_of_the_very_same_weights_count() {
        let view = View::new([miner(1, 1, Some(500)), miner(2, 2, Some(1_400)), miner(3, 3, None)]);
        assert_eq!(holders(&view, b"w", 1_500), [1, 2]);
        assert_eq!(holders(&view, b"w", 1_501), [2]);
        assert!(holders(&view, b"other weights", 1_500).is_empty());
    }

    #[test]
    fn an_older_inventory_changes_nothing_and_a_model_is_hot_since_it_was_first_seen() {
        let mut view = View::new([miner(1, 1, None)]);
        let hot = miner(1, 1, Some(0)).inventory.unwrap().models;
        let inventory = |issued_at_ms, models| Inventory {
            netuid: 64,
            miner: AccountId([1; 32]),
            issued_at_ms,
            device: "cpu".into(),
            memory_bytes: 1,
            models,
        };
        assert!(view.record_inventory(inventory(10, hot.clone()), 100));
        assert!(view.record_inventory(inventory(20, hot.clone()), 200));
        assert!(!view.record_inventory(inventory(15, Vec::new()), 300));
        let since =
            |view: &View| view.holders(&model(b"w"), 300, 1_000).next().map(|holder| holder.hot_since_ms());
        assert_eq!(since(&view), Some(100));
        assert!(view.record_inventory(inventory(30, Vec::new()), 400));
        assert!(view.record_inventory(inventory(40, hot), 500));
        assert_eq!(since(&view), Some(500));
    }

    #[test]
    fn a_miner_that_moved_must_say_again_what_it_runs() {
        let mut view = View::new([miner(1, 1, Some(500)), miner(2, 2, Some(500)), miner(3, 3, Some(500))]);
        view.replace_miners([miner(1, 1, None), miner(2, 99, None)]);
        assert_eq!(holders(&view, b"w", 500), [1]);
        assert_eq!(view.miners.len(), 2);
    }
}

//! When a subnet's epoch runs.

use crate::runtime::{
    numbers::NetUid,
    subtensor::{
        BlocksSinceLastStep, Config, Event, LastEpochBlock, LastMechansimStepBlock, MaxEpochsPerBlock,
        NetworksAdded, Pallet, PendingEpochAt, SubnetEpochIndex, Tempo,
    },
};

/// Blocks after which an epoch runs whatever its schedule says.
const BLOCKS_BETWEEN_EPOCHS_MAX: u64 = 50_400;

impl<T: Config> Pallet<T> {
    /// Runs the epochs that are due in this block, in order of netuid; those beyond the block's limit wait for the next.
    pub(crate) fn run_due_epochs() {
        let now = Self::block();
        let mut left = MaxEpochsPerBlock::<T>::get();
        for netuid in Self::subnets() {
            BlocksSinceLastStep::<T>::mutate(netuid, |blocks| *blocks = blocks.saturating_add(1));
            if !Self::epoch_is_due(netuid, now) {
                continue;
            }
            if left == 0 {
                let to_block = now.saturating_add(1);
                PendingEpochAt::<T>::insert(netuid, to_block);
                Self::deposit_event(Event::EpochDeferred { netuid, from_block: now, to_block });
                continue;
            }
            left -= 1;
            Self::pay_epoch(netuid);
            LastEpochBlock::<T>::insert(netuid, now);
            PendingEpochAt::<T>::insert(netuid, 0);
            SubnetEpochIndex::<T>::mutate(netuid, |index| *index = index.saturating_add(1));
            BlocksSinceLastStep::<T>::insert(netuid, 0);
            LastMechansimStepBlock::<T>::insert(netuid, now);
        }
    }

    /// Whether the subnet's epoch runs in this block, unless others take all its places.
    pub(crate) fn epoch_is_due(netuid: NetUid, now: u64) -> bool {
        let tempo = u64::from(Tempo::<T>::get(netuid));
        let pending = PendingEpochAt::<T>::get(netuid);
        tempo != 0
            && ((pending > 0 && now >= pending)
                || BlocksSinceLastStep::<T>::get(netuid) > BLOCKS_BETWEEN_EPOCHS_MAX
                || now.saturating_sub(LastEpochBlock::<T>::get(netuid)) >= tempo)
    }

    /// The block whose initialisation runs the subnet's next epoch; `None` when it never does.
    pub fn next_epoch_block(netuid: NetUid) -> Option<u64> {
        let tempo = u64::from(Tempo::<T>::get(netuid));
        if !NetworksAdded::<T>::get(netuid) || tempo == 0 {
            return None;
        }
        let automatic = LastEpochBlock::<T>::get(netuid).saturating_add(tempo);
        let pending = PendingEpochAt::<T>::get(netuid);
        Some(if pending > 0 { pending.min(automatic) } else { automatic })
    }

    /// The subnets that exist, without root, in order.
    pub fn subnets() -> Vec<NetUid> {
        let mut subnets: Vec<NetUid> = NetworksAdded::<T>::iter()
            .filter(|(netuid, added)| *added && !netuid.is_root())
            .map(|(netuid, _)| netuid)
            .collect();
        subnets.sort_unstable();
        subnets
    }

    /// The subnets that exist, root first.
    pub fn all_subnets() -> Vec<NetUid> {
        core::iter::once(NetUid::ROOT).chain(Self::subnets()).collect()
    }
}

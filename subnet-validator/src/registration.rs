//! Whether this validator may do its work: registered on the subnet, and permitted to set weights.

use chain_client::Metagraph;
use protocol::account::AccountId;

/// How a hotkey stands on a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is not registered.
    NotRegistered,
    /// It is registered, but its weights do not count yet.
    WithoutPermit {
        /// Its uid.
        uid: u16,
    },
    /// Its weights count.
    Permitted {
        /// Its uid.
        uid: u16,
    },
}

/// Looks a hotkey up.
#[must_use]
pub fn standing(metagraph: &Metagraph, hotkey: &AccountId) -> Standing {
    match metagraph.by_hotkey(hotkey) {
        None => Standing::NotRegistered,
        Some(neuron) if neuron.validator_permit => Standing::Permitted { uid: neuron.uid },
        Some(neuron) => Standing::WithoutPermit { uid: neuron.uid },
    }
}

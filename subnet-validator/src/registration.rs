//! Whether this validator may do its work: registered on the subnet, and permitted to set weights.

use chain_client::Metagraph;
use protocol::account::AccountId;
use tokio_util::sync::CancellationToken;

use crate::chain_view::ChainView;

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

/// Says in the log when the hotkey's standing changes, until stopped.
pub async fn follow(mut chain: ChainView, hotkey: AccountId, stop: CancellationToken) {
    let mut last = standing(&chain.borrow_and_update().metagraph, &hotkey);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = chain.changed() => if changed.is_err() { return },
        }
        let now = standing(&chain.borrow_and_update().metagraph, &hotkey);
        if now == last {
            continue;
        }
        last = now;
        match now {
            Standing::NotRegistered => tracing::error!(
                %hotkey,
                "NO LONGER REGISTERED: another hotkey has this one's uid; miners refuse calls of a validator without one, and no \
                 weights are set until it is registered again"
            ),
            Standing::WithoutPermit { uid } => {
                tracing::warn!(%hotkey, uid, "registered, but WITHOUT a validator permit: no weights can be set");
            }
            Standing::Permitted { uid } => {
                tracing::info!(%hotkey, uid, "registered, with a validator permit");
            }
        }
    }
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

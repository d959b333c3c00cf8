//! Following a metagraph: one that is always of the newest finalised block, and what changed in it.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;

use futures::{FutureExt, Stream, StreamExt};
use protocol::AccountId;

use super::metagraph::{Metagraph, Neuron};
use crate::client::ChainClient;
use crate::error::QueryError;

/// A metagraph that differs from the one before.
#[derive(Debug, Clone)]
pub struct MetagraphUpdate {
    /// The whole, at its block.
    pub metagraph: Arc<Metagraph>,
    /// How it differs.
    pub changes: MetagraphChanges,
}

/// How two metagraphs of one subnet differ. Uids are of the later one, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetagraphChanges {
    /// Uids that another hotkey holds than before, or nobody held.
    pub registered: Vec<u16>,
    /// Hotkeys that lost their uid.
    pub pruned: Vec<AccountId>,
    /// Uids whose address or TLS key changed.
    pub axons: Vec<u16>,
    /// Uids that won or lost their validator permit.
    pub permits: Vec<u16>,
    /// Uids whose stake changed.
    pub stakes: Vec<u16>,
    /// Uids that set or committed weights.
    pub weights: Vec<u16>,
    /// Uids whose incentive, dividends, consensus, trust or emission changed: an epoch ran.
    pub scores: Vec<u16>,
    /// Whether any rule of the subnet changed, the price of registration counted.
    pub rules: bool,
}

impl MetagraphChanges {
    /// Compares. Everything of a neuron that is new counts as its registration only.
    pub fn between(before: &Metagraph, after: &Metagraph) -> Self {
        let old: HashMap<AccountId, &Neuron> =
            before.neurons.iter().map(|neuron| (neuron.hotkey, neuron)).collect();
        let mut changes = Self {
            rules: before.hyperparameters != after.hyperparameters || before.tempo != after.tempo,
            ..Self::default()
        };
        for neuron in &after.neurons {
            let uid = neuron.uid;
            let Some(old) = old.get(&neuron.hotkey).filter(|old| is_same(old, neuron)) else {
                changes.registered.push(uid);
                continue;
            };
            let scores = |neuron: &Neuron| {
                let Neuron { incentive, dividends, consensus, validator_trust, emission_rao, .. } = *neuron;
                (incentive, dividends, consensus, validator_trust, emission_rao)
            };
            let stakes = |neuron: &Neuron| (neuron.stake_rao, neuron.root_stake_rao, neuron.stake_weight_rao);
            let differs = [
                (&mut changes.axons, old.axon != neuron.axon || old.tls_key != neuron.tls_key),
                (&mut changes.permits, old.validator_permit != neuron.validator_permit),
                (&mut changes.stakes, stakes(old) != stakes(neuron)),
                (&mut changes.weights, old.last_update != neuron.last_update),
                (&mut changes.scores, scores(old) != scores(neuron)),
            ];
            for (uids, _) in differs.into_iter().filter(|(_, differs)| *differs) {
                uids.push(uid);
            }
        }
        let still = |hotkey: &AccountId| after.by_hotkey(hotkey).is_some();
        changes.pruned =
            before.neurons.iter().map(|neuron| neuron.hotkey).filter(|key| !still(key)).collect();
        changes
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The same registration, and not the same key registered anew.
fn is_same(old: &Neuron, new: &Neuron) -> bool {
    (old.uid, old.registered_at) == (new.uid, new.registered_at)
}

impl ChainClient {
    /// The metagraph of the newest finalised block now, and again whenever it changed since.
    ///
    /// Reads at most once per `every_blocks` blocks, and skips blocks that were finalised while it read. The first item
    /// names every neuron as registered. A failure is an item; the stream goes on after it and ends only when dropped.
    pub fn metagraph_changes(
        &self,
        netuid: u16,
        every_blocks: NonZeroU32,
    ) -> impl Stream<Item = Result<MetagraphUpdate, QueryError>> + Send + 'static {
        let client = self.clone();
        async_stream::stream! {
            let mut blocks = pin!(client.finalized_blocks());
            let mut last: Option<Arc<Metagraph>> = None;
            while let Some(mut next) = blocks.next().await {
                while let Some(Some(newer)) = blocks.next().now_or_never() {
                    next = newer;
                }
                let block = match next {
                    Ok(block) => block,
                    Err(error) => {
                        yield Err(error);
                        continue;
                    }
                };
                let due = last.as_ref().map(|last| last.block.number.saturating_add(every_blocks.get()));
                if due.is_some_and(|due| block.number < due) {
                    continue;
                }
                let read = match &last {
                    None => client.metagraph(netuid, block).await,
                    Some(earlier) => client.refresh_metagraph(earlier, block).await,
                };
                let metagraph = match read {
                    Ok(metagraph) => Arc::new(metagraph),
                    Err(error) => {
                        yield Err(error);
                        continue;
                    }
                };
                let changes = match &last {
                    None => MetagraphChanges {
                        registered: metagraph.neurons.iter().map(|neuron| neuron.uid).collect(),
                        rules: true,
                        ..MetagraphChanges::default()
                    },
                    Some(earlier) => MetagraphChanges::between(earlier, &metagraph),
                };
                last = Some(Arc::clone(&metagraph));
                if !changes.is_empty() {
                    yield Ok(MetagraphUpdate { metagraph, changes });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

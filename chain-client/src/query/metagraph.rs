//! The metagraph: who is registered on a subnet, where they serve, and what the last epoch gave them.

use std::collections::HashMap;
use std::net::SocketAddr;

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::pallet_subtensor::rpc_info::metagraph as chain;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::NetUid;
use protocol::AccountId;
use subxt::utils::AccountId32;

use super::{axon, check_existence};
use crate::blocks::BlockRef;
use crate::client::ChainClient;
use crate::error::{Fault, QueryError};
use crate::query::hyperparameters::Hyperparameters;
use crate::submit::axon::TlsKey;

/// All neurons of a subnet at one block, and the rules they live under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metagraph {
    /// The subnet.
    pub netuid: u16,
    /// The block it was read at.
    pub block: BlockRef,
    /// Blocks from one epoch to the next.
    pub tempo: u16,
    /// What the subnet's owner has set.
    pub hyperparameters: Hyperparameters,
    /// By ascending uid.
    pub neurons: Vec<Neuron>,
}

/// One registered hotkey. Shares are out of 65,535. (The chain computes no `rank` and no `trust` of miners any more.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neuron {
    /// Its number on this subnet. A number is given to somebody else when its holder is pruned.
    pub uid: u16,
    /// The key it signs with.
    pub hotkey: AccountId,
    /// The key that owns the hotkey.
    pub coldkey: AccountId,
    /// Where it says it serves. `None` if it never said, or took it back.
    pub axon: Option<SocketAddr>,
    /// Block of its last announcement; 0 if it made none.
    pub axon_block: u64,
    /// The key it serves TLS with, if it announced one.
    pub tls_key: Option<TlsKey>,
    /// Whether it set weights recently, in the chain's judgement.
    pub active: bool,
    /// Whether its weights count.
    pub validator_permit: bool,
    /// Alpha behind it on this subnet, in rao: staked to it by everybody, child and parent hotkeys counted.
    pub stake_rao: u64,
    /// TAO behind it on the root network, in rao, before the chain's weight for it.
    pub root_stake_rao: u64,
    /// Its stake as epochs count it: alpha plus weighted TAO, in rao.
    pub stake_weight_rao: u64,
    /// Share of the miners' emission.
    pub incentive: u16,
    /// Share of the validators' emission.
    pub dividends: u16,
    /// The weight that validators agree it deserves.
    pub consensus: u16,
    /// How far its own weights agree with consensus.
    pub validator_trust: u16,
    /// Alpha earned in the last epoch, in rao.
    pub emission_rao: u64,
    /// Block of its last weights; at first the block of its registration.
    pub last_update: u64,
    /// Block of its registration.
    pub registered_at: Option<u64>,
}

impl Metagraph {
    /// The neuron with this hotkey.
    pub fn by_hotkey(&self, hotkey: &AccountId) -> Option<&Neuron> {
        self.neurons.iter().find(|neuron| neuron.hotkey == *hotkey)
    }

    /// The neuron with this uid.
    pub fn by_uid(&self, uid: u16) -> Option<&Neuron> {
        self.neurons.iter().find(|neuron| neuron.uid == uid)
    }
}

impl ChainClient {
    /// Reads the metagraph of a subnet: one runtime call, and one storage request for validator trust and TLS keys.
    /// About 100 KiB for 256 neurons.
    pub async fn metagraph(&self, netuid: u16, at: BlockRef) -> Result<Metagraph, QueryError> {
        self.metagraph_since(netuid, None, at).await
    }

    /// As [`ChainClient::metagraph`], cheaper for having an earlier one: a TLS key can only have changed with its axon's
    /// announcement, so only those announced since are read.
    pub async fn refresh_metagraph(
        &self,
        earlier: &Metagraph,
        at: BlockRef,
    ) -> Result<Metagraph, QueryError> {
        self.metagraph_since(earlier.netuid, Some(earlier), at).await
    }

    async fn metagraph_since(
        &self,
        netuid: u16,
        earlier: Option<&Metagraph>,
        at: BlockRef,
    ) -> Result<Metagraph, QueryError> {
        // An announcement that is newer than what is known has another block; one at an older block proves nothing.
        let known: HashMap<_, _> = earlier
            .filter(|earlier| earlier.block.number <= at.number)
            .into_iter()
            .flat_map(|earlier| earlier.neurons.iter().map(|neuron| (neuron.hotkey, neuron)))
            .collect();
        self.bounded("reading the metagraph", async {
            let mut reader = self.reader(at).await?;
            let call = subtensor::runtime_apis().subnet_info_runtime_api().get_metagraph(NetUid(netuid));
            let Some(answer) = reader.call(call).await? else {
                return Err(Fault::Subnet(netuid));
            };
            let module = subtensor::storage().subtensor_module();
            let trust = reader.want(module.validator_trust(), (NetUid(netuid),))?;
            let mut keys = Vec::with_capacity(answer.hotkeys.len());
            for (hotkey, axon) in answer.hotkeys.iter().zip(&answer.axons) {
                keys.push(if axon.block == 0 {
                    Key::Known(None)
                } else if let Some(neuron) = known.get(&AccountId(hotkey.0))
                    && neuron.axon_block == axon.block
                {
                    Key::Known(neuron.tls_key.clone())
                } else {
                    let key = (NetUid(netuid), AccountId32(hotkey.0));
                    Key::Wanted(reader.want(module.neuron_certificates(), key)?)
                });
            }
            let values = reader.fetch().await?;
            let trust = values.value(&trust)?;
            let keys = keys
                .into_iter()
                .map(|key| match key {
                    Key::Known(key) => Ok(key),
                    Key::Wanted(slot) => Ok(values.get(&slot)?.and_then(axon::tls_key)),
                })
                .collect::<Result<Vec<_>, Fault>>()?;
            check_existence(answer.netuid.0 == netuid, netuid)?;
            let hyperparameters = hyperparameters(&answer);
            let mut neurons = neurons(&answer);
            for (uid, neuron) in neurons.iter_mut().enumerate() {
                neuron.validator_trust = trust.get(uid).map_or(0, |share| share.0);
                neuron.tls_key = keys.get(uid).cloned().flatten();
            }
            Ok(Metagraph { netuid, block: at, tempo: answer.tempo, hyperparameters, neurons })
        })
        .await
    }
}

/// A neuron's TLS key: known from before, or to be fetched.
enum Key<Slot> {
    Known(Option<TlsKey>),
    Wanted(Slot),
}

/// The answer has one vector per column; a column that the chain keeps too short counts as zeroes.
fn neurons(answer: &chain::Metagraph<AccountId32>) -> Vec<Neuron> {
    fn at<T>(column: &[T], uid: usize) -> Option<&T> {
        column.get(uid)
    }
    let neuron = |(uid, hotkey): (usize, &AccountId32)| Neuron {
        uid: uid as u16,
        hotkey: AccountId(hotkey.0),
        coldkey: at(&answer.coldkeys, uid).map_or(AccountId([0; 32]), |coldkey| AccountId(coldkey.0)),
        axon: at(&answer.axons, uid).and_then(axon::address),
        axon_block: at(&answer.axons, uid).map_or(0, |axon| axon.block),
        tls_key: None,
        active: at(&answer.active, uid).copied().unwrap_or_default(),
        validator_permit: at(&answer.validator_permit, uid).copied().unwrap_or_default(),
        stake_rao: at(&answer.alpha_stake, uid).map_or(0, |stake| stake.0.0),
        root_stake_rao: at(&answer.tao_stake, uid).map_or(0, |stake| stake.0.0),
        stake_weight_rao: at(&answer.total_stake, uid).map_or(0, |stake| stake.0.0),
        incentive: at(&answer.incentives, uid).map_or(0, |share| share.0.0),
        dividends: at(&answer.dividends, uid).map_or(0, |share| share.0.0),
        consensus: at(&answer.consensus, uid).map_or(0, |share| share.0.0),
        validator_trust: 0,
        emission_rao: at(&answer.emission, uid).map_or(0, |emission| emission.0.0),
        last_update: at(&answer.last_update, uid).map_or(0, |block| block.0),
        registered_at: at(&answer.block_at_registration, uid).map(|block| block.0),
    };
    answer.hotkeys.iter().take(usize::from(u16::MAX)).enumerate().map(neuron).collect()
}

fn hyperparameters(answer: &chain::Metagraph<AccountId32>) -> Hyperparameters {
    Hyperparameters {
        tempo: answer.tempo,
        weights_rate_limit: answer.weights_rate_limit,
        commit_reveal_enabled: answer.commit_reveal_weights_enabled,
        weights_version_key: answer.weights_version,
        min_allowed_weights: answer.min_allowed_weights,
        serving_rate_limit: answer.serving_rate_limit,
        burn_rao: answer.burn.0,
        registration_allowed: answer.registration_allowed,
        immunity_period: answer.immunity_period,
        max_allowed_uids: answer.max_uids,
    }
}

//! `SubnetInfoRuntimeApi.get_subnet_state`: the neurons of a subnet, vector by vector.

use parity_scale_codec::{Compact, Decode, Encode};
use scale_info::TypeInfo;
use sp_runtime::{AccountId32, PerU16};

use crate::runtime::{
    numbers::{AlphaBalance, NetUid, TaoBalance},
    subtensor::{Config, Pallet},
};

/// The neurons of a subnet; vectors are by uid.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the fields are their names")]
pub struct SubnetState<AccountId> {
    pub netuid: Compact<NetUid>,
    pub hotkeys: Vec<AccountId>,
    pub coldkeys: Vec<AccountId>,
    pub active: Vec<bool>,
    pub validator_permit: Vec<bool>,
    pub pruning_score: Vec<Compact<u16>>,
    pub last_update: Vec<Compact<u64>>,
    pub emission: Vec<Compact<AlphaBalance>>,
    pub dividends: Vec<Compact<PerU16>>,
    pub incentives: Vec<Compact<PerU16>>,
    pub consensus: Vec<Compact<PerU16>>,
    pub trust: Vec<Compact<PerU16>>,
    pub rank: Vec<Compact<u16>>,
    pub block_at_registration: Vec<Compact<u64>>,
    pub alpha_stake: Vec<Compact<AlphaBalance>>,
    pub tao_stake: Vec<Compact<TaoBalance>>,
    pub total_stake: Vec<Compact<TaoBalance>>,
    /// By subnet, then by uid. The dev chain keeps no history of emissions: each neuron's last one on this subnet.
    pub emission_history: Vec<Vec<Compact<AlphaBalance>>>,
}

impl<T: Config> Pallet<T> {
    /// The neurons of a subnet.
    pub fn subnet_state(netuid: NetUid) -> Option<SubnetState<AccountId32>> {
        let graph = Self::metagraph(netuid)?;
        Some(SubnetState {
            netuid: graph.netuid,
            hotkeys: graph.hotkeys,
            coldkeys: graph.coldkeys,
            active: graph.active,
            validator_permit: graph.validator_permit,
            pruning_score: graph.pruning_score,
            last_update: graph.last_update,
            emission_history: vec![graph.emission.clone()],
            emission: graph.emission,
            dividends: graph.dividends,
            incentives: graph.incentives,
            consensus: graph.consensus,
            trust: graph.trust,
            rank: graph.rank,
            block_at_registration: graph.block_at_registration,
            alpha_stake: graph.alpha_stake,
            tao_stake: graph.tao_stake,
            total_stake: graph.total_stake,
        })
    }
}

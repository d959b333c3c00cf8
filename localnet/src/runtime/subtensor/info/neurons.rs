//! `NeuronInfoRuntimeApi`.

use parity_scale_codec::{Compact, Decode, Encode};
use scale_info::TypeInfo;
use sp_runtime::{AccountId32, PerU16};

use crate::runtime::{
    numbers::{AlphaBalance, MechId, NetUid, NetUidStorageIndex},
    subtensor::{
        Active, Axons, Bonds, Config, Consensus, Dividends, Emission, Incentive, Keys, LastUpdate,
        NetworksAdded, Owner, Pallet, Prometheus, SubnetworkN, ValidatorPermit, ValidatorTrust, Weights,
        types::{AxonInfo, PrometheusInfo},
    },
};

/// What pruning scores were before the chain dropped them.
const PRUNING_SCORE: u16 = u16::MAX;

/// A neuron without its weights and bonds.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the fields are their names")]
pub struct NeuronInfoLite<AccountId> {
    pub hotkey: AccountId,
    pub coldkey: AccountId,
    pub uid: Compact<u16>,
    pub netuid: Compact<NetUid>,
    pub active: bool,
    pub axon_info: AxonInfo,
    pub prometheus_info: PrometheusInfo,
    pub stake: Vec<(AccountId, Compact<AlphaBalance>)>,
    pub rank: Compact<u16>,
    pub emission: Compact<AlphaBalance>,
    pub incentive: Compact<PerU16>,
    pub consensus: Compact<PerU16>,
    pub trust: Compact<PerU16>,
    pub validator_trust: Compact<PerU16>,
    pub dividends: Compact<PerU16>,
    pub last_update: Compact<u64>,
    pub validator_permit: bool,
    pub pruning_score: Compact<u16>,
}

/// A neuron with its weights and bonds.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the fields are their names")]
pub struct NeuronInfo<AccountId> {
    pub hotkey: AccountId,
    pub coldkey: AccountId,
    pub uid: Compact<u16>,
    pub netuid: Compact<NetUid>,
    pub active: bool,
    pub axon_info: AxonInfo,
    pub prometheus_info: PrometheusInfo,
    pub stake: Vec<(AccountId, Compact<AlphaBalance>)>,
    pub rank: Compact<u16>,
    pub emission: Compact<AlphaBalance>,
    pub incentive: Compact<PerU16>,
    pub consensus: Compact<PerU16>,
    pub trust: Compact<PerU16>,
    pub validator_trust: Compact<PerU16>,
    pub dividends: Compact<PerU16>,
    pub last_update: Compact<u64>,
    pub validator_permit: bool,
    pub weights: Vec<(Compact<u16>, Compact<u16>)>,
    pub bonds: Vec<(Compact<u16>, Compact<u16>)>,
    pub pruning_score: Compact<u16>,
}

/// The vectors of a subnet, read once for all its neurons.
struct Vectors {
    active: Vec<bool>,
    emission: Vec<AlphaBalance>,
    incentive: Vec<PerU16>,
    consensus: Vec<PerU16>,
    validator_trust: Vec<PerU16>,
    dividends: Vec<PerU16>,
    last_update: Vec<u64>,
    permits: Vec<bool>,
}

impl Vectors {
    fn read<T: Config>(netuid: NetUid) -> Self {
        let index = netuid.index(MechId::MAIN);
        Self {
            active: Active::<T>::get(netuid),
            emission: Emission::<T>::get(netuid),
            incentive: Incentive::<T>::get(index),
            consensus: Consensus::<T>::get(netuid),
            validator_trust: ValidatorTrust::<T>::get(netuid),
            dividends: Dividends::<T>::get(netuid),
            last_update: LastUpdate::<T>::get(index),
            permits: ValidatorPermit::<T>::get(netuid),
        }
    }
}

/// The entry of a vector, or nothing where it is too short.
fn entry<V: Copy + Default>(vector: &[V], uid: u16) -> V {
    vector.get(usize::from(uid)).copied().unwrap_or_default()
}

impl<T: Config> Pallet<T> {
    /// Every neuron of a subnet, by uid.
    pub fn neurons_lite(netuid: NetUid) -> Vec<NeuronInfoLite<AccountId32>> {
        if !NetworksAdded::<T>::get(netuid) {
            return Vec::new();
        }
        let vectors = Vectors::read::<T>(netuid);
        (0..SubnetworkN::<T>::get(netuid)).map(|uid| Self::neuron_of(netuid, uid, &vectors)).collect()
    }

    /// One neuron of a subnet.
    pub fn neuron_lite(netuid: NetUid, uid: u16) -> Option<NeuronInfoLite<AccountId32>> {
        let exists = NetworksAdded::<T>::get(netuid) && uid < SubnetworkN::<T>::get(netuid);
        exists.then(|| Self::neuron_of(netuid, uid, &Vectors::read::<T>(netuid)))
    }

    /// Every neuron of a subnet with weights and bonds, by uid.
    pub fn neurons(netuid: NetUid) -> Vec<NeuronInfo<AccountId32>> {
        Self::neurons_lite(netuid).into_iter().map(Self::with_rows).collect()
    }

    /// One neuron of a subnet with weights and bonds.
    pub fn neuron(netuid: NetUid, uid: u16) -> Option<NeuronInfo<AccountId32>> {
        Self::neuron_lite(netuid, uid).map(Self::with_rows)
    }

    fn neuron_of(netuid: NetUid, uid: u16, vectors: &Vectors) -> NeuronInfoLite<AccountId32> {
        let hotkey = Keys::<T>::get(netuid, uid);
        let coldkey = Owner::<T>::get(&hotkey);
        let stake = super::super::TotalHotkeyAlpha::<T>::get(&hotkey, netuid);
        NeuronInfoLite {
            uid: Compact(uid),
            netuid: Compact(netuid),
            active: entry(&vectors.active, uid),
            axon_info: Axons::<T>::get(netuid, &hotkey).unwrap_or_default(),
            prometheus_info: Prometheus::<T>::get(netuid, &hotkey).unwrap_or_default(),
            stake: vec![(coldkey.clone(), Compact(stake))],
            rank: Compact(0),
            emission: Compact(entry(&vectors.emission, uid)),
            incentive: Compact(entry(&vectors.incentive, uid)),
            consensus: Compact(entry(&vectors.consensus, uid)),
            trust: Compact(PerU16::default()),
            validator_trust: Compact(entry(&vectors.validator_trust, uid)),
            dividends: Compact(entry(&vectors.dividends, uid)),
            last_update: Compact(entry(&vectors.last_update, uid)),
            validator_permit: entry(&vectors.permits, uid),
            pruning_score: Compact(PRUNING_SCORE),
            hotkey,
            coldkey,
        }
    }

    fn with_rows(lite: NeuronInfoLite<AccountId32>) -> NeuronInfo<AccountId32> {
        let (index, uid) = (lite.netuid.0.index(MechId::MAIN), lite.uid.0);
        NeuronInfo {
            hotkey: lite.hotkey,
            coldkey: lite.coldkey,
            uid: lite.uid,
            netuid: lite.netuid,
            active: lite.active,
            axon_info: lite.axon_info,
            prometheus_info: lite.prometheus_info,
            stake: lite.stake,
            rank: lite.rank,
            emission: lite.emission,
            incentive: lite.incentive,
            consensus: lite.consensus,
            trust: lite.trust,
            validator_trust: lite.validator_trust,
            dividends: lite.dividends,
            last_update: lite.last_update,
            validator_permit: lite.validator_permit,
            weights: row(Weights::<T>::get(index, uid)),
            bonds: Self::bonds_row(index, uid),
            pruning_score: lite.pruning_score,
        }
    }

    fn bonds_row(index: NetUidStorageIndex, uid: u16) -> Vec<(Compact<u16>, Compact<u16>)> {
        row(Bonds::<T>::get(index, uid))
    }
}

/// A row without its zeros, compact.
fn row(entries: Vec<(u16, u16)>) -> Vec<(Compact<u16>, Compact<u16>)> {
    entries
        .into_iter()
        .filter(|(_, value)| *value > 0)
        .map(|(uid, value)| (Compact(uid), Compact(value)))
        .collect()
}

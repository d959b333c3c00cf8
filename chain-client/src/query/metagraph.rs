//! The metagraph: who is registered on a subnet, where they serve, and what the last epoch gave them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::pallet_subtensor::pallet::AxonInfo;
use chain_metadata::subtensor::runtime_types::pallet_subtensor::rpc_info::neuron_info::NeuronInfoLite;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::NetUid;
use protocol::AccountId;

use super::{check_existence, want_existence};
use crate::blocks::BlockRef;
use crate::client::ChainClient;
use crate::error::QueryError;

/// All neurons of a subnet at one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metagraph {
    /// The subnet.
    pub netuid: u16,
    /// The block it was read at.
    pub block: BlockRef,
    /// Blocks from one epoch to the next.
    pub tempo: u16,
    /// By ascending uid.
    pub neurons: Vec<Neuron>,
}

/// One registered hotkey. Shares are out of 65,535.
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
    /// Whether it set weights recently, in the chain's judgement.
    pub active: bool,
    /// Whether its weights count.
    pub validator_permit: bool,
    /// Alpha staked to it on this subnet by everybody, in rao.
    pub stake_rao: u64,
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
    /// Reads the metagraph of a subnet: one runtime call for the neurons and one storage request for the rest.
    pub async fn metagraph(&self, netuid: u16, at: BlockRef) -> Result<Metagraph, QueryError> {
        self.bounded("reading the metagraph", async {
            let mut reader = self.reader(at).await?;
            let neurons =
                subtensor::runtime_apis().neuron_info_runtime_api().get_neurons_lite(NetUid(netuid));
            let neurons = reader.call(neurons).await?;
            let module = subtensor::storage().subtensor_module();
            let exists = want_existence(&mut reader, netuid)?;
            let tempo = reader.want(module.tempo(), (NetUid(netuid),))?;
            let mut registered_at = Vec::with_capacity(neurons.len());
            for neuron in &neurons {
                registered_at
                    .push(reader.want(module.block_at_registration(), (NetUid(netuid), neuron.uid))?);
            }
            let values = reader.fetch().await?;
            check_existence(values.value(&exists)?, netuid)?;
            let mut rows = Vec::with_capacity(neurons.len());
            for (neuron, registered_at) in neurons.into_iter().zip(&registered_at) {
                rows.push(Neuron::from_chain(neuron, values.get(registered_at)?));
            }
            rows.sort_by_key(|neuron| neuron.uid);
            Ok(Metagraph { netuid, block: at, tempo: values.value(&tempo)?, neurons: rows })
        })
        .await
    }
}

impl Neuron {
    fn from_chain(info: NeuronInfoLite<subxt::utils::AccountId32>, registered_at: Option<u64>) -> Self {
        Self {
            uid: info.uid,
            hotkey: AccountId(info.hotkey.0),
            coldkey: AccountId(info.coldkey.0),
            axon: axon_address(&info.axon_info),
            active: info.active,
            validator_permit: info.validator_permit,
            stake_rao: info.stake.iter().fold(0, |sum: u64, (_, stake)| sum.saturating_add(stake.0.0)),
            incentive: info.incentive.0,
            dividends: info.dividends.0,
            consensus: info.consensus.0,
            validator_trust: info.validator_trust.0,
            emission_rao: info.emission.0,
            last_update: info.last_update,
            registered_at,
        }
    }
}

/// An all-zero address or port means "not serving": the chain writes it for neurons that never served, and the SDK to
/// take an axon back.
fn axon_address(axon: &AxonInfo) -> Option<SocketAddr> {
    let ip: IpAddr = match axon.ip_type {
        4 => Ipv4Addr::from(u32::try_from(axon.ip).ok()?).into(),
        6 => Ipv6Addr::from(axon.ip).into(),
        _ => return None,
    };
    (axon.ip != 0 && axon.port != 0).then_some(SocketAddr::new(ip, axon.port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axon(ip: u128, port: u16, ip_type: u8) -> AxonInfo {
        AxonInfo { block: 1, version: 1, ip, port, ip_type, protocol: 4, placeholder1: 0, placeholder2: 0 }
    }

    #[test]
    fn axon_addresses_of_both_families_are_read() {
        let v4 = axon(u128::from(u32::from(Ipv4Addr::new(203, 0, 113, 7))), 8091, 4);
        assert_eq!(axon_address(&v4), Some("203.0.113.7:8091".parse().unwrap()));
        let v6 = axon("2001:db8::1".parse::<Ipv6Addr>().unwrap().into(), 443, 6);
        assert_eq!(axon_address(&v6), Some("[2001:db8::1]:443".parse().unwrap()));
    }

    #[test]
    fn an_axon_that_was_never_published_or_was_reset_has_no_address() {
        for none in [axon(0, 0, 0), axon(0, 1, 4), axon(7, 0, 4), axon(7, 1, 5), axon(u128::MAX, 1, 4)] {
            assert_eq!(axon_address(&none), None, "{none:?}");
        }
    }
}

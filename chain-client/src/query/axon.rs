//! Where one hotkey is said to serve, and when it may say otherwise.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::pallet_subtensor::pallet::{AxonInfo, NeuronCertificate};
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::NetUid;
use protocol::AccountId;
use subxt::utils::AccountId32;

use super::{check_existence, want_existence};
use crate::blocks::BlockRef;
use crate::client::ChainClient;
use crate::error::QueryError;
use crate::submit::axon::TlsKey;

/// What the chain says about one hotkey's axon at one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AxonState {
    /// Whether the hotkey is registered on the subnet.
    pub registered: bool,
    /// Its announcement, if it ever made one and was not pruned since.
    pub record: Option<AxonRecord>,
    /// Blocks that must lie between two announcements; 0 is no limit.
    pub serving_rate_limit: u64,
}

/// An announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AxonRecord {
    /// Where the hotkey serves. `None` if it took its axon back.
    pub address: Option<SocketAddr>,
    /// The key it serves TLS with, if it announced one.
    pub tls_key: Option<TlsKey>,
    /// The block of the announcement.
    pub announced_at: u64,
    /// The description's version; the SDK writes 1.
    pub version: u32,
    /// The protocol's number; the SDK writes 4.
    pub protocol: u8,
}

impl AxonState {
    /// The first block that can hold another announcement.
    pub fn next_block(&self) -> u64 {
        match &self.record {
            Some(record) if record.announced_at > 0 => {
                record.announced_at.saturating_add(self.serving_rate_limit)
            }
            _ => 0,
        }
    }
}

impl std::fmt::Display for AxonRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.address {
            None => write!(f, "no address"),
            Some(address) => write!(f, "{address}"),
        }?;
        match &self.tls_key {
            None => Ok(()),
            Some(key) => write!(f, " with TLS key {key}"),
        }
    }
}

impl ChainClient {
    /// Reads one hotkey's announcement in one request.
    pub async fn axon(&self, netuid: u16, hotkey: &AccountId, at: BlockRef) -> Result<AxonState, QueryError> {
        self.bounded("reading an axon", async {
            let mut reader = self.reader(at).await?;
            let module = subtensor::storage().subtensor_module();
            let key = || (NetUid(netuid), AccountId32(hotkey.0));
            let exists = want_existence(&mut reader, netuid)?;
            let uid = reader.want(module.uids(), key())?;
            let axon = reader.want(module.axons(), key())?;
            let certificate = reader.want(module.neuron_certificates(), key())?;
            let limit = reader.want(module.serving_rate_limit(), (NetUid(netuid),))?;
            let values = reader.fetch().await?;
            check_existence(values.value(&exists)?, netuid)?;
            let tls_key = values.get(&certificate)?.and_then(tls_key);
            Ok(AxonState {
                registered: values.get(&uid)?.is_some(),
                record: values.get(&axon)?.map(|axon| AxonRecord {
                    address: address(&axon),
                    tls_key,
                    announced_at: axon.block,
                    version: axon.version,
                    protocol: axon.protocol,
                }),
                serving_rate_limit: values.value(&limit)?,
            })
        })
        .await
    }
}

/// What the chain stores beside an axon. An empty key is none.
pub(super) fn tls_key(certificate: NeuronCertificate) -> Option<TlsKey> {
    TlsKey::new(certificate.algorithm, certificate.public_key.0).ok()
}

/// An all-zero address or port means "not serving": the chain writes it for neurons that never served, and the SDK to
/// take an axon back.
pub(super) fn address(axon: &AxonInfo) -> Option<SocketAddr> {
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
        assert_eq!(address(&v4), Some("203.0.113.7:8091".parse().unwrap()));
        let v6 = axon("2001:db8::1".parse::<Ipv6Addr>().unwrap().into(), 443, 6);
        assert_eq!(address(&v6), Some("[2001:db8::1]:443".parse().unwrap()));
    }

    #[test]
    fn an_axon_that_was_never_published_or_was_reset_has_no_address() {
        for none in [axon(0, 0, 0), axon(0, 1, 4), axon(7, 0, 4), axon(7, 1, 5), axon(u128::MAX, 1, 4)] {
            assert_eq!(address(&none), None, "{none:?}");
        }
    }

    #[test]
    fn the_rate_limit_counts_from_the_last_announcement_and_not_from_never() {
        let record =
            |announced_at| AxonRecord { address: None, tls_key: None, announced_at, version: 1, protocol: 4 };
        let state = |record| AxonState { registered: true, record, serving_rate_limit: 50 };
        assert_eq!(state(Some(record(100))).next_block(), 150);
        assert_eq!(state(Some(record(0))).next_block(), 0);
        assert_eq!(state(None).next_block(), 0);
    }
}

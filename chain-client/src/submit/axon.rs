//! Announcing where a hotkey serves.

use std::net::{IpAddr, SocketAddr};

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::NetUid;
use protocol::signing::Keypair;

use super::error::SubmitError;
use crate::blocks::BlockRef;
use crate::client::ChainClient;

const DOING: &str = "announcing the axon";

/// The SDK's values: HTTP over TCP, and the first version of an axon's description.
const PROTOCOL: u8 = 4;
const VERSION: u32 = 1;

impl ChainClient {
    /// Announces `address` as the place where `hotkey` serves on this subnet. Free; limited to once per
    /// `serving_rate_limit` blocks.
    pub async fn serve_axon(
        &self,
        hotkey: &Keypair,
        netuid: u16,
        address: SocketAddr,
    ) -> Result<BlockRef, SubmitError> {
        let (ip, ip_type) = chain_ip(address.ip());
        let module = subtensor::tx().subtensor_module();
        let call = module.serve_axon(NetUid(netuid), VERSION, ip, address.port(), ip_type, PROTOCOL, 0, 0);
        self.submit(DOING, hotkey, &call).await
    }
}

/// An IPv4 address in IPv6's clothes is announced as the IPv4 address that it is.
fn chain_ip(ip: IpAddr) -> (u128, u8) {
    match ip.to_canonical() {
        IpAddr::V4(ip) => (u32::from(ip).into(), 4),
        IpAddr::V6(ip) => (ip.into(), 6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_numbers_with_a_family() {
        assert_eq!(chain_ip("1.2.3.4".parse().unwrap()), (0x0102_0304, 4));
        assert_eq!(chain_ip("::ffff:1.2.3.4".parse().unwrap()), (0x0102_0304, 4));
        assert_eq!(chain_ip("2001:db8::1".parse().unwrap()), (0x2001_0db8_0000_0000_0000_0000_0000_0001, 6));
    }
}

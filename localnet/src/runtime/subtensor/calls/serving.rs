//! Publishing where a neuron serves.

use frame_support::{dispatch::DispatchResult, ensure};
use sp_runtime::AccountId32;

use crate::runtime::{
    numbers::NetUid,
    subtensor::{
        Axons, Config, Error, Event, NeuronCertificates, Pallet, Prometheus, ServingRateLimit, Uids,
        types::{AxonInfo, NeuronCertificate, PrometheusInfo},
    },
};

const IPV4_LOOPBACK: u128 = 0x7f00_0001;
const IPV6_LOOPBACK: u128 = 1;

/// Why an address cannot be served from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EndpointError {
    /// Neither 4 nor 6.
    IpType,
    /// An address nobody else can reach.
    IpAddress,
    /// Port 0.
    Port,
}

impl<T: Config> From<EndpointError> for Error<T> {
    fn from(error: EndpointError) -> Self {
        match error {
            EndpointError::IpType => Self::InvalidIpType,
            EndpointError::IpAddress => Self::InvalidIpAddress,
            EndpointError::Port => Self::InvalidPort,
        }
    }
}

/// Whether other machines could reach this address.
fn ip_is_usable(ip_type: u8, ip: u128) -> bool {
    match ip_type {
        4 => ip < u32::MAX.into() && ip != IPV4_LOOPBACK,
        6 => ip < u128::MAX && ip != IPV6_LOOPBACK,
        _ => false,
    }
}

impl<T: Config> Pallet<T> {
    /// An axon as of this block; `last` are its protocol and the two placeholders.
    pub(crate) fn axon(version: u32, ip: u128, port: u16, ip_type: u8, last: [u8; 3]) -> AxonInfo {
        let [protocol, placeholder1, placeholder2] = last;
        AxonInfo { block: Self::block(), version, ip, port, ip_type, protocol, placeholder1, placeholder2 }
    }

    /// Checks the address of an axon. Address 0 is how a neuron takes its axon back.
    pub fn check_axon(axon: &AxonInfo) -> Result<(), EndpointError> {
        ensure!(matches!(axon.ip_type, 4 | 6), EndpointError::IpType);
        ensure!(ip_is_usable(axon.ip_type, axon.ip), EndpointError::IpAddress);
        ensure!(axon.port != 0, EndpointError::Port);
        Ok(())
    }

    /// Checks the address of a metrics endpoint.
    pub fn check_prometheus(endpoint: &PrometheusInfo) -> Result<(), EndpointError> {
        ensure!(matches!(endpoint.ip_type, 4 | 6), EndpointError::IpType);
        ensure!(endpoint.ip != 0 && ip_is_usable(endpoint.ip_type, endpoint.ip), EndpointError::IpAddress);
        ensure!(endpoint.port != 0, EndpointError::Port);
        Ok(())
    }

    /// Whether the serving rate limit allows an endpoint to replace one stored at block `last` (0: never).
    pub fn may_serve_again(netuid: NetUid, last: u64) -> bool {
        let limit = ServingRateLimit::<T>::get(netuid);
        limit == 0 || last == 0 || Self::block().saturating_sub(last) >= limit
    }

    pub(crate) fn do_serve_axon(
        hotkey: &AccountId32,
        netuid: NetUid,
        axon: AxonInfo,
        certificate: Option<Vec<u8>>,
    ) -> DispatchResult {
        ensure!(Uids::<T>::contains_key(netuid, hotkey), Error::<T>::HotKeyNotRegisteredInNetwork);
        Self::check_axon(&axon).map_err(Error::<T>::from)?;
        let last = Axons::<T>::get(netuid, hotkey).unwrap_or_default().block;
        ensure!(Self::may_serve_again(netuid, last), Error::<T>::ServingRateLimitExceeded);

        // A certificate that is not one is ignored, as on the real chain; the axon counts.
        if let Some(certificate) = certificate.as_deref().and_then(NeuronCertificate::from_bytes) {
            NeuronCertificates::<T>::insert(netuid, hotkey, certificate);
        }
        Axons::<T>::insert(netuid, hotkey, axon);
        Self::deposit_event(Event::AxonServed(netuid, hotkey.clone()));
        Ok(())
    }

    pub(crate) fn do_serve_prometheus(
        hotkey: &AccountId32,
        netuid: NetUid,
        endpoint: PrometheusInfo,
    ) -> DispatchResult {
        ensure!(Uids::<T>::contains_key(netuid, hotkey), Error::<T>::HotKeyNotRegisteredInNetwork);
        Self::check_prometheus(&endpoint).map_err(Error::<T>::from)?;
        let last = Prometheus::<T>::get(netuid, hotkey).unwrap_or_default().block;
        ensure!(Self::may_serve_again(netuid, last), Error::<T>::ServingRateLimitExceeded);

        Prometheus::<T>::insert(netuid, hotkey, endpoint);
        Self::deposit_event(Event::PrometheusServed(netuid, hotkey.clone()));
        Ok(())
    }
}

//! Announcing where a hotkey serves, and making sure that the chain says so afterwards.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::NetUid;
use protocol::digest::Digest;
use protocol::signing::Keypair;
use serde::{Deserialize, Serialize};

use super::error::SubmitError;
use crate::blocks::BlockRef;
use crate::client::ChainClient;
use crate::error::QueryError;
use crate::query::axon::{AxonRecord, AxonState};
use crate::query::metagraph::Neuron;

const DOING: &str = "announcing the axon";

/// The SDK's values: HTTP over TCP, and the first version of an axon's description.
const PROTOCOL: u8 = 4;
const VERSION: u32 = 1;

/// The public key of the certificate with which an axon serves TLS, for callers to pin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TlsKey {
    algorithm: u8,
    public_key: Vec<u8>,
}

/// What is no TLS key that the chain would keep. (It ignores one silently, while it stores the rest of the axon.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a TLS key is an algorithm byte and 1 to 64 bytes of public key (Ed25519 and P-256 fit, RSA does not), in hexadecimal"
)]
pub struct BadTlsKey;

/// What a hotkey wants the chain to say about its axon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Where it serves.
    pub address: SocketAddr,
    /// The key it serves TLS with, if it does.
    pub tls_key: Option<TlsKey>,
}

/// What came of an announcement. That the chain says it already is no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// Announced now, and read back.
    Now {
        /// The finalised block that did it.
        block: BlockRef,
    },
    /// Announced in a block that is not final yet, and read back from it.
    NotFinal {
        /// That block.
        block: BlockRef,
    },
    /// The chain said the same before; nothing was submitted.
    Already {
        /// The block of that announcement.
        since_block: u64,
    },
}

/// Why an axon was not announced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnnounceError {
    /// The chain cannot be read.
    #[error("the axon's present announcement could not be read")]
    Query(#[from] QueryError),
    /// The hotkey is not registered on the subnet.
    #[error("the hotkey is not registered on subnet {netuid}")]
    NotRegistered {
        /// The subnet.
        netuid: u16,
    },
    /// The chain refuses this address.
    #[error("the chain does not accept {address}: {reason}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why not.
        reason: &'static str,
    },
    /// The last announcement is too recent.
    #[error(
        "the axon was announced in block {since_block}; the next announcement is allowed in block {at_block}"
    )]
    TooEarly {
        /// The block of the last announcement.
        since_block: u64,
        /// The first block that can hold another.
        at_block: u64,
    },
    /// The submission failed.
    #[error("the axon could not be announced")]
    Submit(#[from] SubmitError),
    /// It succeeded, and yet the chain says something else.
    #[error("the announcement succeeded, but the chain says {found}")]
    NotAsWritten {
        /// What it says.
        found: String,
    },
}

impl TlsKey {
    /// The algorithm's number where the key is SHA-256 of the whole certificate, of its DER bytes: our programs' own way.
    pub const CERTIFICATE_SHA256: u8 = 32;

    /// Longest public key, in bytes.
    pub const PUBLIC_KEY_BYTES_MAX: usize = 64;

    /// An algorithm's number and a public key of 1 to 64 bytes. The chain gives the numbers no meaning.
    pub fn new(algorithm: u8, public_key: impl Into<Vec<u8>>) -> Result<Self, BadTlsKey> {
        let public_key = public_key.into();
        let fits = (1..=Self::PUBLIC_KEY_BYTES_MAX).contains(&public_key.len());
        fits.then_some(Self { algorithm, public_key }).ok_or(BadTlsKey)
    }

    /// The key that names one certificate.
    pub fn of_certificate(sha256: Digest) -> Self {
        Self { algorithm: Self::CERTIFICATE_SHA256, public_key: sha256.0.to_vec() }
    }

    /// The one certificate that it names; nothing if it is another kind of key.
    pub fn certificate_sha256(&self) -> Option<Digest> {
        let digest = <[u8; 32]>::try_from(self.public_key.as_slice()).ok()?;
        (self.algorithm == Self::CERTIFICATE_SHA256).then_some(Digest(digest))
    }

    /// The algorithm's number.
    pub fn algorithm(&self) -> u8 {
        self.algorithm
    }

    /// The public key.
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// As the call takes it.
    fn certificate(&self) -> Vec<u8> {
        [&[self.algorithm], self.public_key.as_slice()].concat()
    }
}

impl FromStr for TlsKey {
    type Err = BadTlsKey;

    fn from_str(text: &str) -> Result<Self, BadTlsKey> {
        let digits = text.trim();
        let bytes = hex::decode(digits.strip_prefix("0x").unwrap_or(digits)).map_err(|_| BadTlsKey)?;
        let (algorithm, public_key) = bytes.split_first().ok_or(BadTlsKey)?;
        Self::new(*algorithm, public_key)
    }
}

impl std::fmt::Display for TlsKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "0x{}", hex::encode(self.certificate()))
    }
}

impl Announcement {
    /// What the chain would refuse about it.
    pub fn check(&self) -> Result<(), AnnounceError> {
        let reason = match self.address.ip().to_canonical() {
            IpAddr::V4(Ipv4Addr::LOCALHOST) | IpAddr::V6(Ipv6Addr::LOCALHOST) => {
                "nobody else can reach the loopback address"
            }
            IpAddr::V4(Ipv4Addr::BROADCAST) => "it is the broadcast address",
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) | IpAddr::V6(Ipv6Addr::UNSPECIFIED) => "it names no machine",
            IpAddr::V6(ip) if ip.to_bits() == u128::MAX => "it names no machine",
            _ if self.address.port() == 0 => "port 0 cannot be called",
            _ => return Ok(()),
        };
        Err(AnnounceError::Address { address: self.address, reason })
    }

    /// Whether the chain says this.
    pub fn is(&self, record: &AxonRecord) -> bool {
        self.is_said(record.address, record.tls_key.as_ref())
    }

    /// Whether this neuron's axon is said to be this.
    pub fn is_of(&self, neuron: &Neuron) -> bool {
        self.is_said(neuron.axon, neuron.tls_key.as_ref())
    }

    fn is_said(&self, address: Option<SocketAddr>, tls_key: Option<&TlsKey>) -> bool {
        let canonical = SocketAddr::new(self.address.ip().to_canonical(), self.address.port());
        // An announcement without a key does not take back an earlier key: the chain has no call for that.
        address == Some(canonical) && (self.tls_key.is_none() || self.tls_key.as_ref() == tls_key)
    }
}

impl TryFrom<String> for TlsKey {
    type Error = BadTlsKey;

    fn try_from(text: String) -> Result<Self, BadTlsKey> {
        text.parse()
    }
}

impl From<TlsKey> for String {
    fn from(key: TlsKey) -> Self {
        key.to_string()
    }
}

impl AnnounceError {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Query(error) => error.hint(),
            Self::NotRegistered { .. } => {
                "register the hotkey on this subnet first, and check --netuid and --wallet-hotkey"
            }
            Self::Address { .. } => "announce the public address and port that validators can reach",
            Self::TooEarly { .. } => {
                "wait until that block, or give --wait-blocks; the subnet's serving rate limit says how long"
            }
            Self::Submit(error) => error.hint(),
            Self::NotAsWritten { .. } => "another process announces for the same hotkey: stop one of them",
        }
    }
}

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

    /// As [`ChainClient::serve_axon`], with the public key of the axon's TLS certificate.
    pub async fn serve_axon_tls(
        &self,
        hotkey: &Keypair,
        netuid: u16,
        address: SocketAddr,
        tls_key: &TlsKey,
    ) -> Result<BlockRef, SubmitError> {
        let (ip, ip_type) = chain_ip(address.ip());
        let call = subtensor::tx().subtensor_module().serve_axon_tls(
            NetUid(netuid),
            VERSION,
            ip,
            address.port(),
            ip_type,
            PROTOCOL,
            0,
            0,
            tls_key.certificate(),
        );
        self.submit(DOING, hotkey, &call).await
    }

    /// Makes the chain say what `wanted` says, and reads it back: nothing is submitted if it says so already, if it would
    /// refuse the address, or if it is too early.
    pub async fn announce_axon(
        &self,
        hotkey: &Keypair,
        netuid: u16,
        wanted: &Announcement,
    ) -> Result<Announced, AnnounceError> {
        wanted.check()?;
        let head = self.best().await?;
        let state = self.axon(netuid, &hotkey.public(), head).await?;
        let AxonState { registered, record, .. } = &state;
        if !registered {
            return Err(AnnounceError::NotRegistered { netuid });
        }
        let since_block = record.as_ref().map_or(0, |record| record.announced_at);
        if record.as_ref().is_some_and(|record| wanted.is(record)) {
            return Ok(Announced::Already { since_block });
        }
        let at_block = state.next_block();
        if at_block > u64::from(head.number).saturating_add(1) {
            return Err(AnnounceError::TooEarly { since_block, at_block });
        }
        let submitted = match &wanted.tls_key {
            None => self.serve_axon(hotkey, netuid, wanted.address).await,
            Some(key) => self.serve_axon_tls(hotkey, netuid, wanted.address, key).await,
        };
        let (block, announced) = match submitted {
            Ok(block) => (block, Announced::Now { block }),
            Err(SubmitError::NotFinal { block, .. }) => (block, Announced::NotFinal { block }),
            Err(error) => return Err(error.into()),
        };
        match self.axon(netuid, &hotkey.public(), block).await?.record {
            Some(record) if wanted.is(&record) => Ok(announced),
            found => {
                let found =
                    found.map_or_else(|| "that it does not serve".to_owned(), |record| record.to_string());
                Err(AnnounceError::NotAsWritten { found })
            }
        }
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

    #[test]
    fn a_tls_key_has_an_algorithm_and_at_most_sixty_four_bytes() {
        let key: TlsKey = "0x01aabb".parse().unwrap();
        assert_eq!((key.algorithm(), key.public_key()), (1, &[0xaa, 0xbb][..]));
        assert_eq!(key.to_string(), "0x01aabb");
        assert_eq!(key.certificate(), [1, 0xaa, 0xbb]);
        TlsKey::new(0, [7; 64]).unwrap();
        for wrong in ["", "01", "0x", "0x01a", "zz", &"01".repeat(66)] {
            assert_eq!(wrong.parse::<TlsKey>(), Err(BadTlsKey), "{wrong}");
        }
    }

    #[test]
    fn addresses_that_the_chain_refuses_are_named_before_submitting() {
        let check = |text: &str| Announcement { address: text.parse().unwrap(), tls_key: None }.check();
        for text in ["127.0.0.1:1", "[::1]:1", "0.0.0.0:1", "[::]:1", "255.255.255.255:1", "203.0.113.7:0"] {
            assert!(matches!(check(text), Err(AnnounceError::Address { .. })), "{text}");
        }
        for text in ["203.0.113.7:8091", "[2001:db8::7]:443", "127.0.0.2:9000"] {
            assert!(check(text).is_ok(), "{text}");
        }
    }
}

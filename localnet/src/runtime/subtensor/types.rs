//! What the pallet stores in its rows, in the shapes of the pinned metadata.

pub mod dormant;

use frame_support::{BoundedVec, traits::ConstU32};
use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

use crate::runtime::numbers::{AlphaBalance, U64F64};

/// Largest timelocked commit in bytes.
pub type CommitBytesMax = ConstU32<5_000>;
/// Largest public key of a TLS certificate in bytes.
pub type CertificateKeyBytesMax = ConstU32<64>;

/// Where a neuron serves.
#[derive(Clone, Debug, Decode, DecodeWithMemTracking, Default, Encode, Eq, PartialEq, TypeInfo)]
pub struct AxonInfo {
    /// Block of the call that stored this.
    pub block: u64,
    /// Version the neuron reports.
    pub version: u32,
    /// Address, as a number.
    pub ip: u128,
    /// TCP port.
    pub port: u16,
    /// 4 or 6.
    pub ip_type: u8,
    /// Protocol number.
    pub protocol: u8,
    /// Unused.
    pub placeholder1: u8,
    /// Unused.
    pub placeholder2: u8,
}

/// Where a neuron serves its metrics.
#[derive(Clone, Debug, Decode, DecodeWithMemTracking, Default, Encode, Eq, PartialEq, TypeInfo)]
pub struct PrometheusInfo {
    /// Block of the call that stored this.
    pub block: u64,
    /// Version the neuron reports.
    pub version: u32,
    /// Address, as a number.
    pub ip: u128,
    /// TCP port.
    pub port: u16,
    /// 4 or 6.
    pub ip_type: u8,
}

/// Public key with which a neuron serves TLS.
#[derive(Clone, Debug, Decode, DecodeWithMemTracking, Default, Encode, Eq, PartialEq, TypeInfo)]
pub struct NeuronCertificate {
    /// The key.
    pub public_key: BoundedVec<u8, CertificateKeyBytesMax>,
    /// Its algorithm.
    pub algorithm: u8,
}

impl NeuronCertificate {
    /// The certificate in the bytes of a call: the algorithm, then the key. `None` when they are not one.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (algorithm, key) = bytes.split_first()?;
        Some(Self { public_key: key.to_vec().try_into().ok()?, algorithm: *algorithm })
    }
}

/// What a coldkey tells about itself.
#[derive(Clone, Debug, Decode, DecodeWithMemTracking, Default, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the fields are their names")]
pub struct ChainIdentityV2 {
    pub name: Vec<u8>,
    pub url: Vec<u8>,
    pub github_repo: Vec<u8>,
    pub image: Vec<u8>,
    pub discord: Vec<u8>,
    pub description: Vec<u8>,
    pub additional: Vec<u8>,
}

/// What a subnet's owner tells about the subnet.
#[derive(Clone, Debug, Decode, DecodeWithMemTracking, Default, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the fields are their names")]
pub struct SubnetIdentityV3 {
    pub subnet_name: Vec<u8>,
    pub github_repo: Vec<u8>,
    pub subnet_contact: Vec<u8>,
    pub subnet_url: Vec<u8>,
    pub discord: Vec<u8>,
    pub description: Vec<u8>,
    pub logo_url: Vec<u8>,
    pub additional: Vec<u8>,
}

/// Which consensus liquid alpha measures weights against.
#[derive(Clone, Copy, Debug, Decode, DecodeWithMemTracking, Default, Encode, Eq, PartialEq, TypeInfo)]
pub enum ConsensusMode {
    /// This epoch's.
    Current,
    /// The last epoch's.
    Previous,
    /// The chain chooses.
    #[default]
    Auto,
}

/// Which consensus a subnet runs.
#[derive(Clone, Copy, Debug, Decode, DecodeWithMemTracking, Default, Encode, Eq, PartialEq, TypeInfo)]
pub enum EpochConsensus {
    /// Yuma.
    #[default]
    Yuma,
    /// One validator decides. This chain never runs it.
    Null,
}

/// What becomes of a subnet owner's own incentive.
#[derive(Clone, Copy, Debug, Decode, DecodeWithMemTracking, Default, Encode, Eq, PartialEq, TypeInfo)]
pub enum RecycleOrBurnEnum {
    /// It leaves circulation and still counts as issued.
    #[default]
    Burn,
    /// It can be issued again.
    Recycle,
}

/// Alpha that a miner has locked.
#[derive(Clone, Debug, Decode, DecodeWithMemTracking, Default, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the fields are their names")]
pub struct MinerCollateralState {
    pub locked: AlphaBalance,
    pub drain_ratio: U64F64,
    pub min_locked: AlphaBalance,
    pub earned: AlphaBalance,
}

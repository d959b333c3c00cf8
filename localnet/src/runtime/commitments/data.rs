//! The forms a commitment's fields take, in the chain's hand-made encoding: raw bytes carry their length in the tag.

use frame_support::{BoundedVec, traits::ConstU32};
use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode, Error, Input, Output};
use scale_info::{
    Path, Type, TypeInfo,
    build::{Fields, VariantBuilder, Variants, variant_state::IndexNotAssigned},
    form::MetaForm,
};

use crate::runtime::numbers::TaoBalance;

/// Fields of one commitment at most.
pub type FieldsMax = ConstU32<3>;
/// Bytes of a raw field at most.
pub type RawBytesMax = ConstU32<128>;
/// Bytes of a big raw field at most.
pub type BigRawBytesMax = ConstU32<512>;
/// Bytes of a timelocked field at most.
pub type TimelockedBytesMax = ConstU32<1024>;

const RAW_BYTES_MAX: u8 = 128;
const TAG_NONE: u8 = 0;
const TAG_RAW_FIRST: u8 = 1;
const TAG_RAW_LAST: u8 = TAG_RAW_FIRST + RAW_BYTES_MAX;
const TAG_BLAKE_TWO_256: u8 = 130;
const TAG_SHA_256: u8 = 131;
const TAG_KECCAK_256: u8 = 132;
const TAG_SHA_THREE_256: u8 = 133;
const TAG_TIMELOCK_ENCRYPTED: u8 = 134;
const TAG_RESET_BONDS: u8 = 135;
const TAG_BIG_RAW: u8 = 136;
const TAG_TIMELOCK_REVEAL_FAILED: u8 = 137;

/// One field of a commitment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Data {
    /// Nothing.
    None,
    /// Up to 128 bytes.
    Raw(BoundedVec<u8, RawBytesMax>),
    /// A Blake2 hash.
    BlakeTwo256([u8; 32]),
    /// A SHA-2 hash.
    Sha256([u8; 32]),
    /// A Keccak hash.
    Keccak256([u8; 32]),
    /// A SHA-3 hash.
    ShaThree256([u8; 32]),
    /// Bytes that can be read once a round of the beacon is out.
    TimelockEncrypted {
        /// The ciphertext.
        encrypted: BoundedVec<u8, TimelockedBytesMax>,
        /// The round.
        reveal_round: u64,
    },
    /// Asks for the neuron's bonds to be reset.
    ResetBondsFlag,
    /// Up to 512 bytes.
    BigRaw(BoundedVec<u8, BigRawBytesMax>),
    /// A timelocked field that could not be read; only the chain writes it.
    TimelockRevealFailed {
        /// The ciphertext.
        encrypted: BoundedVec<u8, TimelockedBytesMax>,
        /// The round.
        reveal_round: u64,
    },
}

impl Data {
    /// Bytes this field counts against the space limit.
    pub fn counted_bytes(&self) -> u64 {
        let bytes = match self {
            Self::None | Self::ResetBondsFlag => 0,
            Self::Raw(bytes) => bytes.len(),
            Self::BlakeTwo256(_) | Self::Sha256(_) | Self::Keccak256(_) | Self::ShaThree256(_) => 32,
            Self::TimelockEncrypted { encrypted, .. } | Self::TimelockRevealFailed { encrypted, .. } => {
                encrypted.len()
            }
            Self::BigRaw(bytes) => bytes.len(),
        };
        bytes as u64
    }
}

impl Encode for Data {
    fn encode_to<O: Output + ?Sized>(&self, out: &mut O) {
        match self {
            Self::None => out.push_byte(TAG_NONE),
            Self::Raw(bytes) => {
                out.push_byte(TAG_RAW_FIRST + bytes.len() as u8);
                out.write(bytes);
            }
            Self::BlakeTwo256(hash) => tagged(out, TAG_BLAKE_TWO_256, hash),
            Self::Sha256(hash) => tagged(out, TAG_SHA_256, hash),
            Self::Keccak256(hash) => tagged(out, TAG_KECCAK_256, hash),
            Self::ShaThree256(hash) => tagged(out, TAG_SHA_THREE_256, hash),
            Self::TimelockEncrypted { encrypted, reveal_round } => {
                tagged(out, TAG_TIMELOCK_ENCRYPTED, &(encrypted, reveal_round));
            }
            Self::ResetBondsFlag => out.push_byte(TAG_RESET_BONDS),
            Self::BigRaw(bytes) => tagged(out, TAG_BIG_RAW, bytes),
            Self::TimelockRevealFailed { encrypted, reveal_round } => {
                tagged(out, TAG_TIMELOCK_REVEAL_FAILED, &(encrypted, reveal_round));
            }
        }
    }
}

fn tagged<O: Output + ?Sized>(out: &mut O, tag: u8, value: &impl Encode) {
    out.push_byte(tag);
    value.encode_to(out);
}

impl Decode for Data {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        Ok(match input.read_byte()? {
            TAG_NONE => Self::None,
            tag @ TAG_RAW_FIRST..=TAG_RAW_LAST => {
                let mut bytes = vec![0; usize::from(tag - TAG_RAW_FIRST)];
                input.read(&mut bytes)?;
                Self::Raw(bytes.try_into().map_err(|_| "a raw field is at most 128 bytes")?)
            }
            TAG_BLAKE_TWO_256 => Self::BlakeTwo256(Decode::decode(input)?),
            TAG_SHA_256 => Self::Sha256(Decode::decode(input)?),
            TAG_KECCAK_256 => Self::Keccak256(Decode::decode(input)?),
            TAG_SHA_THREE_256 => Self::ShaThree256(Decode::decode(input)?),
            TAG_TIMELOCK_ENCRYPTED => {
                let (encrypted, reveal_round) = Decode::decode(input)?;
                Self::TimelockEncrypted { encrypted, reveal_round }
            }
            TAG_RESET_BONDS => Self::ResetBondsFlag,
            TAG_BIG_RAW => Self::BigRaw(Decode::decode(input)?),
            TAG_TIMELOCK_REVEAL_FAILED => {
                let (encrypted, reveal_round) = Decode::decode(input)?;
                Self::TimelockRevealFailed { encrypted, reveal_round }
            }
            _ => return Err("no such kind of field".into()),
        })
    }
}

impl DecodeWithMemTracking for Data {}

/// A variant that has no index yet.
type Unindexed = VariantBuilder<MetaForm, IndexNotAssigned>;

/// A variant whose bytes are a fixed array: one per length of a raw field.
macro_rules! raw_variants {
	($variants:expr, $($length:literal)*) => {
		$variants$(.variant(concat!("Raw", $length), |variant| {
			variant.index(TAG_RAW_FIRST + $length).fields(
				Fields::unnamed().field(|field| field.ty::<[u8; $length]>()),
			)
		}))*
	};
}

impl TypeInfo for Data {
    type Identity = Self;

    fn type_info() -> Type {
        let hash = |index: u8| {
            move |variant: Unindexed| {
                variant.index(index).fields(Fields::unnamed().field(|field| field.ty::<[u8; 32]>()))
            }
        };
        let timelocked = |index: u8| {
            move |variant: Unindexed| {
                variant.index(index).fields(
                    Fields::named()
                        .field(|field| field.name("encrypted").ty::<BoundedVec<u8, TimelockedBytesMax>>())
                        .field(|field| field.name("reveal_round").ty::<u64>()),
                )
            }
        };
        let variants = Variants::new().variant("None", |variant| variant.index(TAG_NONE));
        let variants = raw_variants!(variants,
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40
            41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78
            79 80 81 82 83 84 85 86 87 88 89 90 91 92 93 94 95 96 97 98 99 100 101 102 103 104 105 106 107 108 109 110 111
            112 113 114 115 116 117 118 119 120 121 122 123 124 125 126 127 128
        );
        let variants = variants
            .variant("BlakeTwo256", hash(TAG_BLAKE_TWO_256))
            .variant("Sha256", hash(TAG_SHA_256))
            .variant("Keccak256", hash(TAG_KECCAK_256))
            .variant("ShaThree256", hash(TAG_SHA_THREE_256))
            .variant("TimelockEncrypted", timelocked(TAG_TIMELOCK_ENCRYPTED))
            .variant("ResetBondsFlag", |variant| variant.index(TAG_RESET_BONDS))
            .variant("BigRaw", |variant| {
                variant
                    .index(TAG_BIG_RAW)
                    .fields(Fields::unnamed().field(|field| field.ty::<BoundedVec<u8, BigRawBytesMax>>()))
            })
            .variant("TimelockRevealFailed", timelocked(TAG_TIMELOCK_REVEAL_FAILED));
        Type::builder().path(Path::new("Data", "pallet_commitments::types")).variant(variants)
    }
}

/// What a neuron commits.
#[derive(Clone, Debug, Decode, DecodeWithMemTracking, Encode, Eq, PartialEq, TypeInfo)]
pub struct CommitmentInfo {
    /// The fields.
    pub fields: BoundedVec<Data, FieldsMax>,
}

/// A commitment as stored.
#[derive(Clone, Debug, Decode, DecodeWithMemTracking, Encode, Eq, PartialEq, TypeInfo)]
pub struct Registration {
    /// What it cost to keep; nothing today.
    pub deposit: TaoBalance,
    /// Block it was made in.
    pub block: u32,
    /// What was committed.
    pub info: CommitmentInfo,
}

/// What an account has written in an epoch.
#[derive(Clone, Debug, Decode, DecodeWithMemTracking, Default, Encode, Eq, PartialEq, TypeInfo)]
pub struct UsageTracker {
    /// The epoch.
    pub last_epoch: u64,
    /// Bytes.
    pub used_space: u64,
}

/// Why a timelocked field could not be read.
#[derive(Clone, Copy, Debug, Decode, DecodeWithMemTracking, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the variants are the chain's own")]
pub enum RevealFailure {
    SignatureDeserialize,
    CiphertextDeserialize,
    Decrypt,
    EmptyPlaintext,
    PulseExpired,
    RoundMismatch,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<B: frame_support::traits::Get<u32>>(count: usize) -> BoundedVec<u8, B> {
        vec![7; count].try_into().expect("within the bound")
    }

    #[test]
    fn every_form_survives_its_encoding() {
        let hash = [9; 32];
        let (encrypted, reveal_round) = (bytes(1024), 77);
        for data in [
            Data::None,
            Data::Raw(bytes(0)),
            Data::Raw(bytes(128)),
            Data::BlakeTwo256(hash),
            Data::Sha256(hash),
            Data::Keccak256(hash),
            Data::ShaThree256(hash),
            Data::TimelockEncrypted { encrypted: encrypted.clone(), reveal_round },
            Data::ResetBondsFlag,
            Data::BigRaw(bytes(512)),
            Data::TimelockRevealFailed { encrypted, reveal_round },
        ] {
            assert_eq!(Data::decode(&mut &data.encode()[..]).as_ref(), Ok(&data));
        }
    }

    #[test]
    fn a_raw_field_has_its_length_in_the_tag_and_no_other() {
        assert_eq!(Data::Raw(bytes(2)).encode(), [3, 7, 7]);
        assert!(Data::decode(&mut &[138u8][..]).is_err());
        assert!(Data::decode(&mut &[129u8, 0][..]).is_err());
    }
}

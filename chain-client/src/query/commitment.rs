//! What a hotkey has committed to on a subnet: at most three short fields, most often one digest.

use std::collections::BTreeMap;

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::NetUid;
use parity_scale_codec::{Compact, Decode, Error as ScaleError, Input};
use protocol::AccountId;
use subxt::utils::AccountId32;

use super::{check_existence, want_existence};
use crate::blocks::BlockRef;
use crate::client::ChainClient;
use crate::error::{Fault, QueryError};

const FIELDS_MAX: usize = 3;
const RAW_BYTES_MAX: u8 = 128;
const BIG_RAW_BYTES_MAX: u32 = 512;
const TIMELOCKED_BYTES_MAX: u32 = 1024;

/// A hotkey's commitment on a subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commitment {
    /// The block in which it was made.
    pub block: u32,
    /// Its fields, at most three.
    pub fields: Vec<CommitmentField>,
}

/// One field of a commitment. The chain knows no more about the content than its kind says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitmentField {
    /// Nothing.
    None,
    /// Up to 128 bytes, or up to 512 in the chain's `BigRaw`.
    Raw(Vec<u8>),
    /// A BLAKE2b-256 digest.
    BlakeTwo256([u8; 32]),
    /// A SHA-256 digest.
    Sha256([u8; 32]),
    /// A Keccak-256 digest.
    Keccak256([u8; 32]),
    /// A SHA3-256 digest.
    ShaThree256([u8; 32]),
    /// Content that becomes readable at a drand round.
    TimelockEncrypted {
        /// The ciphertext.
        encrypted: Vec<u8>,
        /// The round whose signature opens it.
        reveal_round: u64,
    },
    /// A wish to forget the bonds towards this neuron.
    ResetBonds,
    /// A timelocked field that the chain could not open.
    TimelockRevealFailed {
        /// The ciphertext.
        encrypted: Vec<u8>,
        /// The round that should have opened it.
        reveal_round: u64,
    },
}

impl Commitment {
    /// The first SHA-256 digest among the fields.
    pub fn sha256(&self) -> Option<&[u8; 32]> {
        self.fields.iter().find_map(|field| match field {
            CommitmentField::Sha256(digest) => Some(digest),
            _ => None,
        })
    }

    /// Reads the chain's `Registration`: deposit, block, fields.
    fn decode(input: &mut &[u8]) -> Result<Self, ScaleError> {
        let _deposit_rao = u64::decode(input)?;
        let block = u32::decode(input)?;
        let Compact(count) = Compact::<u32>::decode(input)?;
        if usize::try_from(count).map_or(true, |count| count > FIELDS_MAX) {
            return Err("more than three fields".into());
        }
        let fields = (0..count).map(|_| CommitmentField::decode(input)).collect::<Result<_, _>>()?;
        if input.is_empty() { Ok(Self { block, fields }) } else { Err("bytes after the last field".into()) }
    }
}

impl CommitmentField {
    /// The pallet's own encoding: short raw data has its length in the tag.
    fn decode(input: &mut &[u8]) -> Result<Self, ScaleError> {
        Ok(match input.read_byte()? {
            0 => Self::None,
            tag @ 1..=129 => {
                let mut bytes = vec![0; usize::from((tag - 1).min(RAW_BYTES_MAX))];
                input.read(&mut bytes)?;
                Self::Raw(bytes)
            }
            130 => Self::BlakeTwo256(Decode::decode(input)?),
            131 => Self::Sha256(Decode::decode(input)?),
            132 => Self::Keccak256(Decode::decode(input)?),
            133 => Self::ShaThree256(Decode::decode(input)?),
            134 => {
                let (encrypted, reveal_round) = timelocked(input)?;
                Self::TimelockEncrypted { encrypted, reveal_round }
            }
            135 => Self::ResetBonds,
            136 => Self::Raw(bounded_bytes(input, BIG_RAW_BYTES_MAX)?),
            137 => {
                let (encrypted, reveal_round) = timelocked(input)?;
                Self::TimelockRevealFailed { encrypted, reveal_round }
            }
            _ => return Err("unknown kind of field".into()),
        })
    }
}

fn timelocked(input: &mut &[u8]) -> Result<(Vec<u8>, u64), ScaleError> {
    Ok((bounded_bytes(input, TIMELOCKED_BYTES_MAX)?, Decode::decode(input)?))
}

fn bounded_bytes(input: &mut &[u8], max: u32) -> Result<Vec<u8>, ScaleError> {
    let Compact(length) = Compact::<u32>::decode(input)?;
    if length > max {
        return Err("field longer than the chain allows".into());
    }
    let mut bytes = vec![0; length as usize];
    input.read(&mut bytes)?;
    Ok(bytes)
}

impl ChainClient {
    /// What `hotkey` has committed to on the subnet, if anything.
    pub async fn commitment(
        &self,
        netuid: u16,
        hotkey: &AccountId,
        at: BlockRef,
    ) -> Result<Option<Commitment>, QueryError> {
        self.bounded("reading a commitment", async {
            let mut reader = self.reader(at).await?;
            let exists = want_existence(&mut reader, netuid)?;
            let commitment_of = subtensor::storage().commitments().commitment_of();
            let commitment = reader.want(commitment_of, (NetUid(netuid), AccountId32(hotkey.0)))?;
            let values = reader.fetch().await?;
            check_existence(values.value(&exists)?, netuid)?;
            let Some(mut bytes) = values.bytes(&commitment) else {
                return Ok(None);
            };
            Ok(Some(Commitment::decode(&mut bytes)?))
        })
        .await
    }

    /// What every hotkey of the subnet has committed to: two requests, however many there are (up to 1,000).
    ///
    /// A commitment of a kind that this software does not know is left out, so that one stranger cannot hide the others.
    pub async fn commitments(
        &self,
        netuid: u16,
        at: BlockRef,
    ) -> Result<BTreeMap<AccountId, Commitment>, QueryError> {
        self.bounded("reading the commitments", async {
            let mut reader = self.reader(at).await?;
            let map = || subtensor::storage().commitments().commitment_of();
            let keys = reader.keys_under(map(), (NetUid(netuid),)).await?;
            let exists = want_existence(&mut reader, netuid)?;
            let mut slots = Vec::with_capacity(keys.len());
            for key in &keys {
                // The account is hashed with Twox64Concat: it stands at the key's end.
                let account = key.last_chunk::<32>().ok_or(Fault::MissingValue)?;
                slots.push((
                    AccountId(*account),
                    reader.want(map(), (NetUid(netuid), AccountId32(*account)))?,
                ));
            }
            let values = reader.fetch().await?;
            check_existence(values.value(&exists)?, netuid)?;
            let decoded = slots.into_iter().filter_map(|(hotkey, slot)| {
                let mut bytes = values.bytes(&slot)?;
                Some((hotkey, Commitment::decode(&mut bytes).ok()?))
            });
            Ok(decoded.collect())
        })
        .await
    }

    /// What `hotkey` committed to in the blocks from `from` to `to`, the latest first, at most `max`. One request per
    /// commitment, on a node that still has the state of those blocks (an archive node for old ones).
    ///
    /// Of several commitments in one block the chain keeps the last only. What was committed before the hotkey was pruned is
    /// found as far as the chain kept it.
    pub async fn commitment_history(
        &self,
        netuid: u16,
        hotkey: &AccountId,
        from: u32,
        to: BlockRef,
        max: usize,
    ) -> Result<Vec<Commitment>, QueryError> {
        let mut history = Vec::new();
        let mut at = to;
        while history.len() < max {
            let Some(commitment) = self.commitment(netuid, hotkey, at).await? else { break };
            let made = commitment.block;
            if made < from || made > at.number {
                break;
            }
            history.push(commitment);
            if made == 0 || made == from {
                break;
            }
            at = self.block_at(made - 1).await?;
        }
        Ok(history)
    }
}

#[cfg(test)]
mod tests {
    use parity_scale_codec::Encode;

    use super::*;

    fn registration(fields: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = (0u64, 77u32, Compact(fields.len() as u32)).encode();
        fields.iter().for_each(|field| bytes.extend(field));
        bytes
    }

    #[test]
    fn a_digest_is_read_with_its_block() {
        let bytes = registration(&[[vec![131], vec![9; 32]].concat()]);
        let commitment = Commitment::decode(&mut bytes.as_slice()).unwrap();
        assert_eq!(commitment.block, 77);
        assert_eq!(commitment.sha256(), Some(&[9; 32]));
    }

    #[test]
    fn raw_data_has_its_length_in_the_tag() {
        let bytes = registration(&[vec![1], vec![4, b'a', b'b', b'c'], [vec![129], vec![5; 128]].concat()]);
        let commitment = Commitment::decode(&mut bytes.as_slice()).unwrap();
        let expected = [vec![], b"abc".to_vec(), vec![5; 128]].map(CommitmentField::Raw);
        assert_eq!(commitment.fields, expected);
    }

    #[test]
    fn every_other_kind_of_field_is_read() {
        let timelocked = [vec![134], vec![1u8, 2].encode(), 8u64.encode()].concat();
        let bytes = registration(&[timelocked, vec![135], [vec![136], vec![7u8; 200].encode()].concat()]);
        let commitment = Commitment::decode(&mut bytes.as_slice()).unwrap();
        let timelocked = CommitmentField::TimelockEncrypted { encrypted: vec![1, 2], reveal_round: 8 };
        let expected = [timelocked, CommitmentField::ResetBonds, CommitmentField::Raw(vec![7; 200])];
        assert_eq!(commitment.fields, expected);
        let failed = [vec![137], vec![1u8, 2].encode(), 8u64.encode()].concat();
        let bytes = registration(&[vec![0], failed]);
        let commitment = Commitment::decode(&mut bytes.as_slice()).unwrap();
        let failed = CommitmentField::TimelockRevealFailed { encrypted: vec![1, 2], reveal_round: 8 };
        assert_eq!(commitment.fields, [CommitmentField::None, failed]);
        for (tag, make) in [
            (130, CommitmentField::BlakeTwo256 as fn([u8; 32]) -> CommitmentField),
            (132, CommitmentField::Keccak256),
            (133, CommitmentField::ShaThree256),
        ] {
            let bytes = registration(&[[vec![tag], vec![3; 32]].concat()]);
            assert_eq!(Commitment::decode(&mut bytes.as_slice()).unwrap().fields, [make([3; 32])]);
        }
    }

    #[test]
    fn malformed_commitments_are_refused() {
        let too_long = [vec![136], Compact(513u32).encode(), vec![0; 513]].concat();
        let cases = [
            registration(&[vec![138]]),
            registration(&[vec![137]]),
            registration(&[vec![131, 1]]),
            registration(&[too_long]),
            registration(&[vec![0], vec![0], vec![0], vec![0]]),
            [registration(&[vec![0]]), vec![0]].concat(),
        ];
        for bytes in cases {
            assert!(Commitment::decode(&mut bytes.as_slice()).is_err(), "{}", hex::encode(bytes));
        }
    }
}

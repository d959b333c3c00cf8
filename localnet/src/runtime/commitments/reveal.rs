//! Opening timelocked fields when their round is out.

use std::collections::BTreeSet;

use frame_support::BoundedVec;
use parity_scale_codec::{Decode, DecodeAll};
use sp_runtime::AccountId32;

use super::{
    CommitmentOf, Config, Data, Event, Pallet, RevealedCommitments, TimelockedIndex,
    data::{FieldsMax, RevealFailure},
};
use crate::{
    beacon::ciphertext::{OpenError, open},
    runtime::{
        drand::{OldestStoredRound, Pulses},
        numbers::NetUid,
        subtensor,
    },
};

/// What was revealed of one account, the newest so many.
const REVEALED_MAX: usize = 10;

/// The wrapping in which the official library hands a ciphertext to its users.
#[derive(Decode)]
struct Envelope {
    ciphertext: Vec<u8>,
    _reveal_round: u64,
}

/// What becomes of a timelocked field.
enum Fate {
    Waits,
    Revealed(Vec<u8>),
    Failed(RevealFailure),
}

impl<T: Config> Pallet<T> {
    /// Opens every timelocked field whose round is out. One that cannot be opened stays, marked as failed.
    pub(super) fn reveal_timelocked() {
        for (netuid, who) in TimelockedIndex::<T>::get() {
            let Some(mut registration) = CommitmentOf::<T>::get(netuid, &who) else {
                forget::<T>(netuid, &who);
                continue;
            };
            let before = registration.info.fields.clone();
            let mut left = BoundedVec::<Data, FieldsMax>::new();
            let mut waits = false;
            for field in before.iter().cloned() {
                let kept = match Self::fate(&field) {
                    None => Some(field),
                    Some(Fate::Waits) => {
                        waits = true;
                        Some(field)
                    }
                    Some(Fate::Revealed(plaintext)) => {
                        Self::publish(netuid, &who, plaintext);
                        None
                    }
                    Some(Fate::Failed(error)) => Some(Self::fail(netuid, &who, field, error)),
                };
                if let Some(kept) = kept {
                    left.try_push(kept).expect("no more fields than before");
                }
            }
            if !waits {
                forget::<T>(netuid, &who);
            }
            if left.is_empty() {
                CommitmentOf::<T>::remove(netuid, &who);
            } else if left != before {
                registration.info.fields = left;
                CommitmentOf::<T>::insert(netuid, &who, registration);
            }
        }
    }

    /// `None` for a field that is not timelocked.
    fn fate(field: &Data) -> Option<Fate> {
        let Data::TimelockEncrypted { encrypted, reveal_round } = field else { return None };
        let Some(pulse) = Pulses::<T>::get(reveal_round) else {
            let expired = *reveal_round < OldestStoredRound::<T>::get();
            return Some(if expired { Fate::Failed(RevealFailure::PulseExpired) } else { Fate::Waits });
        };
        Some(match open_either(encrypted, &pulse.signature) {
            Ok(plaintext) if plaintext.is_empty() => Fate::Failed(RevealFailure::EmptyPlaintext),
            Ok(plaintext) => Fate::Revealed(plaintext),
            Err(OpenError::Signature) => Fate::Failed(RevealFailure::SignatureDeserialize),
            Err(OpenError::Ciphertext) => Fate::Failed(RevealFailure::CiphertextDeserialize),
            Err(OpenError::Decrypt) => Fate::Failed(RevealFailure::Decrypt),
        })
    }

    fn publish(netuid: NetUid, who: &AccountId32, plaintext: Vec<u8>) {
        let block = subtensor::Pallet::<T>::block();
        let mut revealed = RevealedCommitments::<T>::get(netuid, who).unwrap_or_default();
        revealed.push((plaintext, block));
        let surplus = revealed.len().saturating_sub(REVEALED_MAX);
        revealed.drain(..surplus);
        RevealedCommitments::<T>::insert(netuid, who, revealed);
        Self::deposit_event(Event::CommitmentRevealed { netuid, who: who.clone() });
    }

    /// The field that stays in place of one that cannot be opened.
    fn fail(netuid: NetUid, who: &AccountId32, field: Data, error: RevealFailure) -> Data {
        let Data::TimelockEncrypted { encrypted, reveal_round } = field else { return field };
        Self::deposit_event(Event::CommitmentRevealFailed { netuid, who: who.clone(), reveal_round, error });
        Data::TimelockRevealFailed { encrypted, reveal_round }
    }

    /// The rounds that timelocked fields wait for.
    pub fn awaited_rounds() -> BTreeSet<u64> {
        TimelockedIndex::<T>::get()
            .into_iter()
            .filter_map(|(netuid, who)| CommitmentOf::<T>::get(netuid, who))
            .flat_map(|registration| registration.info.fields)
            .filter_map(|field| match field {
                Data::TimelockEncrypted { reveal_round, .. } => Some(reveal_round),
                _ => None,
            })
            .collect()
    }
}

/// Opens a ciphertext, bare or in the official library's wrapping.
fn open_either(encrypted: &[u8], signature: &[u8]) -> Result<Vec<u8>, OpenError> {
    match open(encrypted, signature) {
        Err(OpenError::Ciphertext) => {
            let envelope = Envelope::decode_all(&mut &encrypted[..]).map_err(|_| OpenError::Ciphertext)?;
            open(&envelope.ciphertext, signature)
        }
        opened => opened,
    }
}

fn forget<T: Config>(netuid: NetUid, who: &AccountId32) {
    TimelockedIndex::<T>::mutate(|index| index.remove(&(netuid, who.clone())));
}

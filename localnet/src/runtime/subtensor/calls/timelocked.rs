//! Weights encrypted to a round of the beacon: committed by a call, revealed by the chain itself when the round is out.

use std::collections::BTreeSet;

use frame_support::{BoundedVec, dispatch::DispatchResult, ensure};
use parity_scale_codec::{Decode, Encode};
use sp_core::H256;
use sp_runtime::AccountId32;

use super::commits::COMMITS_MAX;
use crate::{
    beacon::ciphertext,
    runtime::{
        drand::{LastStoredRound, Pulses},
        numbers::{MechId, NetUid, NetUidStorageIndex},
        subtensor::{
            CommitRevealWeightsEnabled, CommitRevealWeightsVersion, Config, Error, Event, Pallet,
            RevealPeriodEpochs, TimelockedWeightCommits, Uids, WeightCommits, types::CommitBytesMax,
        },
    },
};

/// A row of weights encrypted to a round.
pub struct Timelocked {
    /// The ciphertext.
    pub commit: BoundedVec<u8, CommitBytesMax>,
    /// The round that opens it.
    pub reveal_round: u64,
    /// Version of the scheme.
    pub version: u16,
}

impl Timelocked {
    /// The version of clients whose call does not name one.
    pub const VERSION: u16 = 4;
}

/// What a ciphertext holds.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
struct Payload {
    /// The committer, 32 bytes.
    hotkey: Vec<u8>,
    row: Row,
}

/// The weights of a payload; alone the payload of clients from before it named the committer.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
struct Row {
    uids: Vec<u16>,
    values: Vec<u16>,
    version_key: u64,
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_commit_timelocked(
        hotkey: &AccountId32,
        netuid: NetUid,
        mechanism: MechId,
        timelocked: Timelocked,
    ) -> DispatchResult {
        let Timelocked { commit, reveal_round, version } = timelocked;
        ensure!(Self::has_stake_to_set_weights(hotkey, netuid), Error::<T>::NotEnoughStakeToSetWeights);
        Self::check_reveal_round(reveal_round)?;
        Self::ensure_mechanism_exists(netuid, mechanism)?;
        ensure!(CommitRevealWeightsEnabled::<T>::get(netuid), Error::<T>::CommitRevealDisabled);
        ensure!(version == CommitRevealWeightsVersion::<T>::get(), Error::<T>::IncorrectCommitRevealVersion);
        let uid = Uids::<T>::get(netuid, hotkey).ok_or(Error::<T>::HotKeyNotRegisteredInSubNet)?;
        ensure!(Self::may_set_weights_again(netuid, mechanism, uid), Error::<T>::CommittingWeightsTooFast);
        let index = netuid.index(mechanism);
        let epoch = Self::epoch_with_lookahead(netuid);
        let mut commits = TimelockedWeightCommits::<T>::get(index, epoch);
        let own = commits.iter().filter(|(committer, ..)| committer == hotkey).count();
        ensure!(own < COMMITS_MAX, Error::<T>::TooManyUnrevealedCommits);
        let hash = H256(sp_crypto_hashing::blake2_256(&commit));
        commits.push((hotkey.clone(), Self::block(), commit, reveal_round));
        TimelockedWeightCommits::<T>::insert(index, epoch, commits);
        Self::deposit_event(Event::TimelockedWeightsCommitted(hotkey.clone(), index, hash, reveal_round));
        Self::mark_updated(index, uid);
        Ok(())
    }

    /// That a round is not already out.
    pub(crate) fn check_reveal_round(round: u64) -> Result<(), Error<T>> {
        if round < LastStoredRound::<T>::get() { Err(Error::<T>::InvalidRevealRound) } else { Ok(()) }
    }

    /// Opens and applies, on every subnet, what was committed for the epoch that is now or begins in this block.
    pub(crate) fn reveal_timelocked_weights() {
        for netuid in Self::subnets() {
            let (epoch, period) = (Self::epoch_with_lookahead(netuid), RevealPeriodEpochs::<T>::get(netuid));
            let committed = epoch.saturating_sub(period);
            for mechanism in Self::mechanisms(netuid) {
                let index = netuid.index(mechanism);
                let passed: Vec<u64> = TimelockedWeightCommits::<T>::iter_key_prefix(index)
                    .filter(|epoch| *epoch < committed)
                    .collect();
                for epoch in passed {
                    TimelockedWeightCommits::<T>::remove(index, epoch);
                }
                if epoch >= period && TimelockedWeightCommits::<T>::contains_key(index, committed) {
                    Self::reveal_epoch(netuid, mechanism, committed);
                }
            }
        }
    }

    /// What was committed in one epoch. A commit whose round is not out waits, until its epoch is over; one that cannot be
    /// opened or that the rules refuse is gone.
    fn reveal_epoch(netuid: NetUid, mechanism: MechId, committed: u64) {
        let index = netuid.index(mechanism);
        let mut waiting = Vec::new();
        for (hotkey, block, commit, round) in TimelockedWeightCommits::<T>::take(index, committed) {
            let Some(pulse) = Pulses::<T>::get(round) else {
                waiting.push((hotkey, block, commit, round));
                continue;
            };
            let revealed = open(&hotkey, &commit, &pulse.signature)
                .map_err(|reason| reason.to_owned())
                .and_then(|row| Self::apply(&hotkey, netuid, mechanism, row));
            match revealed {
                Ok(()) => Self::deposit_event(Event::TimelockedWeightsRevealed(index, hotkey)),
                Err(reason) => {
                    tracing::debug!(%netuid, %mechanism, hotkey = %hex::encode(&hotkey), reason, "not revealed")
                }
            }
        }
        if !waiting.is_empty() {
            TimelockedWeightCommits::<T>::insert(index, committed, waiting);
        }
    }

    fn apply(hotkey: &AccountId32, netuid: NetUid, mechanism: MechId, row: Row) -> Result<(), String> {
        Self::store_weights(hotkey, netuid, mechanism, row.uids, row.values, row.version_key)
            .map_err(|error| format!("{error:?}"))
    }

    /// The rounds that commits wait for.
    pub fn awaited_rounds() -> BTreeSet<u64> {
        TimelockedWeightCommits::<T>::iter_values()
            .flat_map(|commits| commits.into_iter().map(|(_, _, _, round)| round))
            .collect()
    }

    /// The blocks in which the hotkeys of a mechanism committed what they can still reveal, the first of each.
    pub(crate) fn first_commit_blocks(netuid: NetUid, index: NetUidStorageIndex) -> Vec<(AccountId32, u64)> {
        let hashed = WeightCommits::<T>::iter_prefix(index).filter_map(|(hotkey, commits)| {
            let active = commits.iter().find(|(_, epoch, ..)| !Self::is_commit_expired(netuid, *epoch))?;
            Some((hotkey, active.2))
        });
        let timelocked = TimelockedWeightCommits::<T>::iter_prefix(index)
            .filter(|(epoch, _)| !Self::is_commit_expired(netuid, *epoch))
            .flat_map(|(_, commits)| commits.into_iter().map(|(hotkey, block, ..)| (hotkey, block)));
        hashed.chain(timelocked).collect()
    }
}

/// Opens a commit; the weights in it, if they are the committer's.
fn open(hotkey: &AccountId32, commit: &[u8], signature: &[u8]) -> Result<Row, &'static str> {
    let plaintext = ciphertext::open(commit, signature).map_err(|_| "the ciphertext does not open")?;
    let legacy = || Row::decode(&mut &plaintext[..]).map_err(|_| "the plaintext is no payload");
    match Payload::decode(&mut &plaintext[..]) {
        Ok(payload) => match payload.hotkey.first_chunk::<32>() {
            Some(committer) if committer == AsRef::<[u8; 32]>::as_ref(hotkey) => Ok(payload.row),
            Some(_) => Err("the payload is of another hotkey"),
            None => legacy(),
        },
        Err(_) => legacy(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, plaintext, ciphertext to quicknet's round 1000.
    fn ciphertext(name: &str) -> Vec<u8> {
        let line = include_str!("../../../beacon/ciphertext/vectors.txt")
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")))
            .unwrap();
        hex::decode(line.rsplit(' ').next().unwrap()).unwrap()
    }

    fn opened(name: &str, hotkey: [u8; 32]) -> Result<Row, &'static str> {
        let signature = "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39";
        open(&AccountId32::new(hotkey), &ciphertext(name), &hex::decode(signature).unwrap())
    }

    /// The hotkey of the vectors: the development key //validator.
    fn committer() -> [u8; 32] {
        crate::accounts::dev_account("//validator").unwrap().into()
    }

    #[test]
    fn payloads_of_the_official_library_are_opened_for_their_committer_alone() {
        let row = Row { uids: vec![1, 2], values: vec![21_845, 65_535], version_key: 7 };
        assert_eq!(opened("weights", committer()), Ok(row));
        assert_eq!(opened("weights-of-256", committer()).map(|row| row.uids.len()), Ok(256));
        assert_eq!(opened("weights", [9; 32]), Err("the payload is of another hotkey"));
    }

    #[test]
    fn a_payload_from_before_hotkeys_is_anyone_s() {
        let row = Row { uids: vec![0, 3], values: vec![1, 2], version_key: 0 };
        assert_eq!(opened("weights-without-hotkey", [9; 32]), Ok(row));
        assert_eq!(opened("commitment", committer()), Err("the plaintext is no payload"));
    }
}

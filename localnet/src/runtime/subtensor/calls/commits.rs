//! Weights committed by their hash and revealed by another call, in the one epoch that is for it.

use frame_support::{dispatch::DispatchResult, ensure};
use parity_scale_codec::{Compact, Encode};
use sp_core::H256;
use sp_runtime::AccountId32;

use crate::runtime::{
    numbers::{MechId, NetUid, NetUidStorageIndex},
    subtensor::{
        CommitRevealWeightsEnabled, Config, Error, Event, NetworksAdded, Pallet, RevealPeriodEpochs,
        SubnetEpochIndex, Uids, WeightCommits,
    },
};

/// Commits of one hotkey that wait to be revealed, at most.
pub(super) const COMMITS_MAX: usize = 10;

/// A row of weights as it is hashed and revealed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Revealed {
    /// Neurons.
    pub uids: Vec<u16>,
    /// What each is worth.
    pub values: Vec<u16>,
    /// What makes the hash unpredictable.
    pub salt: Vec<u16>,
    /// The subnet's version key.
    pub version_key: u64,
}

impl Revealed {
    /// What is committed.
    pub fn hash(&self, hotkey: &AccountId32, index: NetUidStorageIndex) -> H256 {
        let Self { uids, values, salt, version_key } = self;
        H256(sp_crypto_hashing::blake2_256(&(hotkey, index, uids, values, salt, version_key).encode()))
    }
}

/// The rows of a batch, as its call lists them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RevealedLists {
    /// Neurons of each row.
    pub uids: Vec<Vec<u16>>,
    /// Values of each row.
    pub values: Vec<Vec<u16>>,
    /// Salt of each row.
    pub salts: Vec<Vec<u16>>,
    /// Version key of each row.
    pub version_keys: Vec<u64>,
}

impl RevealedLists {
    /// The rows, unless the lists differ in length.
    pub(crate) fn rows<T: Config>(self) -> Result<Vec<Revealed>, Error<T>> {
        let count = self.uids.len();
        if [self.values.len(), self.salts.len(), self.version_keys.len()] != [count; 3] {
            return Err(Error::InputLengthsUnequal);
        }
        let lists = self.uids.into_iter().zip(self.values).zip(self.salts).zip(self.version_keys);
        Ok(lists
            .map(|(((uids, values), salt), version_key)| Revealed { uids, values, salt, version_key })
            .collect())
    }
}

/// Hash, epoch and block of a commit; the last number is of an older scheme.
type Commit = (H256, u64, u64, u64);

/// The waiting commits of a hotkey, and the hashes of those that were dropped because their epoch is over.
struct Waiting {
    commits: Vec<Commit>,
    expired: Vec<H256>,
}

impl Waiting {
    /// Where the commit with this hash stands.
    fn find<T: Config>(&self, hash: H256) -> Result<usize, Error<T>> {
        let missing = if self.expired.contains(&hash) {
            Error::<T>::ExpiredWeightCommit
        } else {
            Error::<T>::InvalidRevealCommitHashNotMatch
        };
        self.commits.iter().position(|(committed, ..)| *committed == hash).ok_or(missing)
    }
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_commit_weights(
        hotkey: &AccountId32,
        netuid: NetUid,
        mechanism: MechId,
        hash: H256,
    ) -> DispatchResult {
        ensure!(Self::has_stake_to_set_weights(hotkey, netuid), Error::<T>::NotEnoughStakeToSetWeights);
        Self::ensure_mechanism_exists(netuid, mechanism)?;
        ensure!(CommitRevealWeightsEnabled::<T>::get(netuid), Error::<T>::CommitRevealDisabled);
        let uid = Uids::<T>::get(netuid, hotkey).ok_or(Error::<T>::HotKeyNotRegisteredInSubNet)?;
        ensure!(Self::may_set_weights_again(netuid, mechanism, uid), Error::<T>::CommittingWeightsTooFast);
        let index = netuid.index(mechanism);
        let mut commits = WeightCommits::<T>::get(index, hotkey).unwrap_or_default();
        Self::drop_expired(netuid, &mut commits);
        ensure!(commits.len() < COMMITS_MAX, Error::<T>::TooManyUnrevealedCommits);
        commits.push((hash, Self::epoch_with_lookahead(netuid), Self::block(), 0));
        WeightCommits::<T>::insert(index, hotkey, commits);
        Self::deposit_event(Event::WeightsCommitted(hotkey.clone(), index, hash));
        Self::mark_updated(index, uid);
        Ok(())
    }

    /// Several subnets at once. A commit that fails becomes an event, the others are stored.
    pub(crate) fn do_batch_commit_weights(
        hotkey: &AccountId32,
        netuids: Vec<Compact<NetUid>>,
        hashes: Vec<H256>,
    ) -> DispatchResult {
        ensure!(netuids.len() == hashes.len(), Error::<T>::InputLengthsUnequal);
        let mut failures = Vec::new();
        for (netuid, hash) in netuids.iter().zip(hashes) {
            let stored = Self::do_commit_weights(hotkey, netuid.0, MechId::MAIN, hash);
            failures.extend(stored.err().map(|error| (netuid.0, error)));
        }
        Self::finish_batch(hotkey, netuids, failures);
        Ok(())
    }

    pub(crate) fn do_reveal_weights(
        hotkey: &AccountId32,
        netuid: NetUid,
        mechanism: MechId,
        row: Revealed,
    ) -> DispatchResult {
        Self::ensure_mechanism_exists(netuid, mechanism)?;
        ensure!(CommitRevealWeightsEnabled::<T>::get(netuid), Error::<T>::CommitRevealDisabled);
        let index = netuid.index(mechanism);
        let mut waiting = Self::waiting_commits(hotkey, netuid, index)?;
        let hash = row.hash(hotkey, index);
        let no_hash_of_it = waiting.commits.is_empty() && !waiting.expired.contains(&hash);
        ensure!(!no_hash_of_it, Error::<T>::NoWeightsCommitFound);
        let at = waiting.find::<T>(hash)?;
        ensure!(Self::is_reveal_epoch(netuid, waiting.commits[at].1), Error::<T>::RevealTooEarly);
        // Whatever was committed before is superseded.
        waiting.commits.drain(..=at);
        Self::keep_waiting(hotkey, index, waiting.commits);
        Self::store_weights(hotkey, netuid, mechanism, row.uids, row.values, row.version_key)?;
        Self::deposit_event(Event::WeightsRevealed(hotkey.clone(), index, hash));
        Ok(())
    }

    /// Several rows of one subnet, in order: all of them or none.
    pub(crate) fn do_batch_reveal_weights(
        hotkey: &AccountId32,
        netuid: NetUid,
        rows: Vec<Revealed>,
    ) -> DispatchResult {
        ensure!(NetworksAdded::<T>::get(netuid), Error::<T>::SubnetNotExists);
        ensure!(CommitRevealWeightsEnabled::<T>::get(netuid), Error::<T>::CommitRevealDisabled);
        let index = netuid.index(MechId::MAIN);
        let mut waiting = Self::waiting_commits(hotkey, netuid, index)?;
        let hashes: Vec<H256> = rows.iter().map(|row| row.hash(hotkey, index)).collect();
        for hash in &hashes {
            let at = waiting.find::<T>(*hash)?;
            ensure!(Self::is_reveal_epoch(netuid, waiting.commits[at].1), Error::<T>::RevealTooEarly);
        }
        for (row, hash) in rows.into_iter().zip(&hashes) {
            let at = waiting.find::<T>(*hash)?;
            waiting.commits.remove(at);
            Self::store_weights(hotkey, netuid, MechId::MAIN, row.uids, row.values, row.version_key)?;
        }
        Self::keep_waiting(hotkey, index, waiting.commits);
        Self::deposit_event(Event::WeightsBatchRevealed(hotkey.clone(), netuid, hashes));
        Ok(())
    }

    fn waiting_commits(
        hotkey: &AccountId32,
        netuid: NetUid,
        index: NetUidStorageIndex,
    ) -> Result<Waiting, Error<T>> {
        let mut commits = WeightCommits::<T>::get(index, hotkey).ok_or(Error::<T>::NoWeightsCommitFound)?;
        let expired = Self::drop_expired(netuid, &mut commits);
        Ok(Waiting { commits, expired })
    }

    fn keep_waiting(hotkey: &AccountId32, index: NetUidStorageIndex, commits: Vec<Commit>) {
        if commits.is_empty() {
            WeightCommits::<T>::remove(index, hotkey);
        } else {
            WeightCommits::<T>::insert(index, hotkey, commits);
        }
    }

    /// Takes out the first commits whose epoch is over; answers with their hashes.
    fn drop_expired(netuid: NetUid, commits: &mut Vec<Commit>) -> Vec<H256> {
        let expired =
            commits.iter().take_while(|(_, epoch, ..)| Self::is_commit_expired(netuid, *epoch)).count();
        commits.drain(..expired).map(|(hash, ..)| hash).collect()
    }

    /// What the pool asks of a reveal: that there is such a commit, and that now is its epoch.
    pub(crate) fn check_reveal(
        hotkey: &AccountId32,
        netuid: NetUid,
        mechanism: MechId,
        row: &Revealed,
    ) -> Result<(), Error<T>> {
        let index = netuid.index(mechanism);
        let commits = WeightCommits::<T>::get(index, hotkey).ok_or(Error::<T>::NoWeightsCommitFound)?;
        let hash = row.hash(hotkey, index);
        let (_, epoch, ..) = commits
            .iter()
            .find(|(committed, ..)| *committed == hash)
            .ok_or(Error::<T>::NoWeightsCommitFound)?;
        if Self::is_reveal_epoch(netuid, *epoch) { Ok(()) } else { Err(Error::<T>::RevealTooEarly) }
    }

    /// The epoch that a commit or reveal of this block belongs to: if one is due and has not run yet, the one it begins.
    pub fn epoch_with_lookahead(netuid: NetUid) -> u64 {
        let due = Self::epoch_is_due(netuid, Self::block());
        SubnetEpochIndex::<T>::get(netuid).saturating_add(due.into())
    }

    /// Whether what was committed in this epoch can be revealed now.
    fn is_reveal_epoch(netuid: NetUid, committed: u64) -> bool {
        Self::epoch_with_lookahead(netuid) == committed.saturating_add(RevealPeriodEpochs::<T>::get(netuid))
    }

    /// Whether what was committed in this epoch can no longer be revealed.
    pub(crate) fn is_commit_expired(netuid: NetUid, committed: u64) -> bool {
        Self::epoch_with_lookahead(netuid) > committed.saturating_add(RevealPeriodEpochs::<T>::get(netuid))
    }
}

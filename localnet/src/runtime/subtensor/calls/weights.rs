//! Setting weights, with every check of the chain in the chain's order.

use frame_support::{dispatch::DispatchResult, ensure};
use parity_scale_codec::Compact;
use sp_runtime::{AccountId32, DispatchError};

use crate::runtime::{
    numbers::{I32F32, MechId, NetUid, NetUidStorageIndex},
    subtensor::{
        CommitRevealWeightsEnabled, Config, Error, Event, LastUpdate, MechanismCountCurrent,
        MinAllowedWeights, NetworksAdded, Pallet, StakeThreshold, SubnetOwnerHotkey, SubnetworkN, Uids,
        ValidatorPermit, Weights, WeightsSetRateLimit, WeightsVersionKey,
    },
};

/// Largest value of a row that is scaled by one multiplication and one division.
const UPSCALED_DIRECTLY_MAX: i64 = 32_768;

impl<T: Config> Pallet<T> {
    /// Sets weights by call: refused while commit-reveal is on.
    pub(crate) fn do_set_weights(
        hotkey: &AccountId32,
        netuid: NetUid,
        mechanism: MechId,
        uids: Vec<u16>,
        values: Vec<u16>,
        version_key: u64,
    ) -> DispatchResult {
        ensure!(!CommitRevealWeightsEnabled::<T>::get(netuid), Error::<T>::CommitRevealEnabled);
        Self::store_weights(hotkey, netuid, mechanism, uids, values, version_key)
    }

    /// Checks and stores one row of weights. What was committed and is now revealed comes here directly.
    pub(crate) fn store_weights(
        hotkey: &AccountId32,
        netuid: NetUid,
        mechanism: MechId,
        uids: Vec<u16>,
        values: Vec<u16>,
        version_key: u64,
    ) -> DispatchResult {
        ensure!(!netuid.is_root(), Error::<T>::CanNotSetRootNetworkWeights);
        ensure!(uids.len() == values.len(), Error::<T>::WeightVecNotEqualSize);
        Self::ensure_mechanism_exists(netuid, mechanism)?;
        let neurons = SubnetworkN::<T>::get(netuid);
        ensure!(uids.len() <= usize::from(neurons), Error::<T>::UidsLengthExceedUidsInSubNet);
        let uid = Uids::<T>::get(netuid, hotkey).ok_or(Error::<T>::HotKeyNotRegisteredInSubNet)?;
        ensure!(Self::has_stake_to_set_weights(hotkey, netuid), Error::<T>::NotEnoughStakeToSetWeights);
        ensure!(Self::accepts_version(netuid, version_key), Error::<T>::IncorrectWeightVersionKey);
        let commit_reveal = CommitRevealWeightsEnabled::<T>::get(netuid);
        ensure!(
            commit_reveal || Self::may_set_weights_again(netuid, mechanism, uid),
            Error::<T>::SettingWeightsTooFast
        );
        let to_itself = uids == [uid];
        ensure!(
            to_itself || Self::has_permit(netuid, uid) || Self::owner_uid(netuid) == Some(uid),
            Error::<T>::NeuronNoValidatorPermit
        );
        ensure!(!has_duplicates(&uids), Error::<T>::DuplicateUids);
        ensure!(uids.iter().all(|uid| *uid < neurons), Error::<T>::UidVecContainInvalidOne);
        let least = usize::from(neurons.min(MinAllowedWeights::<T>::get(netuid)));
        ensure!(to_itself || uids.len() >= least, Error::<T>::WeightVecLengthIsLow);

        let index = netuid.index(mechanism);
        let row: Vec<(u16, u16)> = uids.into_iter().zip(upscaled(values)).collect();
        Weights::<T>::insert(index, uid, row);
        if !commit_reveal {
            Self::mark_updated(index, uid);
        }
        Self::deposit_event(Event::WeightsSet(index, uid));
        Ok(())
    }

    /// Several subnets at once. A row that fails becomes an event, the others are stored.
    pub(crate) fn do_batch_set_weights(
        hotkey: &AccountId32,
        netuids: Vec<Compact<NetUid>>,
        weights: Vec<Vec<(Compact<u16>, Compact<u16>)>>,
        version_keys: Vec<Compact<u64>>,
    ) -> DispatchResult {
        ensure!(
            netuids.len() == weights.len() && netuids.len() == version_keys.len(),
            Error::<T>::InputLengthsUnequal
        );
        let mut failures = Vec::new();
        for ((netuid, row), version_key) in netuids.iter().zip(weights).zip(version_keys) {
            let (uids, values) = row.into_iter().map(|(uid, value)| (uid.0, value.0)).unzip();
            let stored = Self::do_set_weights(hotkey, netuid.0, MechId::MAIN, uids, values, version_key.0);
            failures.extend(stored.err().map(|error| (netuid.0, error)));
        }
        Self::finish_batch(hotkey, netuids, failures);
        Ok(())
    }

    /// Tells of a batch's failures, and that it is done.
    pub(crate) fn finish_batch(
        hotkey: &AccountId32,
        netuids: Vec<Compact<NetUid>>,
        failures: Vec<(NetUid, DispatchError)>,
    ) {
        if !failures.is_empty() {
            Self::deposit_event(Event::BatchCompletedWithErrors);
        }
        for (netuid, error) in failures {
            Self::deposit_event(Event::BatchWeightItemFailed(netuid, error));
        }
        Self::deposit_event(Event::BatchWeightsCompleted(netuids, hotkey.clone()));
    }

    /// That the subnet has this mechanism.
    pub(crate) fn ensure_mechanism_exists(netuid: NetUid, mechanism: MechId) -> DispatchResult {
        let exists = NetworksAdded::<T>::get(netuid) && mechanism < MechanismCountCurrent::<T>::get(netuid);
        ensure!(exists, Error::<T>::MechanismDoesNotExist);
        Ok(())
    }

    /// Remembers that the neuron has set or committed weights now.
    pub(crate) fn mark_updated(index: NetUidStorageIndex, uid: u16) {
        LastUpdate::<T>::mutate(index, |updates| {
            // A mechanism added later starts with a vector shorter than the subnet.
            updates.resize(updates.len().max(usize::from(uid) + 1), 0);
            updates[usize::from(uid)] = Self::block();
        });
    }

    /// Whether the hotkey has the stake weight it takes, or is the owner's.
    pub fn has_stake_to_set_weights(hotkey: &AccountId32, netuid: NetUid) -> bool {
        SubnetOwnerHotkey::<T>::get(netuid) == *hotkey
            || Self::stake_weight(hotkey, netuid) >= u128::from(StakeThreshold::<T>::get())
    }

    /// Whether the rate limit allows this neuron to set weights now.
    pub fn may_set_weights_again(netuid: NetUid, mechanism: MechId, uid: u16) -> bool {
        let last =
            LastUpdate::<T>::get(netuid.index(mechanism)).get(usize::from(uid)).copied().unwrap_or_default();
        last == 0 || Self::block().saturating_sub(last) >= WeightsSetRateLimit::<T>::get(netuid)
    }

    /// Whether the neuron may validate.
    pub fn has_permit(netuid: NetUid, uid: u16) -> bool {
        ValidatorPermit::<T>::get(netuid).get(usize::from(uid)).copied().unwrap_or_default()
    }

    fn accepts_version(netuid: NetUid, version_key: u64) -> bool {
        version_key >= WeightsVersionKey::<T>::get(netuid)
    }
}

/// Scales a row so that its largest value is 65535, rounding to the nearest; a half goes up.
///
/// The real chain scales in numbers that hold 31 bits before the point: a row with a value above 32768 is multiplied by the
/// factor instead of divided last, which can be one less.
fn upscaled(values: Vec<u16>) -> Vec<u16> {
    let Some(max) = values.iter().copied().max().filter(|max| *max != 0) else {
        return values;
    };
    let (full, max) = (I32F32::from_int(u16::MAX.into()), I32F32::from_int(max.into()));
    let scale = |value: u16| {
        let value = I32F32::from_int(value.into());
        let scaled = if max > I32F32::from_int(UPSCALED_DIRECTLY_MAX) {
            value.mul(full.div(max))
        } else {
            value.mul(full).div(max)
        };
        scaled.rounded_to_u16()
    };
    values.into_iter().map(scale).collect()
}

fn has_duplicates(uids: &[u16]) -> bool {
    let mut sorted = uids.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_weight_becomes_the_largest_number() {
        assert_eq!(upscaled(vec![1, 2, 0]), vec![32768, 65535, 0]);
        assert_eq!(upscaled(vec![0, 0]), vec![0, 0]);
        assert_eq!(upscaled(vec![65535, 40000, 1]), vec![65535, 40000, 1]);
        // 20000 * 65535 / 60000 = 21845, and half of it.
        assert_eq!(upscaled(vec![60000, 20000, 10000]), vec![65535, 21845, 10922]);
    }

    #[test]
    fn duplicates_are_found_wherever_they_stand() {
        assert!(has_duplicates(&[3, 1, 3]));
        assert!(!has_duplicates(&[3, 1, 2]));
    }
}

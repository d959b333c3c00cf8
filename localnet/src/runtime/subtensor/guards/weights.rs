//! The guards of the calls that set, commit and reveal weights.

use sp_runtime::AccountId32;

use crate::runtime::{
    numbers::{MechId, NetUid},
    subtensor::{Call, Config, Error, Pallet, Revealed, RevealedLists, Uids},
};

impl<T: Config> Pallet<T> {
    /// Shape, stake, then what the call itself needs.
    pub(super) fn guard_weight_calls(who: &AccountId32, call: &Call<T>) -> Result<(), Error<T>> {
        match call {
            Call::set_weights { netuid, .. } => {
                Self::guard_rate(who, *netuid, MechId::MAIN, Error::SettingWeightsTooFast)
            }
            Call::set_mechanism_weights { netuid, mecid, .. } => {
                Self::guard_rate(who, *netuid, *mecid, Error::SettingWeightsTooFast)
            }
            Call::commit_weights { netuid, .. } => {
                Self::guard_rate(who, *netuid, MechId::MAIN, Error::CommittingWeightsTooFast)
            }
            Call::commit_mechanism_weights { netuid, mecid, .. } => {
                Self::guard_rate(who, *netuid, *mecid, Error::CommittingWeightsTooFast)
            }
            Call::batch_set_weights { netuids, weights, version_keys } => {
                guard_lengths(&[netuids.len(), weights.len(), version_keys.len()])?;
                netuids.iter().try_for_each(|netuid| Self::guard_stake(who, netuid.0))
            }
            Call::batch_commit_weights { netuids, commit_hashes } => {
                guard_lengths(&[netuids.len(), commit_hashes.len()])?;
                netuids.iter().try_for_each(|netuid| Self::guard_stake(who, netuid.0))
            }
            Call::reveal_weights { netuid, uids, values, salt, version_key } => {
                let row = revealed(uids, values, salt, *version_key);
                Self::guard_reveals(who, *netuid, MechId::MAIN, &[row])
            }
            Call::reveal_mechanism_weights { netuid, mecid, uids, values, salt, version_key } => {
                let row = revealed(uids, values, salt, *version_key);
                Self::guard_reveals(who, *netuid, *mecid, &[row])
            }
            Call::batch_reveal_weights { netuid, uids_list, values_list, salts_list, version_keys } => {
                let lists = RevealedLists {
                    uids: uids_list.clone(),
                    values: values_list.clone(),
                    salts: salts_list.clone(),
                    version_keys: version_keys.clone(),
                };
                Self::guard_reveals(who, *netuid, MechId::MAIN, &lists.rows()?)
            }
            // Their rate limit shows only in dispatch.
            Call::commit_timelocked_weights { netuid, reveal_round, .. }
            | Call::commit_timelocked_mechanism_weights { netuid, reveal_round, .. }
            | Call::commit_crv3_mechanism_weights { netuid, reveal_round, .. } => {
                Self::guard_stake(who, *netuid)?;
                Self::check_reveal_round(*reveal_round)
            }
            _ => Ok(()),
        }
    }

    fn guard_stake(who: &AccountId32, netuid: NetUid) -> Result<(), Error<T>> {
        if Self::has_stake_to_set_weights(who, netuid) {
            Ok(())
        } else {
            Err(Error::NotEnoughStakeToSetWeights)
        }
    }

    fn guard_rate(
        who: &AccountId32,
        netuid: NetUid,
        mechanism: MechId,
        too_fast: Error<T>,
    ) -> Result<(), Error<T>> {
        Self::guard_stake(who, netuid)?;
        let uid = Uids::<T>::get(netuid, who).ok_or(Error::HotKeyNotRegisteredInSubNet)?;
        if Self::may_set_weights_again(netuid, mechanism, uid) { Ok(()) } else { Err(too_fast) }
    }

    fn guard_reveals(
        who: &AccountId32,
        netuid: NetUid,
        mechanism: MechId,
        rows: &[Revealed],
    ) -> Result<(), Error<T>> {
        Self::guard_stake(who, netuid)?;
        rows.iter().try_for_each(|row| Self::check_reveal(who, netuid, mechanism, row))
    }
}

fn revealed(uids: &[u16], values: &[u16], salt: &[u16], version_key: u64) -> Revealed {
    Revealed { uids: uids.to_vec(), values: values.to_vec(), salt: salt.to_vec(), version_key }
}

fn guard_lengths<T>(lengths: &[usize]) -> Result<(), Error<T>> {
    if lengths.windows(2).all(|pair| pair[0] == pair[1]) { Ok(()) } else { Err(Error::InputLengthsUnequal) }
}

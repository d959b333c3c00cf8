//! Unstaking from every subnet at once.

use frame_support::{dispatch::DispatchResult, ensure};
use sp_runtime::AccountId32;

use super::Position;
use crate::runtime::{
    numbers::{AlphaBalance, NetUid, TaoBalance},
    subtensor::{Config, Error, Owner, Pallet, SubtokenEnabled, pool::Terms},
};

/// Subnets one call unstakes from; a later call goes on with the rest.
const LEGS_MAX: usize = 16;

impl<T: Config> Pallet<T> {
    /// Sells all that a coldkey has staked to a hotkey, on every subnet.
    pub(crate) fn do_unstake_all(coldkey: &AccountId32, hotkey: &AccountId32) -> DispatchResult {
        ensure!(Owner::<T>::contains_key(hotkey), Error::<T>::HotKeyAccountNotExists);
        Self::sell_everywhere(coldkey, hotkey, Self::all_subnets())?;
        Ok(())
    }

    /// Sells all alpha that a coldkey has staked to a hotkey and stakes the TAO on root.
    pub(crate) fn do_unstake_all_alpha(coldkey: &AccountId32, hotkey: &AccountId32) -> DispatchResult {
        ensure!(Owner::<T>::contains_key(hotkey), Error::<T>::HotKeyAccountNotExists);
        let tao = Self::sell_everywhere(coldkey, hotkey, Self::subnets())?;
        let root = Position { coldkey, hotkey, netuid: NetUid::ROOT };
        Self::stake_into(root, tao, Terms::MARKET)?;
        Ok(())
    }

    /// Sells on each subnet where there is something and the sale is allowed.
    fn sell_everywhere(
        coldkey: &AccountId32,
        hotkey: &AccountId32,
        netuids: Vec<NetUid>,
    ) -> Result<TaoBalance, sp_runtime::DispatchError> {
        let mut total = 0u64;
        for (position, alpha) in Self::sellable(coldkey, hotkey, netuids).into_iter().take(LEGS_MAX) {
            let tao = Self::unstake_from(position, coldkey, alpha, Terms::MARKET)?;
            total = total.saturating_add(tao.get());
        }
        Ok(TaoBalance::new(total))
    }

    /// What could be sold now. The pool of transactions refuses a call that would sell nothing.
    pub(crate) fn sellable<'a>(
        coldkey: &'a AccountId32,
        hotkey: &'a AccountId32,
        netuids: Vec<NetUid>,
    ) -> Vec<(Position<'a>, AlphaBalance)> {
        netuids
            .into_iter()
            .filter(|netuid| SubtokenEnabled::<T>::get(netuid))
            .map(|netuid| (Position { coldkey, hotkey, netuid }, Self::stake_of(hotkey, coldkey, netuid)))
            .filter(|(position, alpha)| Self::check_remove_stake(*position, *alpha, u64::MAX, None).is_ok())
            .collect()
    }
}

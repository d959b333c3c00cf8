//! The accounts that hold the TAO of the subnets' reserves, and what mints and burns TAO.
//!
//! A subnet's account holds its reserve (`SubnetTAO`) and, beside it, the existential deposit it was made with, so that
//! paying out the last rao of a reserve leaves the account alive.

use frame_support::{
    PalletId,
    dispatch::DispatchResult,
    traits::{
        fungible::{Inspect, Mutate},
        tokens::{Fortitude, Precision, Preservation},
    },
};
use pallet_balances::Pallet as Balances;
use sp_runtime::{AccountId32, DispatchError, traits::AccountIdConversion as _};

use crate::runtime::{
    numbers::{NetUid, TaoBalance},
    subtensor::{Config, Error, Pallet, TotalIssuance},
};

/// What the accounts of the subnets are derived from.
const PALLET_ID: PalletId = PalletId(*b"subtensr");

impl<T: Config> Pallet<T> {
    /// The account that holds a subnet's TAO.
    pub fn subnet_account(netuid: NetUid) -> AccountId32 {
        PALLET_ID.into_sub_account_truncating(netuid.get())
    }

    /// What an account may spend and stay alive.
    pub(crate) fn spendable(who: &AccountId32) -> TaoBalance {
        Balances::<T>::reducible_balance(who, Preservation::Preserve, Fortitude::Polite)
    }

    /// Moves TAO from a coldkey into a subnet's account: as much as leaves the coldkey alive. Returns how much that was.
    pub(crate) fn pay_into_subnet(
        netuid: NetUid,
        coldkey: &AccountId32,
        tao: TaoBalance,
    ) -> Result<TaoBalance, DispatchError> {
        let tao = tao.min(Self::spendable(coldkey));
        Balances::<T>::transfer(coldkey, &Self::subnet_account(netuid), tao, Preservation::Preserve)
            .map_err(|_| Error::<T>::NotEnoughBalanceToStake)?;
        Ok(tao)
    }

    /// Moves TAO from a subnet's account to whom it belongs.
    pub(crate) fn pay_out_of_subnet(netuid: NetUid, to: &AccountId32, tao: TaoBalance) -> DispatchResult {
        if tao.is_zero() {
            return Ok(());
        }
        Balances::<T>::transfer(&Self::subnet_account(netuid), to, tao, Preservation::Preserve)
            .map_err(|_| Error::<T>::InsufficientTaoBalance)?;
        Ok(())
    }

    /// Destroys TAO of a subnet's account: the fees, which on the real chain go to the block's author.
    pub(crate) fn burn_of_subnet(netuid: NetUid, tao: TaoBalance) -> DispatchResult {
        if tao.is_zero() {
            return Ok(());
        }
        let account = Self::subnet_account(netuid);
        Balances::<T>::burn_from(&account, tao, Preservation::Preserve, Precision::Exact, Fortitude::Polite)?;
        Ok(())
    }

    /// Creates TAO in a subnet's account.
    pub(crate) fn mint_to_subnet(netuid: NetUid, tao: TaoBalance) -> Result<(), DispatchError> {
        Balances::<T>::mint_into(&Self::subnet_account(netuid), tao)?;
        Ok(())
    }

    /// Gives a new subnet's account the deposit that keeps it alive.
    pub(crate) fn open_subnet_account(netuid: NetUid) -> DispatchResult {
        let account = Self::subnet_account(netuid);
        if Balances::<T>::total_balance(&account).is_zero() {
            Self::mint_to_subnet(netuid, Balances::<T>::minimum_balance())?;
        }
        Ok(())
    }

    /// Notes how much TAO there is.
    pub(crate) fn note_issuance() {
        let issued = Balances::<T>::total_issuance();
        if TotalIssuance::<T>::get() != issued {
            TotalIssuance::<T>::put(issued);
        }
    }
}

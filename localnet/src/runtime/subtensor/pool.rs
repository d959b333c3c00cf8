//! Buying and selling alpha: one to one on subnets of mechanism 0, a constant product of the reserves on others.

use sp_runtime::DispatchError;

use crate::runtime::{
    numbers::{AlphaBalance, NetUid, TaoBalance},
    subtensor::{
        Config, Error, Pallet, SubnetAlphaIn, SubnetAlphaOut, SubnetMechanism, SubnetTAO, SubnetVolume,
    },
};

/// Price of one alpha on a subnet of mechanism 0, in rao.
const STABLE_PRICE_RAO: u64 = 1_000_000_000;

impl<T: Config> Pallet<T> {
    /// Alpha that `tao` buys; `None` when the reserves cannot give it.
    pub fn quote_alpha(netuid: NetUid, tao: TaoBalance) -> Option<AlphaBalance> {
        if Self::is_stable(netuid) {
            return Some(AlphaBalance::new(tao.get()));
        }
        let bought =
            swapped(SubnetTAO::<T>::get(netuid).get(), SubnetAlphaIn::<T>::get(netuid).get(), tao.get())?;
        (bought > 0).then(|| AlphaBalance::new(bought))
    }

    /// TAO that `alpha` sells for; `None` when the reserves cannot give it.
    pub fn quote_tao(netuid: NetUid, alpha: AlphaBalance) -> Option<TaoBalance> {
        let reserve = SubnetTAO::<T>::get(netuid).get();
        if Self::is_stable(netuid) {
            return (alpha.get() <= reserve).then(|| TaoBalance::new(alpha.get()));
        }
        let sold = swapped(SubnetAlphaIn::<T>::get(netuid).get(), reserve, alpha.get())?;
        (sold > 0).then(|| TaoBalance::new(sold))
    }

    /// Price of one alpha in rao.
    pub fn alpha_price_rao(netuid: NetUid) -> u64 {
        let alpha = SubnetAlphaIn::<T>::get(netuid).get();
        if Self::is_stable(netuid) || alpha == 0 {
            return STABLE_PRICE_RAO;
        }
        let price =
            u128::from(SubnetTAO::<T>::get(netuid).get()) * u128::from(STABLE_PRICE_RAO) / u128::from(alpha);
        u64::try_from(price).unwrap_or(u64::MAX)
    }

    /// Puts TAO into the pool and takes alpha out.
    pub(crate) fn buy_alpha(netuid: NetUid, tao: TaoBalance) -> Result<AlphaBalance, DispatchError> {
        let alpha = Self::quote_alpha(netuid, tao).ok_or(Error::<T>::InsufficientLiquidity)?;
        SubnetTAO::<T>::mutate(netuid, |reserve| {
            *reserve = TaoBalance::new(reserve.get().saturating_add(tao.get()))
        });
        SubnetAlphaOut::<T>::mutate(netuid, |out| *out = out.saturating_add(alpha));
        if !Self::is_stable(netuid) {
            SubnetAlphaIn::<T>::mutate(netuid, |reserve| *reserve = reserve.saturating_sub(alpha));
        }
        Self::count_volume(netuid, tao);
        Ok(alpha)
    }

    /// Puts alpha into the pool and takes TAO out.
    pub(crate) fn sell_alpha(netuid: NetUid, alpha: AlphaBalance) -> Result<TaoBalance, DispatchError> {
        let tao = Self::quote_tao(netuid, alpha).ok_or(Error::<T>::InsufficientLiquidity)?;
        SubnetTAO::<T>::mutate(netuid, |reserve| {
            *reserve = TaoBalance::new(reserve.get().saturating_sub(tao.get()))
        });
        SubnetAlphaOut::<T>::mutate(netuid, |out| *out = out.saturating_sub(alpha));
        if !Self::is_stable(netuid) {
            SubnetAlphaIn::<T>::mutate(netuid, |reserve| *reserve = reserve.saturating_add(alpha));
        }
        Self::count_volume(netuid, tao);
        Ok(tao)
    }

    fn is_stable(netuid: NetUid) -> bool {
        netuid.is_root() || SubnetMechanism::<T>::get(netuid) == 0
    }

    fn count_volume(netuid: NetUid, tao: TaoBalance) {
        SubnetVolume::<T>::mutate(netuid, |volume| *volume = volume.saturating_add(tao.get().into()));
    }
}

/// What a pool with these reserves gives for `paid`, rounded down so that the product never shrinks.
fn swapped(reserve_in: u64, reserve_out: u64, paid: u64) -> Option<u64> {
    let (reserve_in, reserve_out, paid) = (u128::from(reserve_in), u128::from(reserve_out), u128::from(paid));
    let given = (reserve_out * paid).checked_div(reserve_in + paid)?;
    if reserve_in == 0 || given >= reserve_out {
        return None;
    }
    u64::try_from(given).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_of_the_reserves_never_shrinks() {
        for paid in [1, 7, 1_000, 1_000_000] {
            let given = swapped(10_007, 30_011, paid).expect("the pool is deep enough");
            assert!((10_007 + paid) * (30_011 - given) >= 10_007 * 30_011);
        }
    }

    #[test]
    fn an_empty_pool_gives_nothing() {
        assert_eq!(swapped(0, 5, 1), None);
        assert_eq!(swapped(0, 0, 0), None);
    }
}

//! Registration by burn: the price, who may register, and the uid the hotkey gets.

use frame_support::{dispatch::DispatchResult, ensure};
use sp_runtime::{AccountId32, PerU16};

use crate::runtime::{
    numbers::{AlphaBalance, MechId, NetUid, TaoBalance, U64F64},
    subtensor::{
        Active, BlockAtRegistration, Burn, BurnHalfLife, BurnIncreaseMult, BurnRegistrationsThisInterval,
        Config, Consensus, ConsensusByMechanism, Dividends, Emission, Error, Event, Incentive,
        IsNetworkMember, Keys, LastUpdate, MaxBurn, MechanismCountCurrent, MinBurn,
        NetworkRegistrationAllowed, NetworksAdded, OwnedHotkeys, Owner, Pallet, RAORecycledForRegistration,
        RegistrationsThisBlock, RegistrationsThisInterval, StakeWeight, SubnetworkN, Uids, ValidatorPermit,
        ValidatorTrust, pool::Terms,
    },
};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_register(
        coldkey: &AccountId32,
        netuid: NetUid,
        hotkey: &AccountId32,
        limit: Option<TaoBalance>,
    ) -> DispatchResult {
        ensure!(!netuid.is_root(), Error::<T>::RegistrationNotPermittedOnRootSubnet);
        ensure!(NetworksAdded::<T>::get(netuid), Error::<T>::SubnetNotExists);
        ensure!(NetworkRegistrationAllowed::<T>::get(netuid), Error::<T>::SubNetRegistrationDisabled);
        ensure!(!Uids::<T>::contains_key(netuid, hotkey), Error::<T>::HotKeyAlreadyRegisteredInSubNet);
        let price = Burn::<T>::get(netuid);
        ensure!(limit.is_none_or(|limit| price <= limit), Error::<T>::RegistrationPriceLimitExceeded);
        ensure!(price <= Self::spendable(coldkey), Error::<T>::NotEnoughBalanceToStake);

        Self::associate(coldkey, hotkey);
        ensure!(Owner::<T>::get(hotkey) == *coldkey, Error::<T>::NonAssociatedColdKey);
        let place = Self::place_for_newcomer(netuid).ok_or(Error::<T>::NoNeuronIdAvailable)?;
        Self::burn_price(coldkey, netuid, price)?;
        let uid = Self::seat(netuid, hotkey, place);

        RegistrationsThisBlock::<T>::mutate(netuid, |count| *count = count.saturating_add(1));
        RegistrationsThisInterval::<T>::mutate(netuid, |count| *count = count.saturating_add(1));
        BurnRegistrationsThisInterval::<T>::mutate(netuid, |count| *count = count.saturating_add(1));
        Self::raise_burn_price(netuid);
        Self::deposit_event(Event::NeuronRegistered(netuid, uid, hotkey.clone()));
        Ok(())
    }

    /// Makes `coldkey` the owner of `hotkey`, unless it has one.
    pub fn associate(coldkey: &AccountId32, hotkey: &AccountId32) {
        if Owner::<T>::contains_key(hotkey) {
            return;
        }
        Owner::<T>::insert(hotkey, coldkey);
        OwnedHotkeys::<T>::mutate(coldkey, |owned| {
            if !owned.contains(hotkey) {
                owned.push(hotkey.clone());
            }
        });
    }

    /// Takes the price: it buys alpha from the pool and that alpha is gone.
    fn burn_price(coldkey: &AccountId32, netuid: NetUid, price: TaoBalance) -> DispatchResult {
        let paid = Self::pay_into_subnet(netuid, coldkey, price)?;
        let trade = Self::buy_alpha(netuid, paid, Terms::MARKET)?;
        Self::burn_of_subnet(netuid, TaoBalance::new(trade.fee))?;
        Self::recycle(netuid, AlphaBalance::new(trade.out));
        RAORecycledForRegistration::<T>::mutate(netuid, |total| {
            *total = TaoBalance::new(total.get().saturating_add(price.get()))
        });
        Ok(())
    }

    /// Gives the hotkey its uid: the next free one, or that of the neuron it replaces.
    pub(crate) fn seat(netuid: NetUid, hotkey: &AccountId32, place: Option<u16>) -> u16 {
        let uid = match place {
            None => Self::append_neuron(netuid),
            Some(uid) => {
                Self::clear_neuron(netuid, uid);
                uid
            }
        };
        Keys::<T>::insert(netuid, uid, hotkey);
        Uids::<T>::insert(netuid, hotkey, uid);
        BlockAtRegistration::<T>::insert(netuid, uid, Self::block());
        IsNetworkMember::<T>::insert(hotkey, netuid, true);
        uid
    }

    /// Grows every vector of the subnet by one. A newcomer counts as active and as just updated.
    fn append_neuron(netuid: NetUid) -> u16 {
        let uid = SubnetworkN::<T>::get(netuid);
        SubnetworkN::<T>::insert(netuid, uid.saturating_add(1));
        Active::<T>::append(netuid, true);
        Emission::<T>::append(netuid, AlphaBalance::ZERO);
        Consensus::<T>::append(netuid, PerU16::default());
        ValidatorTrust::<T>::append(netuid, PerU16::default());
        Dividends::<T>::append(netuid, PerU16::default());
        ValidatorPermit::<T>::append(netuid, false);
        StakeWeight::<T>::append(netuid, 0u16);
        for mechanism in Self::mechanisms(netuid) {
            let index = netuid.index(mechanism);
            Incentive::<T>::append(index, PerU16::default());
            ConsensusByMechanism::<T>::append(index, PerU16::default());
            LastUpdate::<T>::append(index, Self::block());
        }
        uid
    }

    /// The mechanisms of a subnet.
    pub fn mechanisms(netuid: NetUid) -> impl Iterator<Item = MechId> {
        (0..MechanismCountCurrent::<T>::get(netuid).get().max(1)).map(MechId::new)
    }

    /// Multiplies the price after a registration.
    fn raise_burn_price(netuid: NetUid) {
        let raised = BurnIncreaseMult::<T>::get(netuid).saturating_mul_int(Burn::<T>::get(netuid).get());
        Burn::<T>::insert(netuid, Self::clamp_burn(netuid, raised));
    }

    /// Lets every price decay by one block, and starts the block's count of registrations anew.
    pub(crate) fn decay_burn_prices() {
        Self::reset_root_counts();
        for (netuid, _) in NetworksAdded::<T>::iter().filter(|(_, added)| *added) {
            if netuid.is_root() {
                continue;
            }
            let factor = decay_factor(BurnHalfLife::<T>::get(netuid));
            let decayed = factor.saturating_mul_int(Burn::<T>::get(netuid).get());
            Burn::<T>::insert(netuid, Self::clamp_burn(netuid, decayed));
            if RegistrationsThisBlock::<T>::get(netuid) != 0 {
                RegistrationsThisBlock::<T>::insert(netuid, 0);
            }
        }
    }

    fn clamp_burn(netuid: NetUid, price: u64) -> TaoBalance {
        let min = MinBurn::<T>::get(netuid).get();
        let max = MaxBurn::<T>::get(netuid).get().max(min);
        TaoBalance::new(price.clamp(min, max))
    }
}

/// The factor whose `half_life`-th power is a half, to 32 bits, found by bisection.
fn decay_factor(half_life: u16) -> U64F64 {
    let one = 1u128 << 32;
    let (mut low, mut high) = (0u128, one);
    if half_life == 0 {
        return U64F64::ONE;
    }
    while high - low > 1 {
        let middle = low.midpoint(high);
        if power(middle, half_life) > one / 2 {
            high = middle;
        } else {
            low = middle;
        }
    }
    U64F64::from_bits(low << 32)
}

/// `base^exponent` of a number with 32 bits after the point, at most one.
fn power(base: u128, exponent: u16) -> u128 {
    let (mut result, mut square, mut left) = (1u128 << 32, base, exponent);
    while left > 0 {
        if left & 1 == 1 {
            result = (result * square) >> 32;
        }
        square = (square * square) >> 32;
        left >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_halves_in_its_half_life() {
        let factor = decay_factor(360);
        let price = (0..360).fold(1_000_000_000u64, |price, _| factor.saturating_mul_int(price));
        assert!(price.abs_diff(500_000_000) < 2_000, "{price}");
    }

    #[test]
    fn without_a_half_life_a_price_stays() {
        assert_eq!(decay_factor(0).saturating_mul_int(7), 7);
    }
}

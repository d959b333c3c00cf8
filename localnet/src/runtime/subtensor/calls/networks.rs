//! New subnets: what locking one costs, and what it starts with.

use frame_support::{dispatch::DispatchResult, ensure};
use sp_runtime::AccountId32;

use crate::runtime::{
    numbers::{AlphaBalance, NetUid, TaoBalance, U64F64},
    subtensor::{
        Burn, Config, Error, Event, ImmunityPeriod, LastEpochBlock, LastRateLimitedBlock, MaxAllowedUids,
        MaxAllowedValidators, MinAllowedWeights, NetworkImmunityPeriod, NetworkLastLockCost,
        NetworkLockReductionInterval, NetworkMinLockCost, NetworkRateLimit, NetworkRegisteredAt,
        NetworkRegistrationStartBlock, NetworksAdded, Owner, Pallet, RegisteredSubnetCounter, SubnetAlphaIn,
        SubnetIdentitiesV3, SubnetLimit, SubnetLocked, SubnetMechanism, SubnetOwner, SubnetOwnerHotkey,
        Tempo, TokenSymbol, TotalNetworks, Yuma3On, pool::DYNAMIC, rate_limits::RateLimitKey,
        types::SubnetIdentityV3,
    },
    swap,
};

/// Price of the first registration on a new subnet, in rao.
const BURN_RAO: u64 = 1_000_000_000;
/// What a new subnet starts with where that is not the storage's default.
const IMMUNITY_BLOCKS: u16 = 5_000;
const UIDS_MAX: u16 = 256;
const VALIDATORS_MAX: u16 = 64;
const WEIGHTS_MIN: u16 = 1;
/// One TAO, and what one block issues before the first halving, in rao.
const TAO: u64 = 1_000_000_000;

impl<T: Config> Pallet<T> {
    pub(crate) fn do_register_network(
        coldkey: &AccountId32,
        hotkey: &AccountId32,
        identity: Option<SubnetIdentityV3>,
    ) -> DispatchResult {
        let price = Self::check_register_network(coldkey, hotkey, identity.as_ref())?;
        let netuid = (1..u16::MAX)
            .map(NetUid::new)
            .find(|netuid| !NetworksAdded::<T>::get(netuid))
            .ok_or(Error::<T>::SubnetLimitReached)?;
        let median = Self::median_price();

        Self::open_network(netuid);
        Self::open_subnet_account(netuid)?;
        let paid = Self::pay_into_subnet(netuid, coldkey, price)?;
        NetworkLastLockCost::<T>::put(paid);
        LastRateLimitedBlock::<T>::insert(RateLimitKey::NetworkLastRegistered, Self::block());
        SubnetLocked::<T>::insert(netuid, paid);

        Self::associate(coldkey, hotkey);
        Self::seat(netuid, hotkey, None);
        SubnetOwner::<T>::insert(netuid, coldkey);
        SubnetOwnerHotkey::<T>::insert(netuid, hotkey);
        // All that was locked is the pool's TAO; its alpha follows from the price.
        Self::grow_tao_reserve(netuid, paid);
        SubnetAlphaIn::<T>::insert(netuid, AlphaBalance::new(median.saturating_div_int(paid.get())));
        swap::PalSwapInitialized::<T>::insert(netuid, true);
        if let Some(identity) = identity {
            SubnetIdentitiesV3::<T>::insert(netuid, identity);
            Self::deposit_event(Event::SubnetIdentitySet(netuid));
        }
        Self::deposit_event(Event::NetworkAdded(netuid, DYNAMIC));
        Ok(())
    }

    /// Whether a subnet may be registered so; the pool of transactions asks the same. Returns what it costs.
    pub(crate) fn check_register_network(
        coldkey: &AccountId32,
        hotkey: &AccountId32,
        identity: Option<&SubnetIdentityV3>,
    ) -> Result<TaoBalance, Error<T>> {
        let free = !Owner::<T>::contains_key(hotkey) || Self::owns(coldkey, hotkey);
        ensure!(free, Error::<T>::NonAssociatedColdKey);
        let open = Self::block() >= NetworkRegistrationStartBlock::<T>::get();
        ensure!(open, Error::<T>::SubNetRegistrationDisabled);
        let last = Self::last_network_block();
        let again = last == 0 || Self::block().saturating_sub(last) >= NetworkRateLimit::<T>::get();
        ensure!(again, Error::<T>::NetworkTxRateLimitExceeded);
        ensure!(identity.is_none_or(SubnetIdentityV3::fits), Error::<T>::InvalidIdentity);
        let room = Self::subnets().len() < usize::from(SubnetLimit::<T>::get());
        ensure!(room, Error::<T>::SubnetLimitReached);
        let price = Self::network_price();
        ensure!(price <= Self::spendable(coldkey), Error::<T>::CannotAffordLockCost);
        Ok(price)
    }

    /// What locking a new subnet costs: twice what the last cost, decaying to that and on to the minimum.
    pub fn network_price() -> TaoBalance {
        let (last, block) = (NetworkLastLockCost::<T>::get().get(), Self::last_network_block());
        let factor = if block == 0 { 1 } else { 2 };
        let interval = super::super::inheritance::ratio_of(
            NetworkLockReductionInterval::<T>::get(),
            Self::block_tao().get().into(),
            TAO.into(),
        );
        let each_block = last.checked_div(interval).unwrap_or_default();
        let decayed = each_block.saturating_mul(Self::block().saturating_sub(block));
        let price = last.saturating_mul(factor).saturating_sub(decayed);
        TaoBalance::new(price.max(NetworkMinLockCost::<T>::get().get()))
    }

    /// The subnet that would make room for another: past its immunity, the cheapest by averaged price, then the oldest.
    pub fn subnet_to_prune() -> Option<NetUid> {
        let immunity = NetworkImmunityPeriod::<T>::get();
        Self::subnets()
            .into_iter()
            .map(|netuid| (Self::moving_price(netuid), NetworkRegisteredAt::<T>::get(netuid), netuid))
            .filter(|(_, registered, _)| Self::block() >= registered.saturating_add(immunity))
            .min()
            .map(|(_, _, netuid)| netuid)
    }

    fn last_network_block() -> u64 {
        LastRateLimitedBlock::<T>::get(RateLimitKey::<AccountId32>::NetworkLastRegistered)
    }

    /// The price in the middle of all subnets'; one where there is none.
    fn median_price() -> U64F64 {
        let mut prices: Vec<u128> = Self::subnets()
            .into_iter()
            .map(|netuid| Self::alpha_price(netuid).bits)
            .filter(|bits| *bits > 0)
            .collect();
        prices.sort_unstable();
        let Some(last) = prices.len().checked_sub(1) else { return U64F64::ONE };
        U64F64::from_bits(prices[last / 2].midpoint(prices[prices.len() / 2]))
    }

    /// A subnet without neurons, pool or owner. Its epochs are staggered by its number.
    fn open_network(netuid: NetUid) {
        let (now, tempo) = (Self::block(), Tempo::<T>::get(netuid));
        NetworksAdded::<T>::insert(netuid, true);
        TotalNetworks::<T>::mutate(|count| *count = count.saturating_add(1));
        Tempo::<T>::insert(netuid, tempo);
        let stagger = u64::from(netuid.get()) % u64::from(tempo.max(1));
        LastEpochBlock::<T>::insert(netuid, now.saturating_sub(stagger));
        NetworkRegisteredAt::<T>::insert(netuid, now);
        RegisteredSubnetCounter::<T>::mutate(netuid, |count| *count = count.saturating_add(1));
        SubnetMechanism::<T>::insert(netuid, DYNAMIC);
        TokenSymbol::<T>::insert(netuid, symbol(netuid));
        MaxAllowedUids::<T>::insert(netuid, UIDS_MAX);
        MaxAllowedValidators::<T>::insert(netuid, VALIDATORS_MAX);
        MinAllowedWeights::<T>::insert(netuid, WEIGHTS_MIN);
        ImmunityPeriod::<T>::insert(netuid, IMMUNITY_BLOCKS);
        Yuma3On::<T>::insert(netuid, true);
        Burn::<T>::insert(netuid, TaoBalance::new(BURN_RAO));
    }
}

/// The symbol a subnet gets: the lower-case Greek letters in turn.
fn symbol(netuid: NetUid) -> Vec<u8> {
    const LETTERS: [char; 24] = [
        'α', 'β', 'γ', 'δ', 'ε', 'ζ', 'η', 'θ', 'ι', 'κ', 'λ', 'μ', 'ν', 'ξ', 'ο', 'π', 'ρ', 'σ', 'τ', 'υ',
        'φ', 'χ', 'ψ', 'ω',
    ];
    let at = usize::from(netuid.get().saturating_sub(1)) % LETTERS.len();
    LETTERS[at].to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_subnets_are_called_by_greek_letters() {
        assert_eq!(symbol(NetUid::new(1)), "α".as_bytes());
        assert_eq!(symbol(NetUid::new(25)), "α".as_bytes());
    }
}

//! What each block issues: TAO into the pools, alpha into the pools and to what the next epoch pays out.

mod payout;

use sp_core::U256;

use crate::runtime::{
    numbers::{AlphaBalance, I96F32, NetUid, TaoBalance, U64F64, U96F32},
    subtensor::{
        Config, EMAPriceHalvingBlocks, FirstEmissionBlockNumber, NetworkRegistrationAllowed, OwnerCutEnabled,
        Pallet, PendingOwnerCut, PendingRootAlphaDivs, PendingServerEmission, PendingValidatorEmission,
        RootProp, SubnetAlphaIn, SubnetAlphaInEmission, SubnetAlphaOut, SubnetAlphaOutEmission,
        SubnetEmissionEnabled, SubnetExcessTao, SubnetFastMovingPrice, SubnetMovingAlpha, SubnetMovingPrice,
        SubnetOwnerCut, SubnetProtocolAlpha, SubnetProtocolFlow, SubnetTAO, SubnetTaoInEmission,
        SubtokenEnabled,
        inheritance::{ratio_of, tao_weighed},
        pool::Terms,
    },
};

/// TAO, and alpha of one subnet, that there can ever be, in the smallest unit.
const SUPPLY_MAX: u64 = 21_000_000_000_000_000;
/// What one block issues before the first halving.
const BLOCK_EMISSION: u64 = 1_000_000_000;
/// One, as the moving prices count.
const ONE: U64F64 = U64F64::ONE;
/// By how much the fast moving price closes its distance in a block, with 64 bits after the point: ln 2 / 600, so that it
/// halves in about 600 blocks.
const FAST_PRICE_WEIGHT: u128 = 21_310_514_408_671_092;

/// One subnet's part of a block's TAO.
struct Injection {
    netuid: NetUid,
    /// TAO that joins the reserve.
    tao: u64,
    /// Alpha that joins the reserve.
    alpha: u64,
    /// TAO that buys alpha instead.
    excess: u64,
    /// Alpha issued to the subnet's people.
    issued: u64,
}

impl<T: Config> Pallet<T> {
    /// Issues one block's TAO and alpha.
    pub(crate) fn accrue_block_emission() {
        let running = Self::running_subnets();
        let selling_root = Self::root_sells(&running);
        for injection in Self::injections(&running) {
            Self::inject(&injection);
            Self::accrue_alpha(injection.netuid, injection.issued, selling_root);
        }
        for netuid in running {
            Self::move_price(netuid);
            RootProp::<T>::insert(netuid, Self::root_proportion(netuid));
        }
    }

    /// The subnets that emit: started, with their token enabled and registration open.
    fn running_subnets() -> Vec<NetUid> {
        Self::subnets()
            .into_iter()
            .filter(|netuid| {
                FirstEmissionBlockNumber::<T>::get(netuid).is_some_and(|first| Self::block() >= first)
            })
            .filter(|netuid| {
                SubtokenEnabled::<T>::get(netuid) && NetworkRegistrationAllowed::<T>::get(netuid)
            })
            .collect()
    }

    /// TAO that one block issues.
    pub fn block_tao() -> TaoBalance {
        TaoBalance::new(block_emission(pallet_balances::Pallet::<T>::total_issuance().get()))
    }

    /// Splits a block's TAO among the subnets by their moving prices. Alpha joins TAO at the pool's price, but no more of it
    /// than root's share of the subnet's own emission; TAO beyond that buys alpha.
    fn injections(running: &[NetUid]) -> Vec<Injection> {
        let tao = Self::block_tao().get();
        let price = |netuid: &NetUid| {
            if SubnetEmissionEnabled::<T>::get(netuid) { Self::moving_price(*netuid).bits } else { 0 }
        };
        let prices = running.iter().map(price).fold(0u128, u128::saturating_add);
        running
            .iter()
            .map(|netuid| {
                let issued = block_emission(Self::alpha_issued(*netuid).get());
                let share = ratio_of(tao, price(netuid), prices);
                let cap = of_root_proportion(issued, Self::root_proportion(*netuid));
                let (joining_tao, joining_alpha) = joining(share, cap, Self::alpha_price(*netuid));
                Injection {
                    netuid: *netuid,
                    tao: joining_tao,
                    alpha: joining_alpha,
                    excess: share - joining_tao,
                    issued,
                }
            })
            .collect()
    }

    /// Buys alpha with the excess, then adds liquidity. A pool that cannot trade keeps nothing of it.
    fn inject(injection: &Injection) {
        let Injection { netuid, tao, alpha, excess, .. } = *injection;
        SubnetExcessTao::<T>::insert(netuid, TaoBalance::ZERO);
        SubnetTaoInEmission::<T>::insert(netuid, TaoBalance::ZERO);
        SubnetAlphaInEmission::<T>::insert(netuid, AlphaBalance::new(alpha));
        if excess > 0
            && Self::mint_to_subnet(netuid, TaoBalance::new(excess)).is_ok()
            && let Some(bought) = Self::buy_for_protocol(netuid, TaoBalance::new(excess))
        {
            SubnetProtocolAlpha::<T>::mutate(netuid, |total| *total = total.saturating_add(bought));
            SubnetExcessTao::<T>::insert(netuid, TaoBalance::new(excess));
            Self::note_protocol_flow(netuid, excess);
        }
        if tao > 0 && Self::mint_to_subnet(netuid, TaoBalance::new(tao)).is_ok() {
            Self::grow_tao_reserve(netuid, TaoBalance::new(tao));
            SubnetTaoInEmission::<T>::insert(netuid, TaoBalance::new(tao));
            Self::note_protocol_flow(netuid, tao);
        }
        SubnetAlphaIn::<T>::mutate(netuid, |reserve| {
            *reserve = reserve.saturating_add(AlphaBalance::new(alpha))
        });
    }

    /// Alpha the chain bought with TAO already in the subnet's account; what it cannot spend is burned.
    fn buy_for_protocol(netuid: NetUid, tao: TaoBalance) -> Option<AlphaBalance> {
        let bought = Self::buy_alpha(netuid, tao, Terms::FREE).ok();
        if bought.is_none() {
            // The account holds what was just minted, so this cannot fail.
            let _ = Self::burn_of_subnet(netuid, tao);
        }
        bought.map(|trade| AlphaBalance::new(trade.out))
    }

    fn note_protocol_flow(netuid: NetUid, tao: u64) {
        let tao = i64::try_from(tao).unwrap_or(i64::MAX);
        SubnetProtocolFlow::<T>::mutate(netuid, |flow| *flow = flow.saturating_add(tao));
    }

    /// Adds one block's alpha to what the next epoch pays: the owner's cut, half of the rest to miners, half to validators,
    /// of which root's share goes to root's stakers.
    fn accrue_alpha(netuid: NetUid, issued: u64, selling_root: bool) {
        SubnetAlphaOutEmission::<T>::insert(netuid, AlphaBalance::new(issued));
        SubnetAlphaOut::<T>::mutate(netuid, |out| *out = out.saturating_add(AlphaBalance::new(issued)));
        let cut = if OwnerCutEnabled::<T>::get(netuid) {
            ratio_of(issued, SubnetOwnerCut::<T>::get().into(), u16::MAX.into())
        } else {
            0
        };
        let rest = issued - cut;
        let server = rest / 2;
        let root = (of_root_proportion(rest, Self::root_proportion(netuid)) / 2).min(rest - server);
        let validator = rest - server - root;
        let add =
            |amount: u64| move |sum: &mut AlphaBalance| *sum = sum.saturating_add(AlphaBalance::new(amount));
        PendingOwnerCut::<T>::mutate(netuid, add(cut));
        PendingServerEmission::<T>::mutate(netuid, add(server));
        PendingValidatorEmission::<T>::mutate(netuid, add(validator));
        if selling_root {
            PendingRootAlphaDivs::<T>::mutate(netuid, add(root));
        } else {
            Self::recycle(netuid, AlphaBalance::new(root));
        }
    }

    /// Whether root's stakers are paid: when all alpha together is worth more than one TAO.
    fn root_sells(running: &[NetUid]) -> bool {
        let sum = running.iter().map(|netuid| Self::moving_price(*netuid).bits);
        sum.fold(0u128, u128::saturating_add) > ONE.bits
    }

    /// Root's part of what backs a subnet: TAO on root, weighed, to itself and the subnet's alpha together.
    pub(crate) fn root_proportion(netuid: NetUid) -> U96F32 {
        let tao = u128::from(tao_weighed::<T>(SubnetTAO::<T>::get(NetUid::ROOT).get()));
        let whole = tao + u128::from(Self::alpha_issued(netuid).get());
        U96F32::from_bits((tao << U96F32::FRACTION_BITS).checked_div(whole).unwrap_or_default())
    }

    /// The averaged price of a subnet's alpha in TAO.
    pub fn moving_price(netuid: NetUid) -> U64F64 {
        if !Self::is_dynamic(netuid) {
            return ONE;
        }
        let bits = u128::try_from(SubnetMovingPrice::<T>::get(netuid).bits).unwrap_or_default();
        U64F64::from_bits(bits << (U64F64::FRACTION_BITS - I96F32::FRACTION_BITS))
    }

    /// Moves the averaged prices by one block: the slow one, which never counts a price above one, and the fast one.
    fn move_price(netuid: NetUid) {
        let price = Self::alpha_price(netuid).bits;
        let started = FirstEmissionBlockNumber::<T>::get(netuid).unwrap_or_default().saturating_sub(1);
        let age = u128::from(Self::block().saturating_sub(started));
        let halving = u128::from(EMAPriceHalvingBlocks::<T>::get(netuid));
        let shift = U64F64::FRACTION_BITS - I96F32::FRACTION_BITS;
        let weight = u128::try_from(SubnetMovingAlpha::<T>::get().bits).unwrap_or_default() << shift;
        let weight =
            product(weight, (age << U64F64::FRACTION_BITS).checked_div(age + halving).unwrap_or_default());
        let moved = product(weight, price.min(ONE.bits))
            .saturating_add(product(ONE.bits.saturating_sub(weight), Self::moving_price(netuid).bits));
        SubnetMovingPrice::<T>::insert(netuid, I96F32::from_bits((moved >> shift) as i128));

        let fast = match SubnetFastMovingPrice::<T>::get(netuid) {
            None => price,
            Some(fast) if price >= fast.bits => fast.bits + product(price - fast.bits, FAST_PRICE_WEIGHT),
            Some(fast) => fast.bits - product(fast.bits - price, FAST_PRICE_WEIGHT),
        };
        SubnetFastMovingPrice::<T>::insert(netuid, U64F64::from_bits(fast));
    }
}

/// TAO and alpha that join a pool at its price: all the TAO, unless that takes more alpha than the cap.
fn joining(tao: u64, cap: u64, price: U64F64) -> (u64, u64) {
    let alpha = (U256::from(tao) << U64F64::FRACTION_BITS).checked_div(U256::from(price.bits));
    match alpha {
        Some(alpha) if alpha <= U256::from(cap) => (tao, alpha.as_u64()),
        _ => (price.saturating_mul_int(cap).min(tao), cap),
    }
}

/// What of an amount is root's, rounded down.
fn of_root_proportion(amount: u64, proportion: U96F32) -> u64 {
    ratio_of(amount, proportion.bits, 1 << U96F32::FRACTION_BITS)
}

/// Product of two numbers with 64 bits after the point, rounded down.
fn product(left: u128, right: u128) -> u128 {
    let product = (U256::from(left) * U256::from(right)) >> U64F64::FRACTION_BITS;
    u128::try_from(product).unwrap_or(u128::MAX)
}

/// What one block issues when this much has been: halved whenever half of what was left is out.
fn block_emission(issued: u64) -> u64 {
    if issued >= SUPPLY_MAX {
        return 0;
    }
    // floor(log2(1 / (1 - issued/max))) is the number of times the remaining supply has halved.
    let left = u128::from(SUPPLY_MAX - issued);
    let halvings = (u128::from(SUPPLY_MAX) / left).ilog2();
    BLOCK_EMISSION >> halvings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emission_halves_when_half_of_the_rest_is_out() {
        assert_eq!(block_emission(0), BLOCK_EMISSION);
        assert_eq!(block_emission(SUPPLY_MAX / 2 - 1), BLOCK_EMISSION);
        assert_eq!(block_emission(SUPPLY_MAX / 2), BLOCK_EMISSION / 2);
        assert_eq!(block_emission(SUPPLY_MAX / 4 * 3), BLOCK_EMISSION / 4);
        assert_eq!(block_emission(SUPPLY_MAX), 0);
    }

    #[test]
    fn liquidity_joins_at_the_price_and_stops_at_the_cap() {
        let half = U64F64::from_bits(1 << 63);
        assert_eq!(joining(100, 1_000, half), (100, 200));
        assert_eq!(joining(100, 50, half), (25, 50));
        assert_eq!(joining(100, 50, U64F64::ZERO), (0, 50));
        assert_eq!(joining(0, 50, half), (0, 0));
    }

    #[test]
    fn the_fast_price_halves_its_distance_in_its_half_life() {
        let left = (0..600).fold(1u128 << 64, |left, _| left - product(left, FAST_PRICE_WEIGHT));
        // (1 - ln 2 / 600)^600 is 0.4998.
        assert!(left.abs_diff(1 << 63) < 1 << 53, "{left}");
    }
}

//! The constant product: what a pool of TAO and alpha gives for what is paid, and how much takes its price to a limit.
//!
//! Pure arithmetic in whole rao. Whatever is rounded is rounded in the pool's favour, so `tao * alpha` never shrinks.

use std::num::NonZeroU64;

use sp_core::U256;

use crate::runtime::numbers::U64F64;

/// One TAO, and one alpha, in their smallest unit.
pub const ONE: u64 = 1_000_000_000;
/// A pool gives nothing from a reserve below this.
pub const RESERVE_MIN: NonZeroU64 = NonZeroU64::new(1_000_000).expect("a million is not zero");
/// A pool takes at most this many times its reserve at once.
const INPUT_FACTOR_MAX: u64 = 1_000;
/// The whole of which a fee rate is a part.
const RATE_WHOLE: u128 = u16::MAX as u128;

/// What a pool holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reserves {
    /// TAO in rao.
    pub tao: u64,
    /// Alpha in its smallest unit.
    pub alpha: u64,
}

/// Which way a trade goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// TAO is paid for alpha; the price rises.
    Buy,
    /// Alpha is paid for TAO; the price falls.
    Sell,
}

/// A trade somebody asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Order {
    /// Which way.
    pub side: Side,
    /// What is offered, fee included.
    pub amount: u64,
    /// Price of one alpha in rao that the trade must not pass.
    pub limit_rao: Option<u64>,
    /// The pool's fee in parts of 65535.
    pub fee_rate: u16,
}

/// A trade as a pool carries it out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Trade {
    /// What enters the reserve.
    pub paid: u64,
    /// What is charged beside it, in what is paid.
    pub fee: u64,
    /// What leaves the other reserve.
    pub out: u64,
}

/// Why a pool refuses a trade.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The reserve it would give from is too small, or would give nothing.
    ReservesTooLow,
    /// The price is past the limit already.
    PastLimit,
    /// More than a thousand times the reserve.
    TooLarge,
}

impl Trade {
    /// What the trade takes from whoever asked for it.
    pub const fn taken(&self) -> u64 {
        self.paid.saturating_add(self.fee)
    }
}

impl Reserves {
    /// What comes of an order.
    pub fn trade(&self, order: &Order) -> Result<Trade, Refusal> {
        let (reserve_in, reserve_out) = self.sides(order.side);
        if reserve_out < RESERVE_MIN.get() {
            return Err(Refusal::ReservesTooLow);
        }
        if order.amount > reserve_in.saturating_mul(INPUT_FACTOR_MAX) {
            return Err(Refusal::TooLarge);
        }
        let fee = fee_within(order.amount, order.fee_rate);
        let mut trade = Trade { paid: order.amount.saturating_sub(fee), fee, out: 0 };
        if let Some(limit_rao) = order.limit_rao {
            let most = self.paid_until(order.side, limit_rao).ok_or(Refusal::PastLimit)?;
            if most < trade.paid {
                trade.paid = most;
                trade.fee = fee_beside(most, order.fee_rate);
            }
        }
        trade.out = given(reserve_in, reserve_out, trade.paid);
        if trade.paid > 0 && trade.out == 0 {
            return Err(Refusal::ReservesTooLow);
        }
        Ok(trade)
    }

    /// The largest amount a pool takes at once.
    pub fn amount_max(&self, side: Side) -> u64 {
        self.sides(side).0.saturating_mul(INPUT_FACTOR_MAX)
    }

    /// Price of one alpha in TAO, truncated to 64 bits after the point; zero when there is no alpha.
    pub fn price(&self) -> U64F64 {
        let bits = (u128::from(self.tao) << U64F64::FRACTION_BITS).checked_div(u128::from(self.alpha));
        U64F64::from_bits(bits.unwrap_or_default())
    }

    /// Price of one alpha in rao, as the runtime API tells it.
    pub fn price_rao(&self) -> u64 {
        self.price().saturating_mul_int(ONE)
    }

    /// The reserve that grows, and the one that gives.
    fn sides(&self, side: Side) -> (u64, u64) {
        match side {
            Side::Buy => (self.tao, self.alpha),
            Side::Sell => (self.alpha, self.tao),
        }
    }

    /// What enters the growing reserve until the price stands at the limit; `None` when it is past it.
    fn paid_until(&self, side: Side, limit_rao: u64) -> Option<u64> {
        let product = U256::from(self.tao) * U256::from(self.alpha);
        let (tao, alpha) = (U256::from(self.tao) * U256::from(ONE), U256::from(self.alpha));
        // With price p, the reserves of the same product are tao = sqrt(product * p) and alpha = sqrt(product / p).
        let (reached, reserve) = match side {
            Side::Buy if tao > alpha * U256::from(limit_rao) => return None,
            Side::Sell if tao < alpha * U256::from(limit_rao) => return None,
            Side::Buy => (product * U256::from(limit_rao) / U256::from(ONE), self.tao),
            Side::Sell if limit_rao == 0 => return Some(u64::MAX),
            Side::Sell => (product * U256::from(ONE) / U256::from(limit_rao), self.alpha),
        };
        let reached = u64::try_from(reached.integer_sqrt()).unwrap_or(u64::MAX);
        Some(reached.saturating_sub(reserve))
    }
}

/// The fee in an amount that includes it.
pub fn fee_within(amount: u64, rate: u16) -> u64 {
    let share = (u128::from(rate) << U64F64::FRACTION_BITS) / RATE_WHOLE;
    U64F64::from_bits(share).saturating_mul_int(amount)
}

/// The fee that belongs to an amount which does not include it.
fn fee_beside(amount: u64, rate: u16) -> u64 {
    let share = (u128::from(rate) << U64F64::FRACTION_BITS) / (RATE_WHOLE - u128::from(rate)).max(1);
    U64F64::from_bits(share).saturating_mul_int(amount)
}

/// What a pool gives for what is paid, rounded down.
fn given(reserve_in: u64, reserve_out: u64, paid: u64) -> u64 {
    let (reserve_in, reserve_out, paid) = (u128::from(reserve_in), u128::from(reserve_out), u128::from(paid));
    let out = (reserve_out * paid).checked_div(reserve_in + paid).unwrap_or_default();
    u64::try_from(out).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

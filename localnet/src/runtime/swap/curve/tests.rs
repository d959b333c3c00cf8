use super::*;

const POOL: Reserves = Reserves { tao: 100_000 * ONE, alpha: 200_000 * ONE };

fn buy(amount: u64) -> Order {
    Order { side: Side::Buy, amount, limit_rao: None, fee_rate: 33 }
}

fn sell(amount: u64) -> Order {
    Order { side: Side::Sell, ..buy(amount) }
}

/// The pool after a trade.
fn after(pool: Reserves, side: Side, trade: Trade) -> Reserves {
    match side {
        Side::Buy => Reserves { tao: pool.tao + trade.paid, alpha: pool.alpha - trade.out },
        Side::Sell => Reserves { tao: pool.tao - trade.out, alpha: pool.alpha + trade.paid },
    }
}

fn product(pool: Reserves) -> u128 {
    u128::from(pool.tao) * u128::from(pool.alpha)
}

/// A small generator with a fixed seed: the tests need many numbers, not good ones.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 16) % below.max(1)
    }
}

#[test]
fn a_buy_pays_the_fee_and_gets_what_the_product_leaves() {
    let trade = POOL.trade(&buy(100 * ONE)).unwrap();
    // 33 of 65535 parts of 100 TAO.
    assert_eq!(trade.fee, 50_354_772);
    assert_eq!(trade.taken(), 100 * ONE);
    // 200,000 * 99.949645228 / 100,099.949645228, computed with 40 decimal digits.
    assert_eq!(trade.out, 199_699_691_323);
}

#[test]
fn a_price_is_the_quotient_of_the_reserves() {
    assert_eq!(POOL.price_rao(), ONE / 2);
    assert_eq!(Reserves { tao: 1, alpha: 3 }.price_rao(), ONE / 3);
    assert_eq!(Reserves { tao: 1, alpha: 0 }.price_rao(), 0);
}

#[test]
fn the_product_never_shrinks_and_a_round_trip_never_gains() {
    let mut numbers = Numbers(1);
    for _ in 0..2_000 {
        let pool =
            Reserves { tao: 1_000_000 + numbers.next(1 << 56), alpha: 1_000_000 + numbers.next(1 << 56) };
        let amount = 1 + numbers.next(pool.tao);
        let free = Order { fee_rate: 0, ..buy(amount) };
        let Ok(bought) = pool.trade(&free) else { continue };
        let dearer = after(pool, Side::Buy, bought);
        assert!(product(dearer) >= product(pool), "{pool:?} {amount}");
        let back = dearer.trade(&Order { side: Side::Sell, amount: bought.out, ..free });
        assert!(back.is_err() || back.unwrap().out <= amount, "{pool:?} {amount}");
    }
}

#[test]
fn a_limited_trade_stops_at_its_limit_and_not_before() {
    let mut numbers = Numbers(2);
    for _ in 0..500 {
        let pool = Reserves { tao: ONE + numbers.next(1 << 50), alpha: ONE + numbers.next(1 << 50) };
        let price = pool.price_rao();
        let limits =
            [(Side::Buy, price + 1 + numbers.next(price)), (Side::Sell, price - numbers.next(price / 2))];
        for (side, limit) in limits {
            let amount = pool.amount_max(side);
            let limited = Order { side, amount, limit_rao: Some(limit), fee_rate: 33 };
            let trade = pool.trade(&limited);
            let Ok(trade) = trade else { continue };
            let then = after(pool, side, trade);
            let past = match side {
                Side::Buy => then.price_rao() > limit + 1,
                Side::Sell => then.price_rao() + 1 < limit,
            };
            assert!(!past, "{pool:?} {side:?} {limit}: {}", then.price_rao());
            let more = Trade { paid: trade.paid + trade.paid / 1_000 + 1_000, ..trade };
            let out = match side {
                Side::Buy => given(pool.tao, pool.alpha, more.paid),
                Side::Sell => given(pool.alpha, pool.tao, more.paid),
            };
            let beyond = after(pool, side, Trade { out, ..more }).price_rao();
            let moved =
                if side == Side::Buy { beyond >= then.price_rao() } else { beyond <= then.price_rao() };
            assert!(moved, "{pool:?} {side:?}");
        }
    }
}

#[test]
fn a_price_past_its_limit_is_refused() {
    assert_eq!(POOL.trade(&Order { limit_rao: Some(ONE / 2 - 1), ..buy(ONE) }), Err(Refusal::PastLimit));
    assert_eq!(POOL.trade(&Order { limit_rao: Some(ONE / 2 + 1), ..sell(ONE) }), Err(Refusal::PastLimit));
    assert_eq!(POOL.trade(&Order { limit_rao: Some(ONE / 2), ..buy(ONE) }), Ok(Trade::default()));
    assert!(POOL.trade(&Order { limit_rao: Some(0), ..sell(ONE) }).is_ok_and(|trade| trade.out > 0));
}

#[test]
fn a_pool_that_is_nearly_empty_gives_nothing() {
    let dry = Reserves { tao: 999_999, alpha: ONE };
    assert_eq!(dry.trade(&sell(ONE)), Err(Refusal::ReservesTooLow));
    assert_eq!(Reserves { tao: u64::MAX, alpha: 1_000_000 }.trade(&buy(1)), Err(Refusal::ReservesTooLow));
    assert_eq!(POOL.trade(&buy(POOL.tao * 1_001)), Err(Refusal::TooLarge));
}

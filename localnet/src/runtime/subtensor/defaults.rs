//! What a storage item holds before anything is written to it, where that is not the type's own default.

use frame_support::traits::Get;
use sp_runtime::{AccountId32, PerU16};

use crate::runtime::numbers::{I96F32, MechId, TaoBalance, U64F64, U96F32};

/// The account of all zeros: "nobody".
pub struct ZeroAccount;

impl Get<AccountId32> for ZeroAccount {
    fn get() -> AccountId32 {
        AccountId32::new([0; 32])
    }
}

/// An amount of TAO in rao.
pub struct Rao<const N: u64>;

impl<const N: u64> Get<TaoBalance> for Rao<N> {
    fn get() -> TaoBalance {
        TaoBalance::new(N)
    }
}

/// A share of 65535.
pub struct Share<const N: u16>;

impl<const N: u16> Get<PerU16> for Share<N> {
    fn get() -> PerU16 {
        PerU16::from_parts(N)
    }
}

/// A number of mechanisms.
pub struct Mechanisms<const N: u8>;

impl<const N: u8> Get<MechId> for Mechanisms<N> {
    fn get() -> MechId {
        MechId::new(N)
    }
}

/// A fixed point number by its bits.
pub struct Fixed<const BITS: u128>;

impl<const BITS: u128> Get<U64F64> for Fixed<BITS> {
    fn get() -> U64F64 {
        U64F64::from_bits(BITS)
    }
}

impl<const BITS: u128> Get<U96F32> for Fixed<BITS> {
    fn get() -> U96F32 {
        U96F32::from_bits(BITS)
    }
}

impl<const BITS: u128> Get<I96F32> for Fixed<BITS> {
    fn get() -> I96F32 {
        I96F32::from_bits(BITS as i128)
    }
}

/// A pair of shares of 65535.
pub struct Pair<const LOW: u16, const HIGH: u16>;

impl<const LOW: u16, const HIGH: u16> Get<(u16, u16)> for Pair<LOW, HIGH> {
    fn get() -> (u16, u16) {
        (LOW, HIGH)
    }
}

/// The symbol a subnet has until it takes another: a mathematical italic tau.
pub struct Tau;

impl Get<Vec<u8>> for Tau {
    fn get() -> Vec<u8> {
        vec![0xf0, 0x9d, 0x9c, 0x8f]
    }
}

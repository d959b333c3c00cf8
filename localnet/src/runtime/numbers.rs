//! The chain's own number types: the newtypes its metadata names, and the fixed point numbers it stores.

pub mod amount;
pub mod fixed;
pub mod share;

pub use amount::{AlphaBalance, MechId, NetUid, NetUidStorageIndex, TaoBalance};
pub use fixed::{I32F32, I64F64, I96F32, U64F64, U96F32};
pub use share::SafeFloat;

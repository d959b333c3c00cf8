//! Rows of features this chain does not have, in the shapes of the pinned metadata.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;
use sp_runtime::Percent;

use crate::runtime::numbers::{AlphaBalance, NetUid, U64F64};

/// Alpha a coldkey has locked, and the conviction it has gained by that.
#[derive(Clone, Debug, Decode, DecodeWithMemTracking, Default, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the fields are their names")]
pub struct LockState {
    pub locked_mass: AlphaBalance,
    pub conviction: U64F64,
    pub last_update: u64,
}

/// A subnet leased from a crowdloan.
#[derive(Clone, Debug, Decode, DecodeWithMemTracking, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the fields are their names")]
pub struct SubnetLease<AccountId, BlockNumber, Balance> {
    pub beneficiary: AccountId,
    pub coldkey: AccountId,
    pub hotkey: AccountId,
    pub emissions_share: Percent,
    pub end_block: Option<BlockNumber>,
    pub netuid: NetUid,
    pub cost: Balance,
}

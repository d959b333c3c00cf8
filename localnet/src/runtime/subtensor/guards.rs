//! What the transaction pool refuses before dispatch, with the chain's `Custom(n)` codes.
//!
//! The guards look only at calls submitted directly. Inside a batch or a proxy the same faults surface as module errors.

mod economy;
mod weights;

use sp_runtime::{
    AccountId32,
    transaction_validity::{InvalidTransaction, TransactionValidityError},
};

use crate::runtime::{
    numbers::NetUid,
    subtensor::{
        Axons, Call, Config, EndpointError, Error, Pallet, Prometheus, Uids,
        calls::TransitionError,
        types::{AxonInfo, PrometheusInfo},
    },
    swap,
};

/// Why the pool refuses a transaction; the discriminant is the `n` of `Custom(n)`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum PoolRefusal {
    /// Less than one may stake, or than one needs to set weights.
    StakeAmountTooLow = 1,
    /// The account does not have the amount.
    BalanceTooLow = 2,
    /// No such subnet.
    SubnetNotExists = 3,
    /// No such hotkey.
    HotkeyAccountDoesntExist = 4,
    /// More than is staked.
    NotEnoughStakeToWithdraw = 5,
    /// Weights again too soon.
    RateLimitExceeded = 6,
    /// The pool cannot give it.
    InsufficientLiquidity = 7,
    /// The price is past the limit.
    SlippageTooHigh = 8,
    /// The subnet forbids transfers.
    TransferDisallowed = 9,
    /// The hotkey is not a neuron of the subnet.
    HotKeyNotRegisteredInNetwork = 10,
    /// An address nobody can reach.
    InvalidIpAddress = 11,
    /// An endpoint again too soon.
    ServingRateLimitExceeded = 12,
    /// Port 0.
    InvalidPort = 13,
    /// The price is past the limit already, so nothing could be traded.
    ZeroMaxAmount = 14,
    /// The round that is to open a commit is already out.
    InvalidRevealRound = 15,
    /// Nothing was committed that this reveals.
    CommitNotFound = 16,
    /// The commit is not to be revealed in this epoch.
    CommitBlockNotInRevealRange = 17,
    /// The lists of a batch differ in length.
    InputLengthsUnequal = 18,
    /// The hotkey has no uid on the subnet.
    UidNotFound = 19,
    /// The hotkey belongs to another coldkey.
    NonAssociatedColdKey = 25,
    /// A take that is not higher than it was, or below the least.
    DelegateTakeTooLow = 26,
    /// A take above the most.
    DelegateTakeTooHigh = 27,
    /// Anything else.
    BadRequest = 255,
}

impl From<PoolRefusal> for TransactionValidityError {
    fn from(refusal: PoolRefusal) -> Self {
        InvalidTransaction::Custom(refusal as u8).into()
    }
}

impl From<EndpointError> for PoolRefusal {
    fn from(error: EndpointError) -> Self {
        match error {
            EndpointError::IpType => Self::BadRequest,
            EndpointError::IpAddress => Self::InvalidIpAddress,
            EndpointError::Port => Self::InvalidPort,
        }
    }
}

impl<T: Config> From<Error<T>> for PoolRefusal {
    fn from(error: Error<T>) -> Self {
        match error {
            Error::AmountTooLow | Error::NotEnoughStakeToSetWeights => Self::StakeAmountTooLow,
            Error::NotEnoughBalanceToStake => Self::BalanceTooLow,
            Error::SubnetNotExists => Self::SubnetNotExists,
            Error::HotKeyAccountNotExists => Self::HotkeyAccountDoesntExist,
            Error::NotEnoughStakeToWithdraw => Self::NotEnoughStakeToWithdraw,
            Error::InsufficientLiquidity => Self::InsufficientLiquidity,
            Error::SlippageTooHigh => Self::SlippageTooHigh,
            Error::CommittingWeightsTooFast | Error::SettingWeightsTooFast => Self::RateLimitExceeded,
            Error::InvalidRevealRound => Self::InvalidRevealRound,
            Error::NoWeightsCommitFound => Self::CommitNotFound,
            Error::RevealTooEarly => Self::CommitBlockNotInRevealRange,
            Error::InputLengthsUnequal => Self::InputLengthsUnequal,
            Error::HotKeyNotRegisteredInSubNet => Self::UidNotFound,
            Error::TransferDisallowed => Self::TransferDisallowed,
            Error::HotKeyNotRegisteredInNetwork => Self::HotKeyNotRegisteredInNetwork,
            Error::NetworkTxRateLimitExceeded | Error::DelegateTxRateLimitExceeded => Self::RateLimitExceeded,
            Error::CannotAffordLockCost => Self::BalanceTooLow,
            Error::NonAssociatedColdKey => Self::NonAssociatedColdKey,
            Error::DelegateTakeTooLow => Self::DelegateTakeTooLow,
            Error::DelegateTakeTooHigh => Self::DelegateTakeTooHigh,
            _ => Self::BadRequest,
        }
    }
}

impl<T: Config> From<TransitionError<T>> for PoolRefusal {
    fn from(error: TransitionError<T>) -> Self {
        match error {
            TransitionError::Rule(error) => error.into(),
            TransitionError::Pool(error) => error.into(),
        }
    }
}

impl<T: Config> From<swap::Error<T>> for PoolRefusal {
    fn from(error: swap::Error<T>) -> Self {
        match error {
            swap::Error::PriceLimitExceeded => Self::ZeroMaxAmount,
            _ => Self::InsufficientLiquidity,
        }
    }
}

impl<T: Config> Pallet<T> {
    /// What the pool asks of a call before it takes it from `who`.
    pub fn guard(who: &AccountId32, call: &Call<T>) -> Result<(), PoolRefusal> {
        Self::guard_weight_calls(who, call)?;
        match call {
            Call::serve_axon { netuid, ip, port, ip_type, .. }
            | Call::serve_axon_tls { netuid, ip, port, ip_type, .. } => {
                let axon = AxonInfo { ip: *ip, port: *port, ip_type: *ip_type, ..Default::default() };
                Self::guard_endpoint(
                    who,
                    *netuid,
                    Self::check_axon(&axon),
                    Axons::<T>::get(netuid, who).unwrap_or_default().block,
                )
            }
            Call::serve_prometheus { netuid, ip, port, ip_type, .. } => {
                let endpoint =
                    PrometheusInfo { ip: *ip, port: *port, ip_type: *ip_type, ..Default::default() };
                Self::guard_endpoint(
                    who,
                    *netuid,
                    Self::check_prometheus(&endpoint),
                    Prometheus::<T>::get(netuid, who).unwrap_or_default().block,
                )
            }
            _ => Self::guard_economy(who, call),
        }
    }

    fn guard_endpoint(
        who: &AccountId32,
        netuid: NetUid,
        address: Result<(), EndpointError>,
        last: u64,
    ) -> Result<(), PoolRefusal> {
        if !Uids::<T>::contains_key(netuid, who) {
            return Err(PoolRefusal::HotKeyNotRegisteredInNetwork);
        }
        address?;
        if Self::may_serve_again(netuid, last) { Ok(()) } else { Err(PoolRefusal::ServingRateLimitExceeded) }
    }
}

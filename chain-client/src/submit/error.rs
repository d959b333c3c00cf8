//! Why a submission did not do what it should.

use std::time::Duration;

use subxt::error::DispatchError;

use super::rejection::PoolRejection;
use crate::blocks::BlockRef;
use crate::error::QueryError;

/// Why a submission did not succeed. [`SubmitError::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// What has to be read before signing, or to learn the outcome, could not be read.
    #[error("the chain could not be read for this submission")]
    Query(#[from] QueryError),
    /// The node's pool refused it. Nothing was done.
    #[error("refused by the chain")]
    Pool(#[source] PoolRejection),
    /// It was included in a block and failed there; its fee, if any, is spent.
    #[error("included but failed with {pallet}.{error}")]
    Dispatch {
        /// The pallet, or `Runtime`, `Token` and so on for errors of no pallet.
        pallet: String,
        /// The error's name in the live runtime.
        error: String,
    },
    /// The connection broke while it was being sent. It may have arrived.
    #[error("{doing}: the connection was lost while submitting; it may or may not have arrived")]
    Disconnected {
        /// What was being done.
        doing: &'static str,
    },
    /// It succeeded in a block that is not final yet, which is usual where finality is slow. It may still be undone.
    #[error("{doing}: in block {}, not yet final after {after_ms} ms", block.number)]
    NotFinal {
        /// What was being done.
        doing: &'static str,
        /// The block.
        block: BlockRef,
        /// The deadline.
        after_ms: u64,
    },
    /// It was sent but is not known to be in a block. It may still get into one and succeed.
    #[error("{doing}: not known to be in a block after {after_ms} ms; it may still get there")]
    TimedOut {
        /// What was being done.
        doing: &'static str,
        /// The deadline.
        after_ms: u64,
    },
    /// It was accepted and then given up.
    #[error("{doing}: dropped after it was accepted: {reason}")]
    Dropped {
        /// What was being done.
        doing: &'static str,
        /// Why, as far as is known.
        reason: &'static str,
    },
}

impl SubmitError {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Query(error) => error.hint(),
            Self::Pool(rejection) => rejection.hint(),
            Self::Dispatch { pallet, error } => dispatch_hint(pallet, error),
            Self::NotFinal { .. } => {
                "look again in a minute, with the `chain status` subcommand: a block that is not final can still be undone"
            }
            Self::Disconnected { .. } | Self::TimedOut { .. } => {
                "look at the chain before trying again: it may have succeeded; it expires after 128 blocks"
            }
            Self::Dropped { .. } => "try again; if it persists, make sure only one program uses this key",
        }
    }

    /// Whether the reason is that the hotkey is not registered on the subnet.
    pub fn is_not_registered(&self) -> bool {
        match self {
            Self::Pool(rejection) => *rejection == PoolRejection::HotkeyNotRegistered,
            Self::Dispatch { error, .. } => {
                matches!(error.as_str(), "HotKeyNotRegisteredInSubNet" | "HotKeyNotRegisteredInNetwork")
            }
            _ => false,
        }
    }

    /// Whether the reason is that it is too early to do this again.
    pub fn is_rate_limited(&self) -> bool {
        match self {
            Self::Pool(rejection) => {
                matches!(
                    rejection,
                    PoolRejection::RateLimitExceeded | PoolRejection::ServingRateLimitExceeded
                )
            }
            Self::Dispatch { error, .. } => matches!(
                error.as_str(),
                "SettingWeightsTooFast" | "CommittingWeightsTooFast" | "ServingRateLimitExceeded"
            ),
            _ => false,
        }
    }

    /// Whether the reason is that somebody has too little TAO.
    pub fn is_insufficient_balance(&self) -> bool {
        match self {
            Self::Pool(rejection) => {
                matches!(rejection, PoolRejection::BalanceTooLow | PoolRejection::CannotPayFee)
            }
            Self::Dispatch { error, .. } => matches!(
                error.as_str(),
                "NotEnoughBalanceToStake" | "InsufficientBalance" | "FundsUnavailable" | "NotExpendable"
            ),
            _ => false,
        }
    }

    pub(super) fn of_dispatch(error: DispatchError) -> Self {
        let (pallet, error) = match &error {
            DispatchError::Module(module) => match module.details() {
                Ok(details) => (details.pallet.name().to_owned(), details.variant.name.clone()),
                Err(_) => ("Runtime".to_owned(), format!("{:?}", module.bytes())),
            },
            DispatchError::Token(token) => ("Token".to_owned(), format!("{token:?}")),
            DispatchError::Arithmetic(arithmetic) => ("Arithmetic".to_owned(), format!("{arithmetic:?}")),
            other => ("Runtime".to_owned(), format!("{other:?}")),
        };
        Self::Dispatch { pallet, error }
    }
}

fn dispatch_hint(pallet: &str, error: &str) -> &'static str {
    match (pallet, error) {
        ("SubtensorModule", "NotEnoughBalanceToStake")
        | ("Token", _)
        | ("Balances", "InsufficientBalance") => {
            "send TAO to the coldkey: it must keep the existential deposit of 500 rao besides the price and the fee"
        }
        ("SubtensorModule", "HotKeyAlreadyRegisteredInSubNet") => "nothing to do: the hotkey is registered",
        ("SubtensorModule", "HotKeyNotRegisteredInSubNet" | "HotKeyNotRegisteredInNetwork") => {
            PoolRejection::HotkeyNotRegistered.hint()
        }
        ("SubtensorModule", "SettingWeightsTooFast" | "CommittingWeightsTooFast") => {
            PoolRejection::RateLimitExceeded.hint()
        }
        ("SubtensorModule", "ServingRateLimitExceeded") => PoolRejection::ServingRateLimitExceeded.hint(),
        ("SubtensorModule", "SubNetRegistrationDisabled") => {
            "the subnet's owner has closed registration: try later or ask the owner"
        }
        ("SubtensorModule", "RegistrationPriceLimitExceeded") => {
            "somebody registered first and raised the price: wait until it has fallen, or raise the limit"
        }
        ("SubtensorModule", "RegistrationNotPermittedOnRootSubnet") => "choose a subnet other than 0",
        ("SubtensorModule", "SubnetNotExists") => {
            "check --netuid and that --network is the network the subnet is on"
        }
        ("SubtensorModule", "InvalidWorkBlock" | "InvalidDifficulty" | "InvalidSeal") => {
            "the proof of work came too late: work on a newer block, over a faster endpoint"
        }
        ("SubtensorModule", "NoNeuronIdAvailable") => {
            "the subnet is full and none of its neurons may be replaced: try again later, or wait with --wait-blocks"
        }
        ("SubtensorModule", "TooManyRegistrationsThisBlock" | "TooManyRegistrationsThisInterval") => {
            "others registered at the same time: try again in the next block, or wait with --wait-blocks"
        }
        ("SubtensorModule", "NonAssociatedColdKey") => PoolRejection::NonAssociatedColdKey.hint(),
        ("SubtensorModule", "NeuronNoValidatorPermit") => {
            "stake more: permits go to the hotkeys with the most stake, and only at the end of an epoch"
        }
        ("SubtensorModule", "NotEnoughStakeToSetWeights") => PoolRejection::StakeAmountTooLow.hint(),
        ("SubtensorModule", "IncorrectWeightVersionKey") => {
            "update this software: the subnet's owner asks for newer weights"
        }
        ("SubtensorModule", "WeightVecLengthIsLow") => {
            "the subnet asks for weights on more miners than were scored"
        }
        ("SubtensorModule", "CommitRevealEnabled") => {
            "the subnet has commit-reveal on: plain weights are not accepted"
        }
        ("SubtensorModule", "SubtokenDisabled") => {
            "the subnet is not started: its owner must call start_call"
        }
        ("SubtensorModule", "AmountTooLow") => PoolRejection::StakeAmountTooLow.hint(),
        ("Commitments", "AccountNotAllowedCommit") => PoolRejection::HotkeyNotRegistered.hint(),
        ("Commitments", "SpaceLimitExceeded") => {
            "wait for the next epoch: too much was committed in this one"
        }
        ("Runtime", "BadOrigin") => {
            "this key may not do that: coldkeys register and stake, hotkeys serve and set weights"
        }
        _ => UNKNOWN,
    }
}

/// The hint for an error that has none of its own.
const UNKNOWN: &str = "look the error up in the subtensor documentation under its name";

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_in_which_a_registration_fails_has_words_of_its_own() {
        let pinned = chain_metadata::metadata();
        let errors = pinned.pallet_by_name("SubtensorModule").unwrap().error_variants().unwrap();
        for name in [
            "HotKeyAlreadyRegisteredInSubNet",
            "NoNeuronIdAvailable",
            "NonAssociatedColdKey",
            "NotEnoughBalanceToStake",
            "RegistrationNotPermittedOnRootSubnet",
            "RegistrationPriceLimitExceeded",
            "SubNetRegistrationDisabled",
            "SubnetNotExists",
            "TooManyRegistrationsThisBlock",
            "TooManyRegistrationsThisInterval",
        ] {
            assert!(errors.iter().any(|error| error.name == name), "the chain has no error {name}");
            assert_ne!(dispatch_hint("SubtensorModule", name), UNKNOWN, "{name}");
        }
        assert_eq!(dispatch_hint("SubtensorModule", "NoSuchError"), UNKNOWN);
    }
}

//! How a command fails, with its exit code and the operator's next step.

use protocol::AccountId;

use crate::network::UnknownNetwork;
use crate::wallet::WalletError;
use crate::wallet::message::MessageError;
use crate::{AnnounceError, ConnectError, PowError, QueryError, RegistrationObstacle, SubmitError};

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Keys.
    #[error("cannot use the wallet")]
    Wallet(#[source] WalletError),
    /// A text that must not be signed.
    #[error("the message is not signed")]
    Message(#[source] MessageError),
    /// A signature that does not hold.
    #[error("the signature is not {address}'s signature of this message")]
    BadSignature {
        /// Whose it should be.
        address: AccountId,
    },
    /// The network's name.
    #[error(transparent)]
    Network(UnknownNetwork),
    /// Connecting to the chain.
    #[error("cannot connect to the chain")]
    Connect(#[source] ConnectError),
    /// Reading the chain.
    #[error("cannot read the subnet from the chain")]
    Chain(#[source] QueryError),
    /// The hotkey has no uid.
    #[error("hotkey {hotkey} is not registered on subnet {netuid}")]
    NotRegistered {
        /// The hotkey.
        hotkey: AccountId,
        /// The subnet.
        netuid: u16,
        /// The command that registers it.
        register: String,
    },
    /// The hotkey has no uid in a block so old that this says nothing.
    #[error(
        "the endpoint's newest block is {minutes} minutes old, and hotkey {hotkey} is not registered on subnet {netuid} in it"
    )]
    Behind {
        /// The hotkey.
        hotkey: AccountId,
        /// The subnet.
        netuid: u16,
        /// The block's age.
        minutes: u64,
    },
    /// Registering would fail.
    #[error(transparent)]
    Obstacle(RegistrationObstacle),
    /// Nobody agreed.
    #[error("nothing was done: {reason}")]
    NotConfirmed {
        /// Why not.
        reason: &'static str,
    },
    /// A submission failed.
    #[error("the transaction failed")]
    Submit(#[source] SubmitError),
    /// Working for a registration failed.
    #[error("working for the registration failed")]
    Work(#[source] PowError),
    /// The axon was not announced.
    #[error("the axon was not announced")]
    Axon(#[source] AnnounceError),
    /// Standard output is gone.
    #[error("cannot write the result")]
    Output(#[source] std::io::Error),
}

impl CommandError {
    /// 2 for wrong usage, 3 for a hotkey without a uid, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Network(_) => 2,
            Self::NotRegistered { .. } | Self::Axon(AnnounceError::NotRegistered { .. }) => 3,
            _ => 1,
        }
    }

    /// Whether trying again later may succeed by itself.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_passing(),
            Self::Chain(error) => error.is_passing(),
            Self::Behind { .. } => true,
            _ => false,
        }
    }

    /// What the operator does next, where something can be done.
    pub fn next_step(&self) -> Option<String> {
        let step = match self {
            Self::Obstacle(obstacle) => return Some(obstacle.next_step()),
            Self::NotRegistered { register, .. } => return Some(format!("register it: {register}")),
            Self::Wallet(error) => error.hint(),
            Self::Message(error) => error.hint(),
            Self::BadSignature { .. } => {
                "check that the message is the same to the last blank, and whose signature it should be (--address)"
            }
            Self::Network(_) => "pass --network finney, test, local, or a ws:// or wss:// URL",
            Self::Connect(error) => error.hint(),
            Self::Chain(error) => error.hint(),
            Self::Behind { .. } => "let the chain's node catch up, or name another endpoint with --network",
            Self::NotConfirmed { .. } => "run it again with -y, or with --dry-run to change nothing",
            Self::Submit(error) => error.hint(),
            Self::Work(error) => error.hint(),
            Self::Axon(error) => error.hint(),
            Self::Output(_) => return None,
        };
        Some(step.to_owned())
    }
}

//! Reads from and submits to the Bittensor chain, on a public network as on a local one.
//!
//! One [`ChainClient`] per process: it is cheap to clone, holds one connection, opens the next one when that is lost (in
//! turn over the endpoints given), and bounds every call by a deadline. Reads name the block they are made at, so that a
//! caller sees one consistent state. Submissions are encoded against the live metadata, signed for 128 blocks, watched
//! until finalised or until their deadline, and fail with a [`SubmitError`] that names the chain's reason and has a hint for
//! the operator. Nothing waits without a limit.
//!
//! A whole program that reads a metagraph:
//!
//! ```no_run
#![doc = include_str!("../examples/metagraph.rs")]
//! ```
//!
//! What it deliberately does not do: move stake by itself, score miners, or remember anything on disk but keys and the
//! weights that it has submitted ([`weights`]). Registration by proof of work computes on processors only.
#![forbid(unsafe_code)]

pub mod amount;
mod blocks;
pub mod cli;
mod client;
pub mod command;
pub mod drift;
mod error;
pub mod network;
pub mod patience;
pub mod pow;
mod query;
mod submit;
pub mod wallet;
pub mod weights;

pub use blocks::BlockRef;
pub use client::{ChainClient, ConnectConfig, ConnectError};
pub use drift::DriftReport;
pub use error::QueryError;
pub use query::axon::{AxonRecord, AxonState};
pub use query::commitment::{Commitment, CommitmentField};
pub use query::economy::{StakePosition, SubnetEconomy, SwapQuote, YieldInputs};
pub use query::epoch::EpochState;
pub use query::hyperparameters::Hyperparameters;
pub use query::metagraph::{Metagraph, Neuron};
pub use query::rules::RuleValue;
pub use query::standing::{EmissionStanding, MILLIONTHS};
pub use query::watch::{MetagraphChanges, MetagraphUpdate};
pub use submit::axon::{AnnounceError, Announced, Announcement, BadTlsKey, TlsKey};
pub use submit::error::SubmitError;
pub use submit::pow::{PowConfig, PowError, PowProgress};
pub use submit::progress::{SubmitProgress, SubmitStage};
pub use submit::register::Registration;
pub use submit::register::quote::{RegistrationObstacle, RegistrationQuote};
pub use submit::rejection::PoolRejection;

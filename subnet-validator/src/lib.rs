//! The validator of the subnet.
//!
//! Users call an OpenAI-compatible [`gateway`]; the [`fleet`] picks a miner, sends it a signed ticket and checks what comes
//! back; what both sides signed goes to the [`ledger`]; each tempo the ledger's window becomes scores and one weight vector
//! ([`weights`]) that name a signed head of the log ([`heads`]), which anybody can check ([`audit`]); stakers read all of it by JSON-RPC ([`staker_rpc`]). [`validator::Validator`] is the composition root:
//! nobody else builds these parts.
//!
//! Two rules hold everywhere. A receipt is stored only as `protocol::receipt::Countersigned`, so no unchecked one can get in;
//! and nothing is acknowledged before the ledger's log is synced to disk.
#![forbid(unsafe_code)]

pub mod accounts;
pub mod audit;
pub mod catalogue;
pub mod chain_view;
pub mod challenges;
pub mod cli;
pub mod clock;
pub mod command;
pub mod config;
mod connections;
pub mod demand;
pub mod fleet;
pub mod gateway;
pub mod heads;
pub mod ledger;
pub mod market;
pub mod metrics;
pub mod registration;
pub mod shards;
pub mod staker_rpc;
pub mod state_dir;
pub mod usage;
pub mod validator;
pub mod weights;

pub use chain_client::cli::tls;

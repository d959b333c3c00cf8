//! Whole subnets in one process: a localnet, validators and miners, each the real thing on port 0.
//!
//! [`Subnet::start`] gives a subnet whose validators have their permits and whose miners are published and polled. Blocks come
//! with submissions (the localnet's instant mode) and by [`Subnet::produce_blocks`]: no test waits for a clock.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a harness fails its test by panicking")]

pub mod cheats;
mod gguf;
mod nodes;
mod request;
mod subnet;
pub mod wait;

pub use cheats::{Cheat, CheatingAxon, Pretence};
pub use gguf::fewer_layers;
pub use nodes::{MinerNode, TestWallet, ValidatorNode};
pub use request::{Answer, OpenStream, Streamed};
pub use subnet::CheatingMiner;
pub use subnet::{ECHO_MODEL, NETUID, Plan, SMOLLM2, Subnet, TestModel, smollm2_path};

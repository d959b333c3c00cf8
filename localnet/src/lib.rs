//! An embedded Substrate dev chain shaped like subtensor.
#![forbid(unsafe_code)]
#![recursion_limit = "512"]

pub mod accounts;
pub mod chain;
pub mod config;
pub mod node;
pub mod pool;
mod rpc;
#[allow(missing_docs, unused_qualifications, reason = "FRAME's macros generate items without documentation")]
pub mod runtime;
mod server;
pub mod time;

pub use config::{Blocks, Config, Genesis};
pub use server::{Localnet, ProduceBlocksError, SpawnError, spawn};

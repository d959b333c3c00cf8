//! What the chain does, seen from outside: through subxt, plain JSON-RPC, or its own library.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod administration;
mod blocks;
mod client;
mod commit_reveal;
mod commitments;
mod epoch;
mod faults;
mod golden;
mod interface;
mod lifecycle;
mod metadata;
mod nesting;
mod noise;
mod registration;
mod replies;
mod rpc;
mod serving;
mod shielded;
mod staking;
mod timelock;
mod timelocked;
mod transactions;
mod weights;

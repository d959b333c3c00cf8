//! What the chain does, seen from outside: through subxt, plain JSON-RPC, or its own library.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod blocks;
mod client;
mod commit_reveal;
mod commitments;
mod epoch;
mod faults;
mod golden;
mod lifecycle;
mod metadata;
mod noise;
mod registration;
mod rpc;
mod serving;
mod staking;
mod timelock;
mod timelocked;
mod transactions;
mod weights;

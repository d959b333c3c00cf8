//! What the chain does, seen from outside: through subxt, plain JSON-RPC, or its own library.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod administration;
mod any_chain;
mod batches;
mod blocks;
mod client;
mod commit_reveal;
mod commitments;
mod economy;
mod epoch;
mod faults;
mod fuzz;
mod genesis;
mod golden;
mod info;
mod interface;
mod lifecycle;
mod metadata;
mod nesting;
mod noise;
mod persistence;
mod pool;
mod registration;
mod replies;
mod rpc;
mod serving;
mod shielded;
mod staking;
mod states;
mod timelock;
mod timelocked;
mod transactions;
mod weights;
mod yuma;

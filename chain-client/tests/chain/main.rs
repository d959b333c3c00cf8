//! The client against a real chain: a localnet in this process for each test, on a free port. `any_chain` also runs against
//! any other that `CHAIN_WS_URL` names.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod any_chain;
mod axon;
mod blocks;
mod commands;
mod commitment;
mod connection;
mod economy;
mod faults;
mod hidden_weights;
mod metagraph;
mod metered_wire;
mod patience;
mod registration;
mod state;
mod support;
mod weights;

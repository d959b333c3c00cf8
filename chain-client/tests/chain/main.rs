//! The client against a real chain: a localnet in this process for each test, on a free port.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

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
mod registration;
mod state;
mod support;
mod weights;

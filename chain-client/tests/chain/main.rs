//! The client against a real chain: a localnet in this process for each test, on a free port.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod axon;
mod blocks;
mod commitment;
mod connection;
mod faults;
mod hidden_weights;
mod registration;
mod state;
mod support;
mod weights;

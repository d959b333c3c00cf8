//! Tests of the validator from the outside, on real sockets and a real RocksDB, against miners that sign real receipts.
#![allow(missing_docs, clippy::unwrap_used)]

mod audit;
mod commands;
mod disputes;
mod evidence;
mod gateway;
mod heads;
mod ledger;
mod merged;
mod shards;
mod staker_rpc;
mod start;
mod support;
mod weights;

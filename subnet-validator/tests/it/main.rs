//! Tests of the validator from the outside, on real sockets and a real RocksDB, against miners that sign real receipts.
#![allow(missing_docs, clippy::unwrap_used)]

mod audit;
mod evidence;
mod gateway;
mod heads;
mod ledger;
mod staker_rpc;
mod support;
mod weights;

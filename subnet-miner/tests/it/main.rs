//! The axon as validators see it: over HTTP, on a port of its own, with the echo model and no chain.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod answers;
mod cancellation;
mod challenges;
mod endpoints;
mod file_server;
mod fixture;
mod limits;
mod proofs;
mod refusals;
mod replay;
mod residency;
mod store;

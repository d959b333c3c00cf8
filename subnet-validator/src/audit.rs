//! Checking validators by their papers.
//!
//! [`export`] writes a tempo's bundle: the leaves of its window as Parquet, the heads, the rules, the miners, and a signed
//! manifest. [`review`] takes such files and nothing else, and computes the tempo's scores again
//! (`protocol::replay`); [`chain`] compares the result with what the validator committed and set on chain.
//!
//! | file in the tempo's folder | content |
//! |---|---|
//! | `manifest.json` | every other file's length and SHA-256, and that of every part, signed by the validator |
//! | `heads.scale` | the validator's signed heads whose leaves are here, the reviewed one last |
//! | `policy.scale` | the signed policy document that the last head names |
//! | `miners.scale` | the registered miners that the last head names |
//! | `evidence.scale` | what its convictions and doubts follow from, if there are any |
//! | `frontier.scale` | the Merkle frontier over the leaves before the first one here |
//! | `frontier-<n>.scale` | the same for shard n, where the validator has several gateways ([`shard`]) |
//!
//! The leaves lie beside the tempos' folders, in parts that tempos share ([`shelf`]): one Parquet file for each hour and miner, in the
//! folders that DuckDB and Spark read as a partitioned table. A tempo writes, sends and fetches new parts only, and a reviewer that
//! keeps a list of what it has verified ([`seen`]) verifies new parts only.
//!
//! A running validator writes each tempo's bundle itself ([`publish`]), its gateway serves them under `/audit/v1`, from where
//! [`fetch`] gets them, and they can be put into object storage ([`store`]). It checks the others' as they are committed ([`peers`])
//! and makes its weights from all that it found true ([`merged`]).
//!
//! A reviewer may ask a sample of the miners that a bundle pays to show their weights ([`rechallenge`]).
//!
//! Not here: asking miners again what a receipt says they answered. A manifest lists its whole window, at some 250 bytes for each
//! part.

pub mod chain;
mod check;
pub mod disputes;
pub mod export;
pub mod fetch;
pub mod grounds;
pub mod leaves;
pub mod merged;
mod pages;
pub mod peers;
pub mod publish;
pub mod rechallenge;
pub mod recheck;
pub mod review;
pub mod seen;
pub mod shard;
pub mod shelf;
pub mod store;
mod thrift;
pub mod verdict;
pub mod verdicts;

/// Leaves in one Parquet row group: what a reader holds in memory.
const GROUP_LEAVES_MAX: usize = 16_384;

/// The file that lists the others.
pub const MANIFEST: &str = "manifest.json";
/// The file beside the bundles that lists their tempos.
pub const INDEX: &str = "index.json";
const HEADS: &str = "heads.scale";
const POLICY: &str = "policy.scale";
const MINERS: &str = "miners.scale";
const EVIDENCE: &str = "evidence.scale";
const FRONTIER: &str = "frontier.scale";

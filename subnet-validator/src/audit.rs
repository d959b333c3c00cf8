//! Checking validators by their papers.
//!
//! [`export`] writes a tempo's bundle: the leaves of its window as Parquet, the heads, the rules, the miners, and a signed
//! manifest. [`review`] takes such a folder and nothing else, and computes the tempo's scores again
//! (`protocol::replay`); [`chain`] compares the result with what the validator committed and set on chain.
//!
//! | file | content |
//! |---|---|
//! | `manifest.json` | every other file's length and SHA-256, signed by the validator |
//! | `heads.scale` | the validator's signed heads whose leaves are here, the reviewed one last |
//! | `policy.scale` | the signed policy document that the last head names |
//! | `miners.scale` | the registered miners that the last head names |
//! | `frontier.scale` | the Merkle frontier over the leaves before the first one here |
//! | `leaves-00000.parquet`, ... | the leaves in order |
//!
//! A running validator writes each tempo's bundle itself ([`publish`]), and its gateway serves them under `/audit/v1`, from where
//! [`fetch`] gets them. It checks the others' as they are committed ([`peers`]) and makes its weights from all that it
//! found true ([`merged`]).
//!
//! Not here yet: a bundle that begins where the last reviewed one ended (each brings its whole window), and asking miners again
//! what a receipt says they answered.

pub mod chain;
pub mod disputes;
pub mod export;
pub mod fetch;
pub mod leaves;
pub mod merged;
pub mod peers;
pub mod publish;
pub mod review;
pub mod verdict;
pub mod verdicts;

/// Leaves in one Parquet row group: what a reader holds in memory.
const GROUP_LEAVES_MAX: usize = 16_384;

/// Leaves in one Parquet file.
const FILE_LEAVES_MAX: u64 = 1 << 20;

/// The file that lists the others.
pub const MANIFEST: &str = "manifest.json";
/// The file beside the bundles that lists their tempos.
pub const INDEX: &str = "index.json";
const HEADS: &str = "heads.scale";
const POLICY: &str = "policy.scale";
const MINERS: &str = "miners.scale";
const EVIDENCE: &str = "evidence.scale";
const FRONTIER: &str = "frontier.scale";

fn leaves_name(number: usize) -> String {
    format!("leaves-{number:05}.parquet")
}

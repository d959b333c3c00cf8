//! The chain as this software knows it: subtensor's runtime metadata at one spec version, pinned by its hash, and the
//! bindings that subxt generates from it.
//!
//! Nothing here talks to a node, at build time or later. The pinned file is the chain's own metadata without its
//! documentation and without the pallets and runtime APIs we never use; `scripts/update-metadata` rebuilds it.
#![forbid(unsafe_code)]

use parity_scale_codec::Decode;
use subxt::metadata::Metadata;

/// The chain's calls, storage, constants, events, errors and runtime APIs, as types.
///
/// Their docs are left out of the pinned file, so none are generated.
#[allow(missing_docs, unused_qualifications, clippy::all, reason = "generated from the pinned metadata")]
#[subxt::subxt(runtime_metadata_path = "subtensor-461.v15.scale")]
pub mod subtensor {}

/// The pinned metadata: SCALE-encoded `RuntimeMetadataPrefixed`, version 15.
pub const METADATA: &[u8] = include_bytes!("../subtensor-461.v15.scale");

/// SHA-256 of [`METADATA`], in lower-case hex.
pub const METADATA_SHA256: &str = "85474f479ec2614ceb6f0dbb52a834d0de83eaedb147fb6ae45fa255a3d88579";

/// The runtime's name, as `Core_version` reports it.
pub const SPEC_NAME: &str = "node-subtensor";

/// The runtime version whose metadata is pinned.
pub const SPEC_VERSION: u32 = 461;

/// The transaction format version that belongs to [`SPEC_VERSION`].
pub const TRANSACTION_VERSION: u32 = 1;

/// Decodes the pinned metadata.
pub fn metadata() -> Metadata {
    Metadata::decode(&mut &METADATA[..]).expect("a test decodes the pinned metadata")
}

//! The pinned file is the one that the bindings were reviewed with.

use chain_metadata::{METADATA, METADATA_SHA256, metadata};
use sha2::{Digest, Sha256};

#[test]
fn metadata_file_has_the_pinned_hash() {
    assert_eq!(hex::encode(Sha256::digest(METADATA)), METADATA_SHA256);
}

#[test]
fn metadata_keeps_what_the_client_uses_and_nothing_of_the_docs() {
    let metadata = metadata();
    for pallet in ["System", "Timestamp", "Balances", "SubtensorModule", "Commitments", "Drand", "Swap"] {
        assert!(metadata.pallet_by_name(pallet).is_some(), "{pallet}");
    }
    for api in ["NeuronInfoRuntimeApi", "SubnetInfoRuntimeApi", "StakeInfoRuntimeApi", "SwapRuntimeApi"] {
        assert!(metadata.runtime_api_trait_by_name(api).is_some(), "{api}");
    }
    assert!(metadata.pallets().all(|pallet| pallet.docs().is_empty()));
    assert!(metadata.types().types.iter().all(|ty| ty.ty.docs.is_empty()));
}

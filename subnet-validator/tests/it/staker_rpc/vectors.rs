//! What the page's own checks are tested with: trees, proofs and a head, made by the protocol's code.

use std::path::Path;

use parity_scale_codec::Encode;
use protocol::digest::Digest;
use protocol::head::TreeHead;
use protocol::head::shards::{Log, Logs};
use protocol::merkle;
use serde_json::{Value, json};

use crate::support::{miner_key, receipt, validator};

const SIZES: [usize; 7] = [1, 2, 3, 4, 7, 8, 13];

fn vectors() -> Value {
    let records: Vec<Vec<u8>> =
        (0..13).map(|sequence| receipt(&miner_key("//Bob"), sequence).encode()).collect();
    let leaves: Vec<Digest> = records.iter().map(|record| merkle::leaf_hash(record)).collect();
    let mut proofs = Vec::new();
    for size in SIZES {
        let root = merkle::root(&leaves[..size]);
        for index in 0..size {
            let path = merkle::inclusion_proof(&leaves[..size], index).unwrap();
            assert!(merkle::verify_inclusion(&leaves[index], index as u64, size as u64, &path, &root));
            proofs.push(json!({ "index": index, "size": size, "leafHash": leaves[index], "root": root, "path": path }));
        }
    }
    let head = TreeHead {
        netuid: 64,
        validator: validator().public(),
        epoch_index: 7,
        block_number: 2_520,
        block_hash: Digest::of(b"block"),
        logs: Logs::One(Log { tree_size: 13, root: merkle::root(&leaves), first_index: 2 }),
        previous: Digest::ZERO,
        policy: Digest::of(b"policy"),
        miners: Digest::of(b"miners"),
        window_start_ms: 0,
        window_end_ms: 1_000,
        scores: Digest::of(b"scores"),
    };
    let digest = head.digest();
    let encoded = format!("0x{}", hex::encode(head.sign(&validator()).encode()));
    let records: Vec<String> = records.iter().map(|record| format!("0x{}", hex::encode(record))).collect();
    json!({
        "records": records,
        "proofs": proofs,
        "head": { "encoded": encoded, "digest": digest, "root": merkle::root(&leaves), "size": 13, "epochIndex": 7 },
    })
}

#[test]
fn the_pages_test_vectors_are_what_the_protocol_computes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("page/tests/vectors.json");
    let text = serde_json::to_string(&vectors()).unwrap() + "\n";
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == text,
        "run this test with UPDATE_REFERENCE=1"
    );
}

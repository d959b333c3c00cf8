//! The frozen bytes of everything signed, stored or hashed. A difference here is a change of the protocol: it
//! needs a new version in the signing domain or the record, not a new vector.

use std::collections::BTreeMap;

use parity_scale_codec::Encode;

use crate::catalogue_document::{CatalogueDocument, Modality, Offer, WeightFile};
use crate::dispute::{Contradiction, RecordBytes};
use crate::evidence::{Evidence, Finding, Missed, WrongAnswer};
use crate::fixtures::{Call, account, key, model_id, observation, receipt, ticket, with_log};
use crate::head::shards::{Log, Logs, ShardHead};
use crate::head::{TreeHead, miners_hash, registry_hash};
use crate::inventory::{HotModel, Inventory};
use crate::manifest::{FileEntry, Manifest, Part, ShardSlices, Slice};
use crate::policy_document::PolicyDocument;
use crate::scoring::{Miner, Policy};
use crate::standing::{Conviction, Doubt, Standings};
use crate::ticket::Kind;
use crate::{Digest, catalogue, challenge, merkle, receipt as receipts};

/// `name hex` on each line.
const WIRE: &str = include_str!("vectors/wire.txt");

fn built() -> BTreeMap<&'static str, Vec<u8>> {
    let countersigned = Call::to("Bob", 7).countersigned();
    let model = HotModel {
        id: model_id("m"),
        weights_digest: Digest([0x11; 32]),
        context_tokens: 2_048,
        slots: 4,
        in_flight: 1,
    };
    let inventory = Inventory {
        netuid: 64,
        miner: account("Bob"),
        issued_at_ms: 1_752_076_800_000,
        device: "cpu".to_owned(),
        memory_bytes: 8 << 30,
        models: vec![model],
    };
    let mut frontier = merkle::Frontier::new();
    for leaf in 0..3_u8 {
        frontier.push(merkle::leaf_hash(&[leaf]));
    }
    let entry = catalogue::Model {
        id: model_id("m"),
        weights_digest: Digest([0x11; 32]),
        prompt_multiplier: 1_000,
        completion_multiplier: 3_000,
        memory_bytes: 1 << 30,
    };
    let file = WeightFile {
        name: "m.gguf".to_owned(),
        bytes: 5,
        sha256: Digest([0x11; 32]),
        sources: vec!["https://example.org/m.gguf".to_owned()],
        root: None,
    };
    let offer = Offer { model: entry.clone(), modality: Modality::Text, files: vec![file] };
    let mut rooted = offer.clone();
    rooted.files[0].root = Some(Digest([0x12; 32]));
    let offered = CatalogueDocument::new(64, account("Alice"), 1_752_076_800_000, vec![offer]);
    let rooted = CatalogueDocument::new(64, account("Alice"), 1_752_076_800_000, vec![rooted]);
    let asked = challenge::Challenge {
        netuid: 64,
        validator: account("Alice"),
        miner: account("Bob"),
        issued_at_ms: 1_752_076_800_000,
        answer_ms_max: 5_000,
        seed: Digest([0x13; 32]),
        task: challenge::Task::Weights(challenge::WeightsTask {
            model: model_id("m"),
            file: Digest([0x11; 32]),
            bytes: 5,
            root: merkle::leaf_hash(b"bytes"),
            pieces: 1,
        }),
    };
    let product = challenge::ProductTask { rows: 3, inner: 2, columns: 1, shown: 1 };
    let piece = challenge::Piece { content: b"bytes".to_vec(), path: Vec::new() };
    let shown = challenge::Shown::Weights(challenge::Pieces(vec![piece]));
    let answer = challenge::Answer { challenge: asked.digest(), shown };
    let row = challenge::OpenedRow { values: vec![1, 2], path: vec![Digest([0x14; 32])] };
    let rows = challenge::product::Rows(vec![row]);
    let evidence = |finding| Evidence {
        netuid: 64,
        validator: account("Alice"),
        miner: account("Bob"),
        observed_at_ms: 1_752_076_800_001,
        finding,
    };
    let (missed, signed) = (asked.clone().sign(&key("Alice")), answer.clone().sign(&key("Bob")));
    let wrong = WrongAnswer { challenge: missed.clone(), answer: signed };
    let standings = Standings {
        convicted: vec![Conviction { miner: account("Bob"), evidence: vec![Digest([0x15; 32])] }],
        doubted: vec![Doubt { miner: account("Charlie"), evidence: vec![Digest([0x16; 32])] }],
    };
    let convicted = Standings { doubted: Vec::new(), ..standings.clone() };
    let registered = [Miner::new(account("Bob"), account("Charlie"))];
    let document = PolicyDocument::new(64, Policy::default(), &crate::fixtures::catalogue());
    let tree_head = TreeHead {
        netuid: 64,
        validator: account("Alice"),
        epoch_index: 12,
        block_number: 4_320,
        block_hash: Digest([0x66; 32]),
        logs: Logs::One(Log { tree_size: 3, root: frontier.root(), first_index: 1 }),
        previous: Digest([0x77; 32]),
        policy: document.hash(),
        miners: Digest([0x88; 32]),
        window_start_ms: 1_751_475_600_000,
        window_end_ms: 1_752_076_800_000,
        scores: Digest([0x99; 32]),
    };
    let shard_head = ShardHead {
        netuid: 64,
        validator: account("Alice"),
        shard: 1,
        epoch_index: 11,
        tree_size: 2,
        root: merkle::root(&[merkle::leaf_hash(&[0]), merkle::leaf_hash(&[1])]),
        first_index: 0,
        window_start_ms: 1_751_472_000_000,
        window_end_ms: 1_752_072_480_000,
        previous: Digest([0x78; 32]),
    };
    let leading = ShardHead { shard: 0, epoch_index: 12, tree_size: 3, root: frontier.root(), ..shard_head };
    let (window_start_ms, window_end_ms) = (tree_head.window_start_ms, tree_head.window_end_ms);
    let leading = ShardHead { window_start_ms, window_end_ms, ..leading };
    let shards = vec![leading.entry(false), shard_head.entry(false)];
    let head_of_shards = TreeHead { logs: Logs::Shards { shards }, ..tree_head.clone() };
    head_of_shards.clone().sign(&key("Alice")).verify().unwrap();
    let part = Part {
        hour: 486_688,
        miner: account("Bob"),
        first: 0,
        last: 2,
        rows: 3,
        bytes: 100,
        sha256: Digest([0x18; 32]),
    };
    let slices = vec![Slice { first: 0, end: 3, parts: vec![part] }];
    let manifest = Manifest {
        netuid: 64,
        validator: account("Alice"),
        epoch_index: 12,
        head: Digest([0x19; 32]),
        files: vec![FileEntry { name: "heads.scale".to_owned(), bytes: 3, sha256: Digest::of(b"abc") }],
        slices: slices.clone(),
        shards: Vec::new(),
    };
    let manifest_of_shards = Manifest { shards: vec![ShardSlices { shard: 1, slices }], ..manifest.clone() };
    let rates = crate::fixtures::catalogue();
    let mut scorer = crate::scoring::Scorer::new(&Policy::default(), &rates, window_end_ms + 1);
    scorer.add_once(&countersigned);
    let sums = crate::scoring::Sums::of(&scorer, document.hash()).unwrap();
    BTreeMap::from([
        ("ticket", ticket().encode()),
        ("ticket_hash", ticket().hash().encode()),
        ("ticket_signature", ticket().sign(&key("Alice")).signature.encode()),
        ("receipt", receipt(&ticket()).encode()),
        (
            "receipt_without_fingerprint",
            receipts::Receipt { fingerprint: None, ..receipt(&ticket()) }.encode(),
        ),
        ("receipt_hash", receipt(&ticket()).hash().encode()),
        ("receipt_signature", receipt(&ticket()).sign(&key("Bob")).signature.encode()),
        ("observation", observation().encode()),
        ("countersigned", countersigned.encode()),
        ("countersigned_leaf", countersigned.leaf_hash().encode()),
        ("inventory", inventory.encode()),
        ("inventory_signature", inventory.sign(&key("Bob")).signature.encode()),
        ("frontier_of_three", frontier.encode()),
        ("catalogue_model", entry.encode()),
        ("catalogue_document", offered.signed_bytes()),
        ("catalogue_document_hash", offered.hash().encode()),
        ("catalogue_document_signature", offered.clone().sign(&key("Alice")).signature.encode()),
        ("catalogue_document_v2", rooted.signed_bytes()),
        ("catalogue_document_v2_hash", rooted.hash().encode()),
        ("catalogue_document_v2_signature", rooted.sign(&key("Alice")).signature.encode()),
        ("challenge_of_weights", asked.encode()),
        ("challenge_digest", asked.digest().encode()),
        ("challenge_signature", asked.sign(&key("Alice")).signature.encode()),
        ("challenge_of_product", challenge::Task::Product(product).encode()),
        ("answer_of_weights", answer.encode()),
        ("answer_signature", answer.sign(&key("Bob")).signature.encode()),
        (
            "answer_of_product",
            challenge::Shown::Product(challenge::Product { root: Digest([0x17; 32]), rows }).encode(),
        ),
        ("evidence_of_a_wrong_answer", evidence(Finding::WrongAnswer(Box::new(wrong))).encode()),
        ("evidence_of_missed_challenges", evidence(Finding::Missed(Missed(vec![missed]))).encode()),
        ("standings", standings.encode()),
        ("registry_hash_with_convictions", registry_hash(&registered, &convicted).encode()),
        ("registry_hash_with_doubts", registry_hash(&registered, &standings).encode()),
        ("modalities", [Modality::Text, Modality::Embedding].encode()),
        ("policy_default", Policy::default().encode()),
        ("policy_default_hash", Policy::default().hash().encode()),
        ("policy_document", document.encode()),
        ("policy_document_hash", document.hash().encode()),
        ("policy_document_signature", document.clone().sign(&key("Alice")).signature.encode()),
        ("tree_head", tree_head.encode()),
        ("tree_head_digest", tree_head.digest().encode()),
        ("tree_head_signature", tree_head.clone().sign(&key("Alice")).signature.encode()),
        ("shard_head", shard_head.encode()),
        ("shard_head_digest", shard_head.digest().encode()),
        ("shard_head_signature", shard_head.clone().sign(&key("Alice")).signature.encode()),
        ("tree_head_v2", head_of_shards.encode()),
        ("tree_head_v2_digest", head_of_shards.digest().encode()),
        ("tree_head_v2_signature", head_of_shards.clone().sign(&key("Alice")).signature.encode()),
        ("manifest", manifest.encode()),
        ("manifest_signature", manifest.clone().sign(&key("Alice")).signature.encode()),
        ("manifest_v3", manifest_of_shards.encode()),
        ("manifest_v3_signature", manifest_of_shards.clone().sign(&key("Alice")).signature.encode()),
        ("sums", sums.encode()),
        ("contradiction_of_shard_heads", {
            let other = ShardHead { root: Digest::ZERO, ..shard_head.clone() };
            let [one, other] = [shard_head.clone(), other].map(|head| Box::new(head.sign(&key("Alice"))));
            Contradiction::ShardHeads(one, other).encode()
        }),
        ("contradiction_of_a_denied_shard", {
            let other = ShardHead { root: Digest::ZERO, ..shard_head.clone() };
            let (own, head) = (other.sign(&key("Alice")), head_of_shards.clone().sign(&key("Alice")));
            Contradiction::Denied(Box::new(own), Box::new(head)).encode()
        }),
        ("miners_hash", miners_hash(&[Miner::new(account("Bob"), account("Charlie"))]).encode()),
        ("contradiction_of_heads", {
            let other = with_log(tree_head.clone(), |log| log.root = Digest::ZERO);
            let [one, other] = [tree_head, other].map(|head| Box::new(head.sign(&key("Alice"))));
            Contradiction::Heads(one, other).encode()
        }),
        ("contradiction_of_calls", {
            let call = RecordBytes::of(&countersigned);
            Contradiction::Calls(call.clone(), call).encode()
        }),
        (
            "kinds",
            [Kind::Chat, Kind::Completion, Kind::Embedding, Kind::Probe, Kind::BountyClaim, Kind::Tokenize]
                .encode(),
        ),
        ("finish_reasons", {
            use receipts::FinishReason::{Cancelled, Error, Length, Stop};
            [Stop, Length, Cancelled, Error].encode()
        }),
        ("outcomes", {
            use receipts::Outcome::{ClientGone, Delivered, MinerFailed, OutputMismatch};
            [Delivered, ClientGone, MinerFailed, OutputMismatch].encode()
        }),
    ])
}

#[test]
fn every_encoding_has_its_frozen_bytes_and_no_vector_is_left_over() {
    let frozen: BTreeMap<&str, &str> = WIRE.lines().filter_map(|line| line.split_once(' ')).collect();
    let built: BTreeMap<&str, String> =
        built().into_iter().map(|(name, bytes)| (name, hex::encode(bytes))).collect();
    let differing: Vec<String> = built
        .iter()
        .filter(|(name, hex)| frozen.get(*name) != Some(&hex.as_str()))
        .map(|(name, hex)| format!("{name} {hex}\n"))
        .collect();
    assert!(differing.is_empty(), "not as frozen:\n{}", differing.concat());
    assert_eq!(frozen.len(), built.len());
}

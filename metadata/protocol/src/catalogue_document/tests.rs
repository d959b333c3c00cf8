use super::*;
use crate::fixtures::{account, key, model_id};

fn offer(name: &str, weights: u8, multiplier: u32, source: &str) -> Offer {
    let weights_digest = Digest([weights; 32]);
    Offer {
        model: Model {
            id: model_id(name),
            weights_digest,
            prompt_multiplier: multiplier / 2,
            completion_multiplier: multiplier,
            memory_bytes: 1 << 20,
        },
        modality: Modality::Text,
        files: vec![WeightFile {
            name: "model.gguf".to_owned(),
            bytes: 7,
            sha256: weights_digest,
            sources: vec![source.to_owned()],
            root: None,
        }],
    }
}

fn document(validator: &str, offers: Vec<Offer>) -> CatalogueDocument {
    CatalogueDocument::new(64, account(validator), 1_000, offers)
}

fn expected(validator: &str) -> Expected {
    Expected { netuid: 64, validator: account(validator), now_ms: 1_000 }
}

#[test]
fn a_document_round_trips_as_json() {
    let signed = document("Alice", vec![offer("b", 1, 10, "https://b"), offer("a", 2, 20, "https://a")])
        .sign(&key("Alice"));
    let json = serde_json::to_string(&signed).unwrap();
    assert_eq!(serde_json::from_str::<SignedCatalogue>(&json).unwrap(), signed);
    let verified = signed.verify(&expected("Alice")).unwrap();
    let names: Vec<_> = verified.offers.iter().map(|offer| offer.model.id.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn an_altered_document_is_refused_whichever_byte_it_is() {
    for root in [None, Some(Digest([9; 32]))] {
        let mut offered = offer("a", 1, 10, "https://a");
        offered.files[0].root = root;
        let json = serde_json::to_vec(&document("Alice", vec![offered]).sign(&key("Alice"))).unwrap();
        for at in 0..json.len() {
            let mut altered = json.clone();
            altered[at] ^= 1;
            let verified = serde_json::from_slice::<SignedCatalogue>(&altered)
                .ok()
                .and_then(|signed| signed.verify(&expected("Alice")).ok());
            assert_eq!(verified, None, "byte {at}");
        }
    }
}

#[test]
fn a_document_without_roots_is_signed_as_ever_and_one_with_roots_for_a_purpose_of_its_own() {
    let plain = document("Alice", vec![offer("a", 1, 10, "https://a")]);
    assert_eq!(plain.signed_bytes(), plain.encode());
    let mut rooted = plain.clone();
    rooted.offers[0].files[0].root = Some(Digest([9; 32]));
    assert_ne!(rooted.hash(), plain.hash());
    let signed = rooted.clone().sign(&key("Alice"));
    // The root cannot be taken out or put in under the other's signature.
    let without = SignedCatalogue { document: plain.clone(), signature: signed.signature };
    assert!(matches!(without.verify(&expected("Alice")), Err(DocumentError::Signature(_))));
    let with = SignedCatalogue { document: rooted.clone(), ..plain.clone().sign(&key("Alice")) };
    assert!(matches!(with.verify(&expected("Alice")), Err(DocumentError::Signature(_))));
    assert_eq!(signed.verify(&expected("Alice")), Ok(rooted.clone()));
    // Who merges takes the root from whoever names one.
    let bob = CatalogueDocument { validator: account("Bob"), ..rooted };
    let merged = merge(&[Voice { document: &plain, stake_rao: 9 }, Voice { document: &bob, stake_rao: 1 }]);
    assert_eq!(merged[0].files[0].root, Some(Digest([9; 32])));
}

#[test]
fn a_document_of_another_subnet_validator_or_time_is_refused() {
    let signed = document("Alice", Vec::new()).sign(&key("Alice"));
    let verify = |expected| signed.clone().verify(&expected).unwrap_err();
    assert_eq!(verify(Expected { netuid: 1, ..expected("Alice") }), DocumentError::Netuid { found: 64 });
    assert_eq!(verify(expected("Bob")), DocumentError::Validator { found: account("Alice") });
    let early = CatalogueDocument { issued_at_ms: 61_001, ..document("Alice", Vec::new()) };
    let refused = early.sign(&key("Alice")).verify(&expected("Alice")).unwrap_err();
    assert_eq!(refused, DocumentError::IssuedAhead { ahead_ms: 60_001 });
    let forged = document("Alice", Vec::new()).sign(&key("Bob")).verify(&expected("Alice")).unwrap_err();
    assert!(matches!(forged, DocumentError::Signature(_)));
}

#[test]
fn an_offer_whose_files_could_not_be_stored_or_trusted_is_refused() {
    type Change = fn(&mut Offer);
    let changes: [(Change, &str); 9] = [
        (|offer| offer.files[0].name = "/etc/passwd".to_owned(), "name"),
        (|offer| offer.files[0].name = "a/../b".to_owned(), "name"),
        (|offer| offer.files[0].name = "../model".to_owned(), "name"),
        (|offer| offer.files[0].name = ".hidden".to_owned(), "name"),
        (|offer| offer.files[0].bytes = 0, "empty"),
        (|offer| offer.files[0].sources = vec!["x".to_owned(); SOURCES_MAX + 1], "sources"),
        (|offer| offer.files[0].sha256 = Digest::ZERO, "digest"),
        (|offer| offer.files.push(offer.files[0].clone()), "one name"),
        (|offer| offer.model.memory_bytes = 0, "memory"),
    ];
    for (change, word) in changes {
        let mut offer = offer("a", 1, 10, "https://a");
        change(&mut offer);
        let refused = document("Alice", vec![offer]).check().unwrap_err();
        assert!(refused.to_string().contains(word), "{refused}");
    }
    let twice = CatalogueDocument {
        offers: vec![offer("a", 1, 1, "x"), offer("a", 1, 1, "x")],
        ..document("Alice", Vec::new())
    };
    assert_eq!(twice.check(), Err(DocumentError::Order));
}

#[test]
fn the_weights_with_most_stake_win_a_name_and_their_price_is_the_median() {
    let documents = [
        document("Alice", vec![offer("m", 1, 10, "https://alice")]),
        document("Bob", vec![offer("m", 2, 90, "https://bob")]),
        document("Charlie", vec![offer("m", 1, 50, "https://charlie"), offer("n", 3, 1, "https://n")]),
        document("Dave", vec![offer("m", 1, 4_000_000_000, "https://dave")]),
    ];
    let voices = |stakes: [u64; 4]| {
        let voices: Vec<_> =
            documents.iter().zip(stakes).map(|(document, stake_rao)| Voice { document, stake_rao }).collect();
        merge(&voices)
    };
    let merged = voices([20, 50, 21, 19]);
    assert_eq!(merged.iter().map(|offer| offer.model.id.as_str()).collect::<Vec<_>>(), ["m", "n"]);
    assert_eq!(merged[0].model.weights_digest, Digest([1; 32]));
    assert_eq!(merged[0].model.completion_multiplier, 50);
    assert_eq!(merged[0].files[0].sources, ["https://charlie", "https://alice", "https://dave"]);
    let bobs = voices([20, 500, 21, 20]);
    assert_eq!((bobs[0].model.weights_digest, bobs[0].model.completion_multiplier), (Digest([2; 32]), 90));
    // Without any stake everybody counts the same, and the smaller digest wins a tie.
    assert_eq!(voices([0, 0, 0, 0])[0].model.weights_digest, Digest([1; 32]));
}

#[test]
fn merging_does_not_depend_on_the_order_and_an_older_document_does_not_count() {
    let old = document("Alice", vec![offer("gone", 1, 10, "https://a")]);
    let new =
        CatalogueDocument { issued_at_ms: 2_000, ..document("Alice", vec![offer("m", 1, 20, "https://a")]) };
    let other = document("Bob", vec![offer("m", 1, 30, "https://b")]);
    let voice = |document, stake_rao| Voice { document, stake_rao };
    let merged = merge(&[voice(&old, 5), voice(&new, 5), voice(&other, 5)]);
    assert_eq!(merged, merge(&[voice(&other, 5), voice(&new, 5), voice(&old, 5)]));
    assert_eq!(merged.len(), 1);
    assert_eq!(merged[0].model.completion_multiplier, 20);
}

//! Interoperability with plain schnorrkel, determinism, domains, weak keys, batches.

use curve25519_dalek::Scalar;
use proptest::prelude::*;
use schnorrkel::context::SigningTranscript;

use super::*;
use crate::fixtures::{account, key};

#[test]
fn development_keys_are_those_of_the_python_sdk() {
    let known = [
        ("//Alice", "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"),
        ("//Alice//stash", "5GNJqTPyNqANBkUVMN1LPPrxXnFouWXoe2wNSmmEoLctxiZY"),
        ("//Bob", "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty"),
        ("//Charlie", "5FLSigC9HGRKVhB9FiEo4Y3koPsNmBmLJbpXg2mp1hXcS59Y"),
        ("//5", "5EFb84yH9tpcFuiKUcsmdoF7xeeY3ajG1ZLQimxQoFt9HMKR"),
        (
            "//a-very-long-junction-name-that-is-over-32-bytes",
            "5FToHbEZkehC3NGHAfjAyiMmyVUVv3gHSn5gBxtBSsiAmZZS",
        ),
    ];
    for (uri, address) in known {
        assert_eq!(Keypair::from_dev_uri(uri).unwrap().public().to_ss58(), address, "{uri}");
    }
    for bad in ["", "Alice", "/Alice", "//", "//Alice/soft", "//Alice//", "////"] {
        assert_eq!(Keypair::from_dev_uri(bad).unwrap_err(), KeyError::DevUri, "{bad}");
    }
}

#[test]
fn plain_schnorrkel_accepts_our_signatures_and_we_accept_its() {
    let ours = key("Alice").sign(Domain::Btauth, b"message");
    let public = PublicKey::from_bytes(&account("Alice").0).unwrap();
    let parsed = schnorrkel::Signature::from_bytes(&ours.0).unwrap();
    public.verify_simple(b"substrate", b"message", &parsed).unwrap();
    // Drawn with operating-system randomness, so another nonce each time.
    let theirs = Signature(key("Alice").0.sign_simple(b"substrate", b"message").to_bytes());
    assert_ne!(theirs, ours);
    assert_eq!(verify(Domain::Btauth, &account("Alice"), b"message", &theirs), Ok(()));
}

#[test]
fn signing_is_deterministic_and_the_nonce_depends_on_key_and_message() {
    let (alice, bob) = (key("Alice"), key("Bob"));
    let signature = alice.sign(Domain::Ticket, b"message");
    assert_eq!(alice.clone().sign(Domain::Ticket, b"message"), signature);
    let nonce_point = |signature: Signature| signature.0[..32].to_vec();
    let others = [
        alice.sign(Domain::Ticket, b"messagf"),
        alice.sign(Domain::Receipt, b"message"),
        bob.sign(Domain::Ticket, b"message"),
    ];
    for other in others {
        assert_ne!(nonce_point(other), nonce_point(signature));
    }
    // The nonce half of the secret keeps the nonce secret: changing only it changes the nonce, not the public
    // key.
    let mut secret = alice.0.secret.to_ed25519_bytes();
    secret[40] ^= 1;
    let same_key = Keypair::from_secret(&secret).unwrap();
    assert_eq!(same_key.public(), alice.public());
    assert_ne!(nonce_point(same_key.sign(Domain::Ticket, b"message")), nonce_point(signature));
}

#[test]
fn domain_prefixes_are_frozen() {
    let prefixes: [(Domain, &[u8]); 15] = [
        (Domain::Extrinsic, b""),
        (Domain::Btauth, b""),
        (Domain::Ticket, b"SN_TICKET_V1\0"),
        (Domain::Receipt, b"SN_RECEIPT_V1\0"),
        (Domain::Countersignature, b"SN_COUNTERSIGNATURE_V1\0"),
        (Domain::Acknowledgement, b"SN_ACKNOWLEDGEMENT_V1\0"),
        (Domain::Inventory, b"SN_INVENTORY_V1\0"),
        (Domain::TreeHead, b"SN_TREE_HEAD_V1\0"),
        (Domain::TreeHeadOfShards, b"SN_TREE_HEAD_V2\0"),
        (Domain::ShardHead, b"SN_SHARD_HEAD_V1\0"),
        (Domain::ShardAnswer, b"SN_SHARD_ANSWER_V1\0"),
        (Domain::ManifestOfShards, b"SN_MANIFEST_V3\0"),
        (Domain::Manifest, b"SN_MANIFEST_V2\0"),
        (Domain::PolicyDocument, b"SN_POLICY_DOCUMENT_V1\0"),
        (Domain::Catalogue, b"SN_CATALOGUE_V1\0"),
    ];
    for (domain, prefix) in prefixes {
        assert_eq!(domain.prefix(), prefix);
        let others = prefixes.iter().filter(|(other, _)| *other != domain && !prefix.is_empty());
        for (other, other_prefix) in others {
            assert!(
                other_prefix.is_empty() || !other_prefix.starts_with(prefix),
                "{domain:?} begins {other:?}"
            );
        }
    }
}

#[test]
fn a_signature_verifies_in_its_domain_only() {
    let signature = key("Alice").sign(Domain::Ticket, b"message");
    assert_eq!(verify(Domain::Ticket, &account("Alice"), b"message", &signature), Ok(()));
    for other in
        [Domain::Extrinsic, Domain::Btauth, Domain::Receipt, Domain::Countersignature, Domain::Inventory]
    {
        assert_eq!(verify(other, &account("Alice"), b"message", &signature), Err(BadSignature), "{other:?}");
    }
    assert_eq!(verify(Domain::Ticket, &account("Bob"), b"message", &signature), Err(BadSignature));
    assert_eq!(verify(Domain::Ticket, &account("Alice"), b"massage", &signature), Err(BadSignature));
}

#[test]
fn the_identity_key_is_refused_though_anybody_can_sign_for_it() {
    // With the identity as public key, R = s * G verifies for every message.
    let identity = AccountId([0; 32]);
    let mut forged = [0; 64];
    forged[63] = 0x80;
    let public = PublicKey::from_bytes(&identity.0).unwrap();
    let parsed = schnorrkel::Signature::from_bytes(&forged).unwrap();
    public.verify_simple(b"substrate", b"anything", &parsed).unwrap();
    assert_eq!(verify(Domain::Btauth, &identity, b"anything", &Signature(forged)), Err(BadSignature));
    let batch = [(Domain::Btauth, identity, b"anything".to_vec(), Signature(forged))];
    assert_eq!(verify_batch(&batch), Err(BadSignature));
}

#[test]
fn secrets_round_trip_in_the_key_files_form_and_odd_ones_are_refused() {
    let alice = key("Alice");
    let secret = alice.0.secret.to_ed25519_bytes();
    let again = Keypair::from_secret(&secret).unwrap();
    assert_eq!(again.public(), alice.public());
    assert_eq!(again.sign(Domain::Ticket, b"m"), alice.sign(Domain::Ticket, b"m"));
    let mut low_bits = secret;
    low_bits[0] |= 1;
    assert_eq!(Keypair::from_secret(&low_bits).unwrap_err(), KeyError::Secret);
    assert_eq!(Keypair::from_secret(&[0xff; 64]).unwrap_err(), KeyError::Secret);
    assert_eq!(Keypair::from_secret(&[0; 64]).unwrap_err(), KeyError::Secret);
}

#[test]
fn debug_output_shows_the_public_key_and_no_secret() {
    let shown = format!("{:?}", key("Alice"));
    assert_eq!(shown, format!("Keypair({})", account("Alice")));
    let secret = hex::encode(key("Alice").0.secret.to_bytes());
    assert!(!shown.contains(&secret[..16]));
}

fn batch_of(count: u8) -> Vec<(Domain, AccountId, Vec<u8>, Signature)> {
    let item = |number: u8| {
        let (key, domain) = if number.is_multiple_of(2) {
            (key("Alice"), Domain::Ticket)
        } else {
            (key("Bob"), Domain::Receipt)
        };
        let message = vec![number; usize::from(number)];
        let signature = key.sign(domain, &message);
        (domain, key.public(), message, signature)
    };
    (0..count).map(item).collect()
}

#[test]
fn a_batch_passes_if_all_of_it_does_and_fails_with_any_one_bad() {
    for count in [0, 1, 2, 9] {
        assert_eq!(verify_batch(&batch_of(count)), Ok(()), "{count}");
    }
    for bad in 0..9 {
        let mut batch = batch_of(9);
        batch[bad].2.push(0);
        assert_eq!(verify_batch(&batch), Err(BadSignature), "message {bad}");
        let mut batch = batch_of(9);
        batch[bad].0 = Domain::Manifest;
        assert_eq!(verify_batch(&batch), Err(BadSignature), "domain {bad}");
    }
    // Of two accounts, and of one, whose coefficients are added up.
    for other in [1, 2] {
        let mut swapped = batch_of(3);
        (swapped[0].3, swapped[other].3) = (swapped[other].3, swapped[0].3);
        assert_eq!(verify_batch(&swapped), Err(BadSignature));
    }
}

/// The coefficients that schnorrkel's deterministic batch verification uses: known to whoever knows keys,
/// messages and the first halves of the signatures.
fn known_coefficients(batch: &[(Domain, AccountId, Vec<u8>, Signature)]) -> Vec<Scalar> {
    let mut transcript = merlin::Transcript::new(b"V-RNG");
    batch.iter().for_each(|(_, account, _, _)| transcript.append_message(b"", &account.0));
    batch.iter().for_each(|(_, _, _, signature)| transcript.append_message(b"", &signature.0[..32]));
    for (domain, _, message, _) in batch {
        let mut bytes = [0; 16];
        signing_context(CONTEXT).bytes(&domain.wrap(message)).witness_bytes_rng(
            b"",
            &mut bytes,
            &[&[]],
            FixedRng::zeroes(),
        );
        transcript.append_message(b"", &bytes);
    }
    let mut rng = transcript.build_rng().finalize(&mut FixedRng::zeroes());
    let next = |_: &_| {
        let mut bytes = [0; 16];
        rand_core::RngCore::fill_bytes(&mut rng, &mut bytes);
        Scalar::from(u128::from_le_bytes(bytes))
    };
    batch.iter().map(next).collect()
}

fn shift(signature: &mut Signature, by: Scalar) {
    let mut half: [u8; 32] = signature.0[32..].try_into().unwrap();
    half[31] &= 0x7f;
    let shifted = (Scalar::from_canonical_bytes(half).unwrap() + by).to_bytes();
    signature.0[32..].copy_from_slice(&shifted);
    signature.0[63] |= 0x80;
}

#[test]
fn two_signatures_shifted_against_each_other_fail_in_a_batch_as_they_do_alone() {
    let all = batch_of(3);
    shifted_pair_fails(vec![all[0].clone(), all[1].clone()]);
    shifted_pair_fails(vec![all[0].clone(), all[2].clone()]);
}

fn shifted_pair_fails(mut batch: Vec<(Domain, AccountId, Vec<u8>, Signature)>) {
    let coefficients = known_coefficients(&batch);
    shift(&mut batch[0].3, coefficients[1]);
    shift(&mut batch[1].3, -coefficients[0]);
    for (domain, account, message, signature) in &batch {
        assert_eq!(verify(*domain, account, message, signature), Err(BadSignature));
    }
    // The attack is real: coefficients that do not depend on the shifted halves let the pair through.
    let transcripts =
        batch.iter().map(|(domain, _, message, _)| signing_context(CONTEXT).bytes(&domain.wrap(message)));
    let publics: Vec<_> =
        batch.iter().map(|(_, account, _, _)| PublicKey::from_bytes(&account.0).unwrap()).collect();
    let signatures: Vec<_> = batch
        .iter()
        .map(|(_, _, _, signature)| schnorrkel::Signature::from_bytes(&signature.0).unwrap())
        .collect();
    schnorrkel::verify_batch_deterministic(transcripts, &signatures, &publics, false).unwrap();
    assert_eq!(verify_batch(&batch), Err(BadSignature));
}

proptest! {
    #![proptest_config(crate::fixtures::at_least(64))]

    #[test]
    fn one_flipped_bit_of_a_signature_fails(bit in 0_usize..512) {
        let mut signature = key("Alice").sign(Domain::Ticket, b"message");
        signature.0[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(verify(Domain::Ticket, &account("Alice"), b"message", &signature), Err(BadSignature));
    }
}

//! One test for each category of bad request.

use super::*;

fn assert_malformed(request: &Request, header: &str) {
    match request.verify() {
        Err(AuthError::Malformed { header: found, .. }) => assert_eq!(found, header),
        other => panic!("expected {header} to be malformed, got {other:?}"),
    }
}

#[test]
fn a_good_request_is_accepted_and_names_its_sender() {
    let caller = Request::signed().verify().unwrap();
    assert_eq!((caller.hotkey, caller.nonce_ns), (account("Alice"), NOW_NS));
    assert_eq!(Request::signed().collect().unwrap().claimed_sender(), &account("Alice"));
}

#[test]
fn header_names_compare_without_regard_to_case() {
    let mut request = Request::signed();
    request.headers.iter_mut().for_each(|(name, _)| name.make_ascii_uppercase());
    assert!(request.verify().is_ok());
}

#[test]
fn a_missing_header_is_malformed_and_a_missing_receiver_is_the_wrong_one() {
    for name in [VERSION, HOTKEY, NONCE, SIGNATURE] {
        assert_malformed(&Request::signed().without(name), name);
    }
    assert_eq!(Request::signed().without(RECEIVER).verify(), Err(AuthError::WrongReceiver));
}

#[test]
fn a_header_twice_is_malformed_even_with_one_value_or_an_unknown_name() {
    for name in [VERSION, HOTKEY, RECEIVER, NONCE, SIGNATURE] {
        let mut request = Request::signed();
        let again = request.get(name).into_bytes();
        request.headers.push((name.to_ascii_uppercase(), again));
        assert_malformed(&request, name);
    }
    let mut request = Request::signed();
    request.headers.push((CRYPTO.to_owned(), b"sr25519".to_vec()));
    request.headers.push((CRYPTO.to_owned(), b"sr25519".to_vec()));
    assert_malformed(&request, CRYPTO);
    let mut request = Request::signed();
    request.headers.push(("x-bittensor-drand-round".to_owned(), b"1".to_vec()));
    assert!(request.verify().is_ok(), "unknown headers are not signed and are left alone");
    request.headers.push(("X-Bittensor-Drand-Round".to_owned(), b"1".to_vec()));
    assert_malformed(&request, "x-bittensor-*");
}

#[test]
fn too_many_headers_or_too_long_a_name_is_malformed() {
    let mut request = Request::signed();
    for number in 0..HEADERS_MAX {
        request.headers.push((format!("x-bittensor-{number}"), Vec::new()));
    }
    assert_malformed(&request, "x-bittensor-*");
    let mut request = Request::signed();
    request.headers.push((format!("x-bittensor-{}", "a".repeat(60)), Vec::new()));
    assert_malformed(&request, "x-bittensor-*");
}

#[test]
fn another_version_is_malformed() {
    for version in ["", "2", "01", "1 ", "btauth/1"] {
        assert_malformed(&Request::signed().set(VERSION, version), VERSION);
    }
}

#[test]
fn a_sender_that_is_not_48_characters_is_refused_before_base58() {
    let alice = account("Alice").to_ss58();
    for sender in ["", "5", &alice[1..], &format!("{alice}1"), &"1".repeat(47), &"1".repeat(130)] {
        assert_malformed(&Request::signed().set(HOTKEY, sender), HOTKEY);
    }
    // A value of 64 KiB fails on its length alone.
    assert_malformed(&Request::signed().set(HOTKEY, "1".repeat(65_536)), HOTKEY);
}

#[test]
fn a_sender_with_a_bad_checksum_alphabet_or_prefix_is_malformed() {
    let alice = account("Alice").to_ss58();
    for sender in [alice.replace('Y', "Z"), alice.replace('Y', "0"), format!("é{}", &alice[2..])] {
        assert_malformed(&Request::signed().set(HOTKEY, sender), HOTKEY);
    }
}

#[test]
fn a_nonce_that_is_not_1_to_20_digits_is_malformed() {
    for nonce in [
        "",
        "-1",
        "+1",
        "1_000",
        "1e18",
        "0x1",
        " 1752076800000000000",
        "1752076800000000000.0",
        &"1".repeat(21),
        "١٢٣",
    ] {
        assert_malformed(&Request::signed().set(NONCE, nonce), NONCE);
    }
}

#[test]
fn a_nonce_over_64_bits_is_stale() {
    for nonce in ["18446744073709551616", "99999999999999999999"] {
        assert_eq!(Request::signed().set(NONCE, nonce).verify(), Err(AuthError::Stale));
    }
    assert_eq!(Request::signed().set(NONCE, "18446744073709551615").verify(), Err(AuthError::Stale));
    assert_eq!(Request::signed().set(NONCE, "0").verify(), Err(AuthError::Stale));
}

#[test]
fn a_scheme_that_is_not_letter_for_letter_is_malformed() {
    for scheme in ["", "SR25519", "Ed25519", "ed25519 ", "0", "1", "ecdsa", "hashed", "mldsa"] {
        assert_malformed(&Request::signed().set(CRYPTO, scheme), CRYPTO);
    }
}

#[test]
fn another_scheme_than_the_signatures_does_not_verify() {
    assert_eq!(Request::signed().set(CRYPTO, "ed25519").verify(), Err(AuthError::BadSignature));
}

#[test]
fn a_signature_that_is_not_exactly_64_bytes_of_hex_is_malformed() {
    let good = Request::signed().get(SIGNATURE);
    let spaced = format!("{} {}", &good[..66], &good[67..]);
    let bad = [
        String::new(),
        "0x".to_owned(),
        good[2..].to_owned(),
        format!("{good}00"),
        good[..128].to_owned(),
        spaced,
        good.replace("0x", "0X"),
    ];
    for signature in bad {
        assert_malformed(&Request::signed().set(SIGNATURE, signature), SIGNATURE);
    }
    assert_malformed(&Request::signed().set(SIGNATURE, format!("0xg{}", &good[3..])), SIGNATURE);
}

#[test]
fn another_receiver_is_the_wrong_one() {
    assert_eq!(Request::signed().verify_as(&account("Charlie"), NOW_NS), Err(AuthError::WrongReceiver));
    for receiver in ["", "-", &account("Charlie").to_ss58(), &account("Bob").to_ss58().to_lowercase()] {
        assert_eq!(Request::signed().set(RECEIVER, receiver).verify(), Err(AuthError::WrongReceiver));
    }
    // Rewriting the header to the verifier's own address breaks the signature instead.
    let rewritten = Request::signed().set(RECEIVER, account("Charlie").to_ss58());
    assert_eq!(rewritten.verify_as(&account("Charlie"), NOW_NS), Err(AuthError::BadSignature));
}

#[test]
fn the_window_is_ten_seconds_back_and_two_ahead_to_the_nanosecond() {
    let at = |nonce_ns: u64| Request::signed_at(nonce_ns).verify();
    assert!(at(NOW_NS - 10_000_000_000).is_ok());
    assert_eq!(at(NOW_NS - 10_000_000_001), Err(AuthError::Stale));
    assert!(at(NOW_NS + 2_000_000_000).is_ok());
    assert_eq!(at(NOW_NS + 2_000_000_001), Err(AuthError::Stale));
}

#[test]
fn another_method_target_body_or_sender_breaks_the_signature() {
    let bad = [
        Request { method: "PUT".to_owned(), ..Request::signed() },
        Request { target: "/generate?stream=true".to_owned(), ..Request::signed() },
        Request { target: "/generate".to_owned(), ..Request::signed() },
        Request { target: "/generate%3Fstream=false".to_owned(), ..Request::signed() },
        Request { body: b"{}".to_vec(), ..Request::signed() },
        Request { body: Vec::new(), ..Request::signed() },
        Request::signed().set(HOTKEY, account("Charlie").to_ss58()),
        Request::signed().set(NONCE, (NOW_NS + 1).to_string()),
    ];
    for request in bad {
        assert_eq!(request.verify(), Err(AuthError::BadSignature), "{request:?}");
    }
}

#[test]
fn a_request_line_with_a_line_feed_or_space_is_malformed() {
    for (method, target) in
        [("POST", "/a\n/b"), ("POST", "/a b"), ("POST", ""), ("PO\nST", "/a"), ("", "/a"), ("POST", "/é")]
    {
        let request = Request { method: method.to_owned(), target: target.to_owned(), ..Request::signed() };
        assert_malformed(&request, "request line");
    }
}

#[test]
fn a_signature_over_the_wrapped_payload_is_refused() {
    let request = Request::signed();
    let parts = RequestParts {
        method: "POST",
        target: "/generate?stream=false",
        body_sha256: Digest::of(&request.body),
    };
    let bytes = payload::payload(
        Scheme::Sr25519,
        &parts,
        NOW_NS,
        &account("Alice").to_ss58(),
        &account("Bob").to_ss58(),
    );
    let wrapped = [b"<Bytes>".as_slice(), &bytes, b"</Bytes>"].concat();
    let signature = key("Alice").sign(crate::signing::Domain::Btauth, &wrapped).to_string();
    assert_eq!(request.set(SIGNATURE, signature).verify(), Err(AuthError::BadSignature));
}

#[test]
fn weak_keys_are_refused_though_anybody_can_sign_for_them() {
    let zero = AccountId([0; 32]);
    let mut forged = [0; 64];
    forged[63] = 0x80;
    let request = Request::signed()
        .set(HOTKEY, zero.to_ss58())
        .set(SIGNATURE, crate::signing::Signature(forged).to_string());
    assert_eq!(request.verify(), Err(AuthError::BadSignature));
    // The ed25519 identity point: R the identity and s zero satisfy the plain equation for every message.
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut forged = [0; 64];
    forged[0] = 1;
    let request = Request::signed()
        .set(HOTKEY, AccountId(identity).to_ss58())
        .set(CRYPTO, "ed25519")
        .set(SIGNATURE, crate::signing::Signature(forged).to_string());
    assert_eq!(request.verify(), Err(AuthError::BadSignature));
}

#[test]
fn a_value_that_is_not_visible_ascii_is_malformed() {
    for value in [vec![0xff, 0xfe], b"a b".to_vec(), b"a\tb".to_vec(), vec![0]] {
        assert_malformed(&Request::signed().set(RECEIVER, value), RECEIVER);
    }
}

#[test]
fn codes_are_stable() {
    let malformed = AuthError::Malformed { header: HOTKEY, problem: "missing" };
    let errors =
        [malformed, AuthError::WrongReceiver, AuthError::Stale, AuthError::BadSignature, AuthError::Replayed];
    let codes =
        ["auth_malformed", "auth_wrong_receiver", "auth_stale", "auth_bad_signature", "auth_replayed"];
    assert_eq!(errors.map(|error| error.code()), codes);
}

//! Requests signed by the Python SDK, bittensor 11.3.0, `http_auth.sign` with `//Alice` of either scheme.

use super::*;

const SR25519_SIGNATURE: &str = "0x5812c5957e8d4e25f266094047d929dfb624c7632754f55d74e233512d5c066e\
                                 118505aa7e18fe8588135ff5fc99d2329a7b943c0377c5f4d63b659383bd0881";
const ED25519_SENDER: &str = "5FA9nQDVg267DEd8m1ZypXLBnvN7SFxYwV7ndqSYGiN9TTpu";
const ED25519_SIGNATURE: &str = "0x1a6b631988bf1f7ea093ab9d5acf61f05c316d0b0e428b24b487b75a5f6ee0e1\
                                 a56a26918fdf871b6cf09437e6588023a4ce423cf622621b2a7feee17612f704";

/// Header names in the SDK's own case and order.
fn from_sdk(sender: &str, signature: &str) -> Request {
    let headers = [
        ("X-Bittensor-Version", "1"),
        ("X-Bittensor-Hotkey", sender),
        ("X-Bittensor-Nonce", "1752076800000000000"),
        ("X-Bittensor-Signature", signature),
        ("X-Bittensor-Receiver", "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty"),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).to_vec();
    Request { headers, ..Request::signed() }
}

#[test]
fn an_sr25519_request_of_the_sdk_is_accepted() {
    let request = from_sdk("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY", SR25519_SIGNATURE);
    let caller = request.verify().unwrap();
    assert_eq!((caller.hotkey, caller.nonce_ns), (account("Alice"), NOW_NS));
    // Naming the default scheme changes nothing.
    assert!(request.set("x-bittensor-crypto", "sr25519").verify().is_ok());
}

/// A request of the SDK's under the other scheme.
pub(super) fn ed25519() -> Request {
    from_sdk(ED25519_SENDER, ED25519_SIGNATURE).set("X-Bittensor-Crypto", "ed25519")
}

#[test]
fn an_ed25519_request_of_the_sdk_is_accepted_under_that_scheme_only() {
    let request = from_sdk(ED25519_SENDER, ED25519_SIGNATURE);
    let declared = request.clone().set("X-Bittensor-Crypto", "ed25519");
    assert_eq!(declared.verify().unwrap().hotkey, ED25519_SENDER.parse().unwrap());
    assert_eq!(request.verify(), Err(AuthError::BadSignature));
}

#[test]
fn the_ed25519_vector_is_reproduced_exactly() {
    // //Alice of the ed25519 scheme: the seed is BLAKE2b-256 of SCALE ("Ed25519HDKD", parent seed, padded
    // junction).
    use blake2::Digest as _;
    use ed25519_dalek::Signer as _;
    use parity_scale_codec::Encode as _;
    let parent: [u8; 32] = hex::decode("fac7959dbfe72f052e5a0c3c8d6530f202b02fd8f9f5ca3580ec8deb7797479e")
        .unwrap()
        .try_into()
        .unwrap();
    let mut junction = [0_u8; 32];
    junction[..6].copy_from_slice(b"\x14Alice");
    let seed =
        blake2::Blake2b::<blake2::digest::consts::U32>::digest(("Ed25519HDKD", parent, junction).encode());
    let key = ed25519_dalek::SigningKey::from_bytes(&seed.into());
    let body_sha256 = Digest::of(br#"{"prompt": "hello"}"#);
    assert_eq!(body_sha256.to_string(), "0x341c57448e531310fbbe83f44cea2a5e838bd9e8a6b82b269f01d0dbbc23c3cc");
    let parts = RequestParts { method: "post", target: "/generate?stream=false", body_sha256 };
    let bytes = payload::payload(Scheme::Ed25519, &parts, NOW_NS, ED25519_SENDER, &account("Bob").to_ss58());
    assert_eq!(AccountId(key.verifying_key().to_bytes()).to_ss58(), ED25519_SENDER);
    assert_eq!(format!("0x{}", hex::encode(key.sign(&bytes).to_bytes())), ED25519_SIGNATURE);
}

#[test]
fn the_payload_is_eight_lines() {
    let parts = RequestParts {
        method: "post",
        target: "/generate?stream=false",
        body_sha256: Digest::of(br#"{"prompt": "hello"}"#),
    };
    let bytes = payload::payload(
        Scheme::Sr25519,
        &parts,
        NOW_NS,
        &account("Alice").to_ss58(),
        &account("Bob").to_ss58(),
    );
    let expected = "btauth/1\nsr25519\nPOST\n/generate?stream=false\n\
                    341c57448e531310fbbe83f44cea2a5e838bd9e8a6b82b269f01d0dbbc23c3cc\n1752076800000000000\n\
                    5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY\n5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty";
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
}

//! Tickets: headers, signatures, admission, limits.

use parity_scale_codec::DecodeAll;

use super::*;
use crate::fixtures::{account, key, ticket};

fn expectation() -> Expectation {
    Expectation {
        netuid: 64,
        miner: account("Bob"),
        request_sha256: Digest([0x22; 32]),
        now_ms: 1_752_076_800_500,
    }
}

#[test]
fn a_ticket_survives_its_header_and_verifies() {
    let signed = ticket().sign(&key("Alice"));
    let again = SignedTicket::from_header(&signed.to_header()).unwrap();
    assert_eq!(again, signed);
    let valid = again.verify().unwrap();
    assert_eq!(*valid, ticket());
    assert_eq!(valid.admit(&expectation()), Ok(()));
    assert_eq!(valid.sent_by(&account("Alice")), Ok(()));
    assert_eq!(valid.sent_by(&account("Charlie")), Err(TicketError::Sender));
    assert_eq!(valid.into_signed(), signed);
}

#[test]
fn a_ticket_signed_by_another_key_or_changed_after_signing_does_not_verify() {
    assert_eq!(ticket().sign(&key("Charlie")).verify(), Err(BadSignature));
    let mut changed = ticket().sign(&key("Alice"));
    changed.ticket.completion_tokens_max += 1;
    assert_eq!(changed.verify(), Err(BadSignature));
}

#[test]
fn a_validators_own_ticket_is_what_checking_it_would_give_and_no_other_key_issues_it() {
    let issued = ticket().issue(&key("Alice")).unwrap();
    assert_eq!(issued.as_signed().clone().verify(), Ok(issued));
    assert_eq!(ticket().issue(&key("Bob")), Err(NotTheValidator { found: account("Bob") }));
}

#[test]
fn a_ticket_for_other_circumstances_is_not_admitted() {
    let valid = ticket().sign(&key("Alice")).verify().unwrap();
    let cases = [
        (Expectation { netuid: 65, ..expectation() }, TicketError::Netuid { found: 64 }),
        (Expectation { miner: account("Charlie"), ..expectation() }, TicketError::Miner),
        (Expectation { request_sha256: Digest::ZERO, ..expectation() }, TicketError::Request),
        (Expectation { now_ms: ticket().deadline_ms, ..expectation() }, TicketError::Expired),
        (
            Expectation { now_ms: ticket().issued_at_ms - 2_001, ..expectation() },
            TicketError::IssuedAhead { ahead_ms: 2_001 },
        ),
    ];
    for (expected, error) in cases {
        assert_eq!(valid.admit(&expected), Err(error));
    }
    assert_eq!(valid.admit(&Expectation { now_ms: ticket().issued_at_ms - 2_000, ..expectation() }), Ok(()));
    assert_eq!(valid.admit(&Expectation { now_ms: ticket().deadline_ms - 1, ..expectation() }), Ok(()));
    let backwards =
        Ticket { deadline_ms: ticket().issued_at_ms, ..ticket() }.sign(&key("Alice")).verify().unwrap();
    let before = Expectation { now_ms: ticket().issued_at_ms - 1, ..expectation() };
    assert_eq!(backwards.admit(&before), Err(TicketError::Expired));
}

#[test]
fn a_hash_names_every_field() {
    let other = account("Charlie");
    let variants = [
        Ticket { netuid: 1, ..ticket() },
        Ticket { validator: other, ..ticket() },
        Ticket { miner: other, ..ticket() },
        Ticket { model: "x".try_into().unwrap(), ..ticket() },
        Ticket { weights_digest: Digest::ZERO, ..ticket() },
        Ticket { request_sha256: Digest::ZERO, ..ticket() },
        Ticket { sequence: 8, ..ticket() },
        Ticket { issued_at_ms: 0, ..ticket() },
        Ticket { deadline_ms: 0, ..ticket() },
        Ticket { prompt_tokens_max: 0, ..ticket() },
        Ticket { completion_tokens_max: 0, ..ticket() },
        Ticket { payer: Digest::ZERO, ..ticket() },
        Ticket { kind: Kind::Probe, ..ticket() },
        ticket(),
    ];
    let hashes: std::collections::BTreeSet<_> = variants.iter().map(Ticket::hash).collect();
    assert_eq!(hashes.len(), variants.len());
}

#[test]
fn model_names_are_limited_in_length_and_characters() {
    for good in ["a", "SmolLM2-135M-Instruct", "org/model_v1.2:q4", &"x".repeat(128)] {
        assert_eq!(ModelId::try_from(good).unwrap().as_str(), good);
    }
    for bad in ["", "a b", "ä", "a\n", "a\"", "<s>", &"x".repeat(129)] {
        assert_eq!(ModelId::try_from(bad), Err(BadModelId), "{bad:?}");
        assert_eq!(bad.to_owned().try_into(), Err::<ModelId, _>(BadModelId), "{bad:?}");
        assert!(ModelId::decode_all(&mut bad.encode().as_slice()).is_err(), "{bad:?}");
        assert!(serde_json::from_value::<ModelId>(bad.into()).is_err(), "{bad:?}");
    }
    // A length prefix of almost 1 GiB with nothing behind it is refused before anything is allocated.
    assert!(ModelId::decode_all(&mut &[0xfe, 0xff, 0xff, 0xff][..]).is_err());
}

#[test]
fn a_header_that_is_not_exactly_one_ticket_is_refused() {
    let header = ticket().sign(&key("Alice")).to_header();
    let long = format!("0x{}", "0".repeat(1_025));
    assert_eq!(SignedTicket::from_header(&long), Err(HeaderError::TooLong { found: 1_027, max: 1_026 }));
    assert_eq!(SignedTicket::from_header(""), Err(HeaderError::Hex));
    assert_eq!(SignedTicket::from_header(&header[2..]), Err(HeaderError::Hex));
    assert_eq!(SignedTicket::from_header(&header[..header.len() - 1]), Err(HeaderError::Hex));
    assert_eq!(SignedTicket::from_header(&header.replacen('0', "g", 2)), Err(HeaderError::Hex));
    assert!(matches!(SignedTicket::from_header(&header[..header.len() - 2]), Err(HeaderError::Scale(_))));
    assert!(matches!(SignedTicket::from_header(&format!("{header}00")), Err(HeaderError::Scale(_))));
    assert!(matches!(SignedTicket::from_header("0x"), Err(HeaderError::Scale(_))));
}

#[test]
fn the_largest_ticket_fits_a_header() {
    let largest = Ticket { model: "x".repeat(128).try_into().unwrap(), ..ticket() }.sign(&key("Alice"));
    assert!(largest.encode().len() < SIGNED_BYTES_MAX);
    assert_eq!(SignedTicket::from_header(&largest.to_header()).unwrap(), largest);
}

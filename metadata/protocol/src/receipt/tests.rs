//! Receipts: each way that one may be bad, and the same checks on what is read back.

use proptest::prelude::*;

use super::*;
use crate::fixtures::{Call, account, key, observation, receipt, ticket};

fn valid_ticket() -> ValidTicket {
    ticket().sign(&key("Alice")).verify().unwrap()
}

fn check(receipt: Receipt) -> Result<MinerSigned, ReceiptError> {
    MinerSigned::check(valid_ticket(), receipt.sign(&key("Bob")))
}

fn countersigned() -> Countersigned {
    Call::to("Bob", 7).countersigned()
}

#[test]
fn a_receipt_survives_its_header() {
    let signed = receipt(&ticket()).sign(&key("Bob"));
    assert_eq!(SignedReceipt::from_header(&signed.to_header()).unwrap(), signed);
    assert!(Encode::encode(&signed).len() < SIGNED_BYTES_MAX);
    assert!(matches!(
        SignedReceipt::from_header(&format!("{}00", signed.to_header())),
        Err(HeaderError::Scale(_))
    ));
}

#[test]
fn a_good_receipt_is_countersigned_by_the_tickets_validator_only() {
    let signed = check(receipt(&ticket())).unwrap();
    assert_eq!((signed.ticket(), signed.receipt()), (&ticket(), &receipt(&ticket())));
    let found = account("Bob");
    assert_eq!(
        signed.clone().countersign(observation(), &key("Bob")),
        Err(ReceiptError::OtherValidator { found })
    );
    let done = signed.countersign(observation(), &key("Alice")).unwrap();
    assert_eq!(
        (done.ticket(), done.receipt(), done.observation()),
        (&ticket(), &receipt(&ticket()), &observation())
    );
}

#[test]
fn a_receipt_outside_its_ticket_is_refused() {
    let base = receipt(&ticket());
    let cases = [
        (Receipt { ticket_hash: Digest::ZERO, ..base.clone() }, ReceiptError::OtherTicket),
        (
            Receipt { prompt_tokens: 2_049, ..base.clone() },
            ReceiptError::PromptTokens { claimed: 2_049, max: 2_048 },
        ),
        (
            Receipt { completion_tokens: 513, ..base.clone() },
            ReceiptError::CompletionTokens { claimed: 513, max: 512 },
        ),
        (Receipt { first_token_ms: 2_301, ..base.clone() }, ReceiptError::Times),
    ];
    for (bad, error) in cases {
        assert_eq!(check(bad), Err(error));
    }
    assert!(check(Receipt { prompt_tokens: 2_048, completion_tokens: 512, ..base }).is_ok());
}

#[test]
fn a_receipt_not_signed_by_the_tickets_miner_is_refused() {
    let forged = receipt(&ticket()).sign(&key("Charlie"));
    assert_eq!(MinerSigned::check(valid_ticket(), forged), Err(ReceiptError::Receipt(BadSignature)));
    let mut changed = receipt(&ticket()).sign(&key("Bob"));
    changed.receipt.completion_tokens += 1;
    assert_eq!(MinerSigned::check(valid_ticket(), changed), Err(ReceiptError::Receipt(BadSignature)));
}

#[test]
fn a_stored_record_reads_back_and_verifies() {
    let record = countersigned();
    let bytes = record.encode();
    assert!(bytes.len() < COUNTERSIGNED_BYTES_MAX);
    let again = UncheckedCountersigned::from_bytes(&bytes).unwrap().verify().unwrap();
    assert_eq!(again, record);
    assert_eq!(again.leaf_hash(), merkle::leaf_hash(&bytes));
}

#[test]
fn each_of_the_three_signatures_is_checked_when_reading_back() {
    let unchecked = |change: fn(&mut Countersigned)| {
        let mut record = countersigned();
        change(&mut record);
        record.into_unchecked().verify()
    };
    assert_eq!(
        unchecked(|record| record.ticket.signature.0[0] ^= 1),
        Err(ReceiptError::Ticket(BadSignature))
    );
    assert_eq!(
        unchecked(|record| record.ticket.ticket.sequence += 1),
        Err(ReceiptError::Ticket(BadSignature))
    );
    assert_eq!(
        unchecked(|record| record.receipt.signature.0[0] ^= 1),
        Err(ReceiptError::Receipt(BadSignature))
    );
    assert_eq!(
        unchecked(|record| record.receipt.receipt.total_ms += 1),
        Err(ReceiptError::Receipt(BadSignature))
    );
    assert_eq!(
        unchecked(|record| record.signature.0[0] ^= 1),
        Err(ReceiptError::Countersignature(BadSignature))
    );
    let outcome = unchecked(|record| record.observation.outcome = Outcome::MinerFailed);
    assert_eq!(outcome, Err(ReceiptError::Countersignature(BadSignature)));
    // A good receipt under another of the same validator's tickets.
    let other = unchecked(|record| record.ticket = ticket().sign(&key("Alice")));
    assert!(other.is_ok(), "the fixture's own ticket is the same one");
    let other = unchecked(|record| record.ticket = Ticket { sequence: 8, ..ticket() }.sign(&key("Alice")));
    assert_eq!(other, Err(ReceiptError::OtherTicket));
}

#[test]
fn a_batch_of_records_verifies_or_names_the_first_bad_one() {
    let records: Vec<_> = (0..5).map(|sequence| Call::to("Bob", sequence).countersigned()).collect();
    let unchecked = || records.iter().cloned().map(Countersigned::into_unchecked).collect::<Vec<_>>();
    assert_eq!(UncheckedCountersigned::verify_all(unchecked()), Ok(records.clone()));
    let mut bad = unchecked();
    bad[3].0.signature.0[1] ^= 1;
    bad[4].0.receipt.signature.0[1] ^= 1;
    assert_eq!(
        UncheckedCountersigned::verify_all(bad),
        Err((3, ReceiptError::Countersignature(BadSignature)))
    );
    let mut bad = unchecked();
    bad[2].0.receipt = receipt(&ticket()).sign(&key("Bob"));
    assert_eq!(UncheckedCountersigned::verify_all(bad), Err((2, ReceiptError::OtherTicket)));
}

#[test]
fn bytes_that_are_not_exactly_one_record_are_refused() {
    let bytes = countersigned().encode();
    for length in 0..bytes.len() {
        assert!(
            matches!(UncheckedCountersigned::from_bytes(&bytes[..length]), Err(ReceiptError::Decode(_))),
            "{length}"
        );
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(matches!(UncheckedCountersigned::from_bytes(&longer), Err(ReceiptError::Decode(_))));
    let mut other_version = bytes.clone();
    other_version[0] = 2;
    assert!(matches!(UncheckedCountersigned::from_bytes(&other_version), Err(ReceiptError::Decode(_))));
    assert!(matches!(UncheckedCountersigned::from_bytes(&[1; 4_096]), Err(ReceiptError::Decode(_))));
}

#[test]
fn tokenizing_earns_nothing() {
    let mut call = Call::to("Bob", 7);
    call.ticket.kind = Kind::Tokenize;
    assert!(!call.countersigned().counts());
}

#[test]
fn only_a_whole_answer_as_signed_counts() {
    assert!(countersigned().counts());
    for outcome in [Outcome::ClientGone, Outcome::MinerFailed, Outcome::OutputMismatch] {
        let call = Call { observation: Observation { outcome, ..observation() }, ..Call::to("Bob", 7) };
        assert!(!call.countersigned().counts(), "{outcome:?}");
    }
    let other_output = Observation { output_sha256: Digest::ZERO, ..observation() };
    assert!(!Call { observation: other_output, ..Call::to("Bob", 7) }.countersigned().counts());
    for (finish_reason, counts) in [
        (FinishReason::Stop, true),
        (FinishReason::Length, true),
        (FinishReason::Cancelled, false),
        (FinishReason::Error, false),
    ] {
        let call = Call { finish_reason, ..Call::to("Bob", 7) };
        assert_eq!(call.countersigned().counts(), counts, "{finish_reason:?}");
    }
}

proptest! {
    #![proptest_config(crate::fixtures::at_least(256))]

    #[test]
    fn any_bytes_decode_or_fail_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..800)) {
        if let Ok(record) = UncheckedCountersigned::from_bytes(&bytes) {
            prop_assert!(record.verify().is_err());
        }
    }

    #[test]
    fn one_changed_bit_anywhere_in_a_record_is_noticed(position in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut bytes = countersigned().encode();
        let position = position.index(bytes.len());
        bytes[position] ^= 1 << bit;
        let read = UncheckedCountersigned::from_bytes(&bytes).and_then(UncheckedCountersigned::verify);
        prop_assert!(read.is_err(), "byte {} bit {}", position, bit);
    }
}

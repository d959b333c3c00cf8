use super::*;
use crate::fingerprint::{FingerprintBuilder, Measure};
use crate::fixtures::{Call, account, key};
use crate::receipt::{MinerSigned, Observation, Outcome, Receipt};
use crate::ticket::Ticket;

const REQUEST: &[u8] = br#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#;
const OUTPUT: &[u8] = b"{\"id\":\"chatcmpl-1\"}\n";

fn fingerprint(tokens: u32) -> Fingerprint {
    let mut builder = FingerprintBuilder::default();
    (0..tokens).for_each(|token| builder.push((0..200).map(|place| (token * 7 + place * 13) as u16)));
    let proofs = builder.take_last().iter().map(|chunk| chunk.prove().unwrap()).collect();
    Fingerprint::new((0..tokens).collect(), proofs).unwrap()
}

/// A call of Alice to Bob of that request and answer.
pub(crate) fn call(sequence: u64, change: impl FnOnce(&mut Ticket, &mut Receipt)) -> Countersigned {
    let mut ticket = Call::to("Bob", sequence).ticket;
    ticket.request_sha256 = Digest::of(REQUEST);
    let mut receipt = Receipt {
        output_sha256: Digest::of(OUTPUT),
        completion_tokens: 40,
        fingerprint: Some(fingerprint(40).digest()),
        ..crate::fixtures::receipt(&ticket)
    };
    change(&mut ticket, &mut receipt);
    receipt.ticket_hash = ticket.hash();
    let observation = Observation {
        first_byte_ms: 1,
        last_byte_ms: 2,
        tokens_delivered: 40,
        output_sha256: receipt.output_sha256,
        outcome: Outcome::Delivered,
    };
    let ticket = ticket.sign(&key("Alice")).verify().unwrap();
    let signed = MinerSigned::check(ticket, receipt.sign(&key("Bob"))).unwrap();
    signed.countersign(observation, &key("Alice")).unwrap()
}

pub(crate) fn evidence(finding: Finding) -> SignedEvidence {
    let (validator, miner) = (account("Alice"), account("Bob"));
    Evidence { netuid: 64, validator, miner, observed_at_ms: 9, finding }.sign(&key("Alice"))
}

pub(crate) fn reexecution(call: &Countersigned, fault: Fault) -> Reexecution {
    Reexecution {
        call: RecordBytes::of(call),
        request: REQUEST.to_vec(),
        output: OUTPUT.to_vec(),
        fingerprint: fingerprint(40).encode(),
        fault,
    }
}

fn verify(again: Reexecution) -> Result<ValidEvidence, EvidenceError> {
    evidence(Finding::Reexecution(Box::new(again))).verify()
}

fn measure(exponent_mismatches: u32) -> Measure {
    Measure { values: 128, exponent_mismatches, mantissa_error_mean_milli: 0, mantissa_error_median_milli: 0 }
}

#[test]
fn a_fault_counts_only_where_its_numbers_are_beyond_what_chance_gives() {
    let states = |first| Fault::States(Comparison { measures: vec![measure(first), measure(0), measure(0)] });
    let cases = [
        (states(120), true),
        (states(3), false),
        (Fault::States(Comparison { measures: vec![measure(120)] }), false),
        (Fault::Improbable { tokens: 20 }, true),
        (Fault::Improbable { tokens: 3 }, false),
        (Fault::Improbable { tokens: 41 }, false),
        (Fault::PromptLength { found: 30 }, true),
        (Fault::PromptLength { found: 31 }, false),
        (Fault::TokenCount, false),
        (Fault::Text, true),
        (Fault::NoFingerprint, false),
    ];
    for (fault, counts) in cases {
        let found = verify(reexecution(&call(1, |_, _| {}), fault.clone()));
        assert_eq!(found.is_ok(), counts, "{fault:?}: {found:?}");
    }
    let mut without = reexecution(&call(1, |_, receipt| receipt.fingerprint = None), Fault::NoFingerprint);
    without.fingerprint.clear();
    assert!(verify(without).is_ok());
    let fewer = call(1, |_, receipt| receipt.completion_tokens = 39);
    assert!(verify(reexecution(&fewer, Fault::TokenCount)).is_ok());
}

#[test]
fn what_cannot_be_executed_again_proves_nothing() {
    let two = br#"{"model":"m","messages":[{"role":"user","content":"x"}],"n":2}"#;
    let asked_for_two = call(1, |ticket, receipt| {
        ticket.request_sha256 = Digest::of(two);
        // Both answers' tokens, the first one's fingerprint.
        receipt.completion_tokens = 80;
    });
    let again = Reexecution { request: two.to_vec(), ..reexecution(&asked_for_two, Fault::TokenCount) };
    assert_eq!(verify(again), Err(EvidenceError::NotRepeatable(NotRepeatable::Answers(2))));

    for kind in [Kind::Embedding, Kind::Completion] {
        let other = call(1, |ticket, receipt| {
            ticket.kind = kind;
            receipt.fingerprint = None;
        });
        let again = Reexecution { fingerprint: Vec::new(), ..reexecution(&other, Fault::NoFingerprint) };
        assert_eq!(verify(again), Err(EvidenceError::Innocent), "{kind:?}");
    }
}

#[test]
fn texts_of_another_call_prove_nothing() {
    let good = || reexecution(&call(1, |_, _| {}), Fault::Text);
    assert!(verify(good()).is_ok());
    let spoiled: [fn(&mut Reexecution); 3] = [
        |again| again.request.push(b' '),
        |again| again.output.push(b' '),
        |again| again.fingerprint.push(0),
    ];
    for spoil in spoiled {
        let mut again = good();
        spoil(&mut again);
        assert_eq!(verify(again), Err(EvidenceError::OtherTexts));
    }
}

#[test]
fn the_same_answer_for_two_tickets_is_a_replay_and_two_answers_are_none() {
    let finding = |other: &Countersigned| {
        let papers = [call(1, |_, _| {}), other.clone()].map(|call| RecordBytes::of(&call));
        let [one, other] = papers;
        evidence(Finding::ReplayedAnswer(one, other)).verify()
    };
    let valid = finding(&call(2, |ticket, _| ticket.issued_at_ms += 5)).unwrap();
    assert_eq!(valid.call().unwrap().ticket().sequence, 2);
    let innocent = [
        call(1, |_, _| {}),
        call(2, |_, receipt| receipt.output_sha256 = Digest([9; 32])),
        call(2, |ticket, _| ticket.kind = Kind::Embedding),
        call(2, |_, receipt| receipt.finish_reason = FinishReason::Error),
    ];
    for other in innocent {
        assert_eq!(finding(&other), Err(EvidenceError::Innocent));
    }
}

#[test]
fn two_receipts_for_one_ticket_are_evidence_and_an_altered_byte_is_not() {
    let papers = [call(1, |_, _| {}), call(1, |_, receipt| receipt.completion_tokens = 41)]
        .map(|call| RecordBytes::of(&call));
    let [one, other] = papers;
    let signed = evidence(Finding::DoubledReceipt(one, other));
    assert!(signed.clone().verify().is_ok());
    let bytes = signed.encode();
    for at in (0..bytes.len()).step_by(7) {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        let verified = SignedEvidence::from_bytes(&altered).and_then(SignedEvidence::verify);
        assert!(verified.is_err(), "byte {at}");
    }
}

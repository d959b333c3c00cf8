use super::*;
use crate::digest::Digest;
use crate::fixtures::{Call, account, key};
use crate::head::TreeHead;
use crate::receipt::Outcome;

fn round_trip(contradiction: &Contradiction) -> Result<Guilt, DisputeError> {
    Contradiction::from_bytes(&contradiction.encode())?.verify()
}

fn calls(one: &Countersigned, other: &Countersigned) -> Result<Guilt, DisputeError> {
    round_trip(&Contradiction::Calls(RecordBytes::of(one), RecordBytes::of(other)))
}

fn head(window_end_ms: u64) -> TreeHead {
    TreeHead {
        netuid: 64,
        validator: account("Alice"),
        epoch_index: 1,
        block_number: 1,
        block_hash: Digest::ZERO,
        tree_size: 1,
        root: Digest::ZERO,
        first_index: 0,
        previous: Digest::ZERO,
        policy: Digest::ZERO,
        miners: Digest::ZERO,
        window_start_ms: 0,
        window_end_ms,
        scores: Digest::ZERO,
    }
}

#[test]
fn two_heads_for_one_tempo_prove_a_forked_log() {
    let one = head(1).sign(&key("Alice"));
    let other = TreeHead { root: Digest([1; 32]), ..head(1) }.sign(&key("Alice"));
    let pair = |one: &SignedHead, other: &SignedHead| {
        round_trip(&Contradiction::Heads(Box::new(one.clone()), Box::new(other.clone())))
    };
    assert_eq!(pair(&one, &other), Ok(Guilt::ForkedLog { validator: account("Alice") }));
    assert_eq!(pair(&one, &one), Err(DisputeError::Consistent));
    let forged = TreeHead { root: Digest([1; 32]), ..head(1) }.sign(&key("Bob"));
    assert!(matches!(pair(&one, &forged), Err(DisputeError::Head(_))), "nobody is framed");
}

#[test]
fn two_calls_under_one_number_prove_who_doubled_them() {
    let call = Call::to("Bob", 7);
    let one = call.countersigned();
    assert_eq!(calls(&one, &one), Err(DisputeError::Consistent));
    assert_eq!(calls(&one, &Call::to("Bob", 8).countersigned()), Err(DisputeError::Consistent));
    let mut other_ticket = Call::to("Bob", 7);
    other_ticket.ticket.deadline_ms += 1;
    let alice = Ok(Guilt::DoubledCall { validator: account("Alice") });
    assert_eq!(calls(&one, &other_ticket.countersigned()), alice);
    let other_receipt = Call { completion_tokens: 98, ..Call::to("Bob", 7) };
    let bob = Ok(Guilt::DoubledReceipt { miner: account("Bob") });
    assert_eq!(calls(&one, &other_receipt.countersigned()), bob);
    let mut other_sight = Call::to("Bob", 7);
    other_sight.observation.outcome = Outcome::MinerFailed;
    assert_eq!(calls(&one, &other_sight.countersigned()), alice);
}

#[test]
fn a_forged_paper_proves_nothing() {
    let one = Call::to("Bob", 7).countersigned();
    let forged = Call { completion_tokens: 98, ..Call::to("Bob", 7) }.unsigned();
    assert!(matches!(calls(&one, &forged), Err(DisputeError::Call(_))));
    let huge = (1_u8, vec![0_u8; COUNTERSIGNED_BYTES_MAX + 1], Vec::<u8>::new()).encode();
    assert_eq!(Contradiction::from_bytes(&huge), Err(DisputeError::Decode));
}

#[test]
fn a_call_is_in_the_log_altered_or_omitted() {
    let call = Call::to("Bob", 7).countersigned();
    let head = head(call.ticket().issued_at_ms + LATE_MS_MAX).sign(&key("Alice")).verify().unwrap();
    let search = |log: &[Countersigned]| {
        let mut omission = Omission::new(call.clone(), &head).unwrap();
        log.iter().for_each(|receipt| omission.see(receipt));
        omission.finish()
    };
    let others = [Call::to("Bob", 6).countersigned(), Call::to("Eve", 7).countersigned()];
    assert_eq!(search(&others), Found::Omitted);
    assert_eq!(search(&[others[0].clone(), call.clone()]), Found::InLog);
    let mut altered = Call::to("Bob", 7);
    altered.observation.outcome = Outcome::MinerFailed;
    let altered = altered.countersigned();
    assert_eq!(search(&[altered.clone(), others[1].clone()]), Found::Altered(Box::new(altered)));
}

#[test]
fn a_head_answers_only_for_its_log_and_time() {
    let call = Call::to("Bob", 7).countersigned();
    let at = |window_end_ms| {
        Omission::new(call.clone(), &head(window_end_ms).sign(&key("Alice")).verify().unwrap())
    };
    let due = call.ticket().issued_at_ms + LATE_MS_MAX;
    assert!(at(due).is_ok());
    assert!(matches!(at(due - 1), Err(DisputeError::OutsideHead { .. })));
    let of_eve = TreeHead { validator: account("Eve"), ..head(due) }.sign(&key("Eve")).verify().unwrap();
    assert!(matches!(Omission::new(call, &of_eve), Err(DisputeError::OtherLog)));
}

use super::*;
use crate::digest::Digest;
use crate::fixtures::{Call, account, key, with_log};
use crate::head::TreeHead;
use crate::head::shards::{Log, Logs, ShardHead};
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
        logs: Logs::One(Log { tree_size: 1, root: Digest::ZERO, first_index: 0 }),
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
    let other = with_log(head(1), |log| log.root = Digest([1; 32])).sign(&key("Alice"));
    let pair = |one: &SignedHead, other: &SignedHead| {
        round_trip(&Contradiction::Heads(Box::new(one.clone()), Box::new(other.clone())))
    };
    assert_eq!(pair(&one, &other), Ok(Guilt::ForkedLog { validator: account("Alice") }));
    assert_eq!(pair(&one, &one), Err(DisputeError::Consistent));
    let forged = with_log(head(1), |log| log.root = Digest([1; 32])).sign(&key("Bob"));
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

/// A head of Alice's with shard 0 and this one.
fn head_of(shard: ShardHead, window_end_ms: u64) -> ValidHead {
    let leading = ShardHead { shard: 0, window_end_ms, ..shard_head(0) };
    let epoch_index =
        if shard.window_end_ms == window_end_ms { shard.epoch_index } else { shard.epoch_index + 1 };
    let leading = ShardHead { epoch_index, ..leading };
    let shards = [leading, shard].map(|head| head.entry(false)).to_vec();
    let head = TreeHead { epoch_index, logs: Logs::Shards { shards }, ..head(window_end_ms) };
    head.sign(&key("Alice")).verify().unwrap()
}

fn shard_head(shard: u8) -> ShardHead {
    ShardHead {
        netuid: 64,
        validator: account("Alice"),
        shard,
        epoch_index: 1,
        tree_size: 5,
        root: Digest::ZERO,
        first_index: 0,
        window_start_ms: 0,
        window_end_ms: 1_000,
        previous: Digest::ZERO,
    }
}

#[test]
fn two_heads_of_one_shard_prove_which_shard_was_forked() {
    let guilt = Ok(Guilt::ForkedShard { validator: account("Alice"), shard: 7 });
    let own = shard_head(7).sign(&key("Alice"));
    let other = |change: fn(&mut ShardHead)| {
        let mut head = shard_head(7);
        change(&mut head);
        let other = head.sign(&key("Alice"));
        round_trip(&Contradiction::ShardHeads(Box::new(own.clone()), Box::new(other)))
    };
    assert_eq!(other(|head| head.root = Digest([1; 32])), guilt);
    assert_eq!(
        other(|head| (head.epoch_index, head.tree_size, head.previous) = (2, 4, Digest([1; 32]))),
        guilt
    );
    assert_eq!(
        other(|head| (head.epoch_index, head.tree_size, head.previous) = (2, 6, Digest([1; 32]))),
        Err(DisputeError::Consistent)
    );
    assert_eq!(other(|head| (head.shard, head.root) = (8, Digest([1; 32]))), Err(DisputeError::Consistent));
    let forged = ShardHead { root: Digest([1; 32]), ..shard_head(7) }.sign(&key("Bob"));
    let forged = round_trip(&Contradiction::ShardHeads(Box::new(own.clone()), Box::new(forged)));
    assert!(matches!(forged, Err(DisputeError::ShardHead(_))), "nobody is framed");
}

#[test]
fn a_tree_head_that_denies_the_head_of_a_shard_is_proof() {
    let denied = |own: ShardHead, named: ShardHead| {
        let head = head_of(named, 1_000).signed().clone();
        round_trip(&Contradiction::Denied(Box::new(own.sign(&key("Alice"))), Box::new(head)))
    };
    let shrunk = ShardHead { tree_size: 4, ..shard_head(7) };
    assert_eq!(
        denied(shard_head(7), shrunk),
        Ok(Guilt::ForkedShard { validator: account("Alice"), shard: 7 })
    );
    assert_eq!(denied(shard_head(7), shard_head(7)), Err(DisputeError::Consistent));
    assert_eq!(
        denied(shard_head(9), shard_head(7)),
        Err(DisputeError::Consistent),
        "not named is not denied"
    );
}

#[test]
fn a_shard_answers_for_its_own_window_and_one_that_is_left_out_after_a_day() {
    let issued_at_ms = crate::fixtures::ticket().issued_at_ms;
    let call = |shard| Call::to("Bob", crate::ticket::first_sequence(shard) + 7).countersigned();
    let asked = |shard, named_ms, head_ms| {
        let named = ShardHead { window_end_ms: named_ms, ..shard_head(7) };
        Omission::new(call(shard), &head_of(named, head_ms)).is_ok()
    };
    let due = issued_at_ms + LATE_MS_MAX;
    assert!(asked(7, due, due) && !asked(7, due - 1, due - 1));
    // Away, the shard answers for what it had; for more once it may no longer be away.
    assert!(!asked(7, due - 1, issued_at_ms + AWAY_MS_MAX - 1));
    assert!(asked(7, issued_at_ms + 1, issued_at_ms + AWAY_MS_MAX));
    // A shard that no head names.
    assert!(!asked(9, due, due) && asked(9, issued_at_ms + AWAY_MS_MAX, issued_at_ms + AWAY_MS_MAX));
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

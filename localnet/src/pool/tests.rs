//! The pool without a chain.

use std::num::NonZeroUsize;

use super::*;

fn pool(transactions_max: usize) -> Pool {
    let transactions_max = NonZeroUsize::new(transactions_max).unwrap();
    Pool::new(&Limits { pool_transactions_max: transactions_max, pool_bytes_max: 100, ..Limits::default() })
}

fn valid(priority: u64, provides: &[u8]) -> ValidTransaction {
    ValidTransaction { priority, provides: vec![provides.to_vec()], ..Default::default() }
}

fn hash(byte: u8) -> H256 {
    H256::repeat_byte(byte)
}

#[test]
fn a_transaction_waits_once() {
    let mut pool = pool(4);
    pool.add(hash(1), vec![1], valid(1, b"a"), None).unwrap();
    let again = pool.add(hash(1), vec![1], valid(1, b"a"), None);
    assert!(matches!(again, Err(PoolError::AlreadyImported(_))));
    assert_eq!(pool.len(), 1);
}

#[test]
fn only_higher_priority_takes_the_place_of_the_same_nonce() {
    let mut pool = pool(4);
    let (watcher, mut statuses) = mpsc::channel(STATUSES_WAITING_MAX);
    pool.add(hash(1), vec![1], valid(5, b"a"), Some(watcher)).unwrap();
    let equal = pool.add(hash(2), vec![2], valid(5, b"a"), None);
    assert!(matches!(equal, Err(PoolError::PriorityTooLow { old: 5, new: 5 })));
    pool.add(hash(3), vec![3], valid(6, b"a"), None).unwrap();
    assert_eq!(pool.candidates(), [(hash(3), vec![3])]);
    assert_eq!(statuses.try_recv().unwrap(), Status::Ready);
    assert_eq!(statuses.try_recv().unwrap(), Status::Usurped(hash(3)));
}

#[test]
fn a_full_pool_drops_the_least_for_something_better_and_nothing_for_an_equal() {
    let mut pool = pool(2);
    pool.add(hash(1), vec![1], valid(1, b"a"), None).unwrap();
    pool.add(hash(2), vec![2], valid(2, b"b"), None).unwrap();
    assert!(matches!(pool.add(hash(3), vec![3], valid(1, b"c"), None), Err(PoolError::Full)));
    pool.add(hash(4), vec![4], valid(3, b"d"), None).unwrap();
    let left: Vec<H256> = pool.candidates().into_iter().map(|(hash, _)| hash).collect();
    assert_eq!(left, [hash(4), hash(2)]);
}

#[test]
fn what_was_turned_away_is_banned_for_a_while_and_the_bans_are_bounded() {
    let mut pool = pool(2);
    pool.add(hash(1), vec![1], valid(1, b"a"), None).unwrap();
    pool.ban(hash(1), Status::Invalid, 1_000);
    assert!(pool.is_empty());
    let until = 1_000 + Limits::default().ban_ms;
    assert!(pool.is_banned(hash(1), until - 1) && !pool.is_banned(hash(1), until));
    pool.ban(hash(2), Status::Invalid, 1_001);
    pool.ban(hash(3), Status::Invalid, 1_002);
    let banned: Vec<bool> = (1..=3).map(|byte| pool.is_banned(hash(byte), 1_003)).collect();
    assert_eq!(banned, [false, true, true], "the oldest made room");
    pool.clear();
    assert!(!pool.is_banned(hash(3), 1_003));
}

#[test]
fn transactions_of_undone_blocks_come_back_and_the_others_stay() {
    let mut pool = pool(4);
    let (watcher, mut statuses) = mpsc::channel(STATUSES_WAITING_MAX);
    pool.add(hash(1), vec![1], valid(1, b"a"), Some(watcher)).unwrap();
    pool.add(hash(2), vec![2], valid(1, b"b"), None).unwrap();
    pool.include(hash(1), 7, hash(9));
    pool.include(hash(2), 6, hash(8));
    let back = pool.retract(|number, block| number == 7 && block == hash(9));
    assert_eq!(back.len(), 1);
    assert_eq!((back[0].hash, &back[0].bytes), (hash(1), &vec![1]));
    let heard: Vec<Status> = std::iter::from_fn(|| statuses.try_recv().ok()).collect();
    assert_eq!(heard, [Status::Ready, Status::InBlock(hash(9)), Status::Retracted(hash(9))]);
    assert!(pool.retract(|_, _| true).len() == 1);
}

#[test]
fn bytes_are_bounded_too() {
    let mut pool = pool(100);
    pool.add(hash(1), vec![0; 60], valid(1, b"a"), None).unwrap();
    assert!(matches!(pool.add(hash(2), vec![0; 60], valid(1, b"b"), None), Err(PoolError::Full)));
    assert!(matches!(pool.add(hash(3), vec![0; 101], valid(9, b"c"), None), Err(PoolError::Full)));
    pool.include(hash(1), 1, hash(9));
    pool.add(hash(2), vec![0; 60], valid(1, b"b"), None).unwrap();
}

#[test]
fn watchers_hear_of_their_block_before_they_hear_that_it_is_final() {
    let mut pool = pool(4);
    let (watcher, mut statuses) = mpsc::channel(STATUSES_WAITING_MAX);
    pool.add(hash(1), vec![1], valid(1, b"a"), Some(watcher)).unwrap();
    pool.include(hash(1), 7, hash(9));
    pool.finalize(6);
    pool.finalize(7);
    let heard: Vec<Status> = std::iter::from_fn(|| statuses.try_recv().ok()).collect();
    assert_eq!(heard, [Status::Ready, Status::InBlock(hash(9)), Status::Finalized(hash(9))]);
}

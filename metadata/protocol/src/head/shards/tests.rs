//! Chains of heads that name several logs.

use proptest::prelude::*;

use super::super::ValidHead;
use super::super::tests::head;
use super::*;
use crate::fixtures::{account, at_least, key};

const TEMPO_MS: u64 = 4_320_000;

/// What a shard with this log says in a head of this tempo.
fn entry(shard: u8, head: &TreeHead, tree_size: u64) -> ShardLog {
    ShardLog {
        shard,
        closed: false,
        epoch_index: head.epoch_index,
        log: Log { tree_size, root: root(shard, tree_size), first_index: 0 },
        window_start_ms: head.window_start_ms,
        window_end_ms: head.window_end_ms,
        previous: Digest::ZERO,
    }
}

fn root(shard: u8, tree_size: u64) -> Digest {
    Digest::of(&(shard, tree_size).encode())
}

fn unsigned(epoch_index: u64, previous: Option<&ValidHead>, sizes: &[(u8, u64)]) -> TreeHead {
    let mut head = head(epoch_index, previous);
    let shards = sizes.iter().map(|(shard, size)| entry(*shard, &head, *size)).collect();
    head.logs = Logs::Shards { shards };
    head
}

fn sign(head: TreeHead) -> Result<ValidHead, HeadError> {
    head.sign(&key("Alice")).verify()
}

fn valid(epoch_index: u64, previous: Option<&ValidHead>, sizes: &[(u8, u64)]) -> ValidHead {
    sign(unsigned(epoch_index, previous, sizes)).unwrap()
}

fn shards(head: &mut TreeHead) -> &mut Vec<ShardLog> {
    let Logs::Shards { shards } = &mut head.logs else { panic!("a head of one log") };
    shards
}

fn fault(shard: u8, source: ShardFault) -> Result<(), HeadError> {
    Err(HeadError::Shard { shard, source })
}

#[test]
fn a_validator_goes_from_one_log_to_several_and_never_back() {
    let one = head(1, None).sign(&key("Alice")).verify().unwrap();
    let two = valid(2, Some(&one), &[(0, 11), (1, 4)]);
    assert_eq!(two.follows(Some(&one)), Ok(()));
    assert_eq!((two.receipts(), two.log(1).unwrap().tree_size, two.log(2)), (15, 4, None));
    let back = head(3, Some(&two)).sign(&key("Alice")).verify().unwrap();
    assert_eq!(back.follows(Some(&two)), Err(HeadError::OneLogAgain));
    assert_eq!(two.clash(&back), Some(Clash::Shard(1)));
    let shorter = valid(2, Some(&one), &[(0, 9), (1, 4)]);
    assert_eq!(
        shorter.follows(Some(&one)),
        fault(0, ShardFault::Shrunk),
        "shard 0 goes on where the one log ended"
    );
    assert_eq!(one.clash(&shorter), Some(Clash::Shard(0)));
    let single = valid(2, Some(&one), &[(0, 11)]);
    let again = head(3, Some(&single)).sign(&key("Alice")).verify().unwrap();
    assert_eq!(single.clash(&again), Some(Clash::Chain));
}

#[test]
fn a_list_of_shards_begins_with_the_head_gateways_and_is_ascending() {
    let refused = |change: fn(&mut Vec<ShardLog>)| {
        let mut head = unsigned(2, None, &[(0, 3), (1, 4), (7, 5)]);
        change(shards(&mut head));
        sign(head).map(|_| ())
    };
    assert_eq!(refused(|_| ()), Ok(()));
    assert_eq!(refused(Vec::clear), fault(0, ShardFault::Misplaced));
    assert_eq!(refused(|list| _ = list.remove(0)), fault(0, ShardFault::Misplaced));
    assert_eq!(refused(|list| list[0].epoch_index = 1), fault(0, ShardFault::Misplaced));
    assert_eq!(refused(|list| list.swap(1, 2)), fault(1, ShardFault::Misplaced));
    assert_eq!(refused(|list| list[2].shard = 1), fault(1, ShardFault::Misplaced));
    assert_eq!(refused(|list| list[0].window_end_ms -= 1), fault(0, ShardFault::Window));
    assert_eq!(refused(|list| list[1].window_end_ms -= 1), Ok(()), "signed a block earlier");
    assert_eq!(refused(|list| list[1].window_end_ms += 1), fault(1, ShardFault::Window));
    assert_eq!(refused(|list| list[1].epoch_index = 3), fault(1, ShardFault::Window));
    assert_eq!(refused(|list| list[1].epoch_index = 1), fault(1, ShardFault::Window));
    assert_eq!(refused(|list| list[1].log.first_index = 5), fault(1, ShardFault::Window));
}

/// The head after `before`, in which shard 1 is named as it was.
fn without(before: &ValidHead, epoch_index: u64) -> TreeHead {
    let mut head = unsigned(epoch_index, Some(before), &[(0, 100 + epoch_index), (1, 0)]);
    shards(&mut head)[1] = before.shard(1).unwrap();
    head
}

#[test]
fn a_shard_that_was_away_is_named_as_it_was_and_closed_after_a_day() {
    let first = valid(1, None, &[(0, 3), (1, 4)]);
    let second = sign(without(&first, 2)).unwrap();
    assert_eq!(second.follows(Some(&first)), Ok(()));
    let back = valid(3, Some(&second), &[(0, 200), (1, 9)]);
    assert_eq!(back.follows(Some(&second)), Ok(()), "its receipts count in the next one");
    let mut altered = without(&first, 2);
    shards(&mut altered)[1].log.tree_size = 5;
    let altered = sign(altered).unwrap();
    assert_eq!(altered.follows(Some(&first)), fault(1, ShardFault::Changed));
    assert_eq!(first.clash(&altered), Some(Clash::Shard(1)));

    let tempos = AWAY_MS_MAX / TEMPO_MS;
    let last = sign(without(&first, 1 + tempos)).unwrap();
    let away_ms = (1 + tempos) * TEMPO_MS;
    assert_eq!(sign(without(&last, 2 + tempos)).map(|_| ()), fault(1, ShardFault::Away { away_ms }));
    let mut closed = without(&last, 2 + tempos);
    shards(&mut closed)[1].closed = true;
    let closed = sign(closed).unwrap();
    assert_eq!(closed.follows(Some(&last)), Ok(()));
    let opened = valid(40, Some(&closed), &[(0, 300), (1, 9)]);
    assert_eq!(opened.follows(Some(&closed)), fault(1, ShardFault::Closed), "its number is used up");
    assert_eq!(closed.clash(&opened), Some(Clash::Shard(1)));
    let dropped = valid(40, Some(&closed), &[(0, 300)]);
    assert_eq!(dropped.follows(Some(&closed)), fault(1, ShardFault::LeftOut), "its window is not over");
    let mut later = unsigned(40, Some(&closed), &[(0, 300)]);
    later.window_start_ms = closed.shard(1).unwrap().window_end_ms;
    shards(&mut later)[0].window_start_ms = later.window_start_ms;
    let later = sign(later).unwrap();
    assert_eq!((later.follows(Some(&closed)), closed.clash(&later)), (Ok(()), None));
}

#[test]
fn a_shard_cannot_be_closed_at_a_state_that_no_head_named_before() {
    let first = valid(1, None, &[(0, 3), (1, 4)]);
    let mut head = unsigned(2, Some(&first), &[(0, 5), (1, 6)]);
    shards(&mut head)[1].closed = true;
    assert_eq!(sign(head).unwrap().follows(Some(&first)), fault(1, ShardFault::Changed));
}

#[test]
fn an_altered_or_longer_head_of_shards_is_refused() {
    let bytes = unsigned(2, None, &[(0, 3), (1, 4)]).sign(&key("Alice")).encode();
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        assert!(
            super::super::SignedHead::from_bytes(&altered).is_none_or(|head| head.verify().is_err()),
            "byte {at}"
        );
    }
    assert_eq!(super::super::SignedHead::from_bytes(&[bytes.as_slice(), &[0]].concat()), None);
    let all: Vec<(u8, u64)> = (0..=u8::MAX).map(|shard| (shard, 5)).collect();
    let largest = unsigned(2, None, &all).sign(&key("Alice"));
    assert!(largest.encode().len() <= super::super::SIGNED_BYTES_MAX);
    assert_eq!(super::super::SignedHead::from_bytes(&largest.encode()), Some(largest));
    let own = unsigned(2, None, &[(0, 3)]).shards()[0].head(64, account("Alice")).sign(&key("Alice"));
    assert_eq!(SignedShardHead::from_bytes(&own.encode()), Some(own.clone()));
    assert!(own.encode().len() <= SHARD_HEAD_BYTES_MAX);
    assert_eq!(SignedShardHead::from_bytes(&[own.encode(), vec![0]].concat()), None);
}

/// What becomes of one shard in a tempo.
#[derive(Debug, Clone, Copy)]
enum Step {
    Grows(u64),
    Away,
}

proptest! {
    #![proptest_config(at_least(64))]

    #[test]
    fn honest_chains_hold_and_every_pair_that_is_no_chain_names_the_shard(
        steps in prop::collection::vec(
            prop::collection::vec(prop_oneof![(0..4_u64).prop_map(Step::Grows), Just(Step::Away)], 3),
            2..8,
        ),
        spoiled in any::<prop::sample::Index>(),
        shard in 1..4_u8,
        how in 0..4_u8,
    ) {
        let mut heads = vec![valid(1, None, &[(0, 1), (1, 1), (2, 1), (3, 1)])];
        for (epoch_index, of_shards) in (2..).zip(&steps) {
            let last = &heads[heads.len() - 1];
            let mut next = unsigned(epoch_index, Some(last), &[(0, last.log(0).unwrap().tree_size + 1)]);
            for (number, step) in (1..).zip(of_shards) {
                let before = last.shard(number).unwrap();
                let named = match step {
                    Step::Grows(more) => entry(number, &next, before.log.tree_size + more),
                    Step::Away => before,
                };
                shards(&mut next).push(named);
            }
            let next = sign(next).unwrap();
            prop_assert_eq!(next.follows(Some(last)), Ok(()));
            heads.push(next);
        }
        for (number, one) in heads.iter().enumerate() {
            prop_assert!(heads[number..].iter().all(|other| one.clash(other).is_none() && other.clash(one).is_none()));
        }
        // One head is spoiled in one shard. No head before it can be followed by it, and with the head before it is proof.
        let at = 1 + spoiled.index(heads.len() - 1);
        let mut bad = heads[at].signed().head.clone();
        let before = heads[at - 1].shard(shard).unwrap();
        let place = shards(&mut bad).iter().position(|entry| entry.shard == shard).unwrap();
        match how {
            0 => _ = shards(&mut bad).remove(place),
            1 => shards(&mut bad)[place].log.root = Digest::ZERO,
            2 => shards(&mut bad)[place].log.tree_size = before.log.tree_size - 1,
            _ => {
                let moved = ShardLog { shard: 9, ..shards(&mut bad).remove(place) };
                shards(&mut bad).push(moved);
            }
        }
        // Another root after growth is found by the leaves only.
        let grown = how == 1 && heads[at].log(shard).unwrap().tree_size > before.log.tree_size;
        let bad = sign(bad).unwrap();
        let named = matches!(bad.follows(Some(&heads[at - 1])), Err(HeadError::Shard { shard: found, .. }) if found == shard);
        prop_assert!(named || grown);
        prop_assert!(grown || heads[at - 1].clash(&bad) == Some(Clash::Shard(shard)));
        prop_assert!(bad.clash(&heads[at]).is_some());
    }
}

use super::*;

use crate::fixtures::{account, key, with_log};
use shards::{Log, Logs};

pub(crate) fn head(epoch_index: u64, previous: Option<&ValidHead>) -> TreeHead {
    TreeHead {
        netuid: 64,
        validator: account("Alice"),
        epoch_index,
        block_number: epoch_index * 360,
        block_hash: Digest([0x66; 32]),
        logs: Logs::One(Log {
            tree_size: epoch_index * 10,
            root: Digest([epoch_index as u8; 32]),
            first_index: 0,
        }),
        previous: previous.map_or(Digest::ZERO, |previous| previous.digest()),
        policy: Digest([0x77; 32]),
        miners: Digest([0x88; 32]),
        window_start_ms: 1_752_076_800_000,
        window_end_ms: 1_752_076_800_000 + epoch_index * 4_320_000,
        scores: Digest([0x99; 32]),
    }
}

fn valid(head: TreeHead) -> ValidHead {
    head.sign(&key("Alice")).verify().unwrap()
}

#[test]
fn heads_link_into_one_chain() {
    let first = valid(head(1, None));
    let second = valid(head(2, Some(&first)));
    assert_eq!(first.follows(None), Ok(()));
    assert_eq!(second.follows(Some(&first)), Ok(()));
    let quiet = valid(TreeHead { logs: first.logs.clone(), ..head(2, Some(&first)) });
    assert_eq!(quiet.follows(Some(&first)), Ok(()), "a tempo without receipts");
}

#[test]
fn a_head_that_breaks_the_chain_is_refused() {
    let first = valid(head(1, None));
    let next = || head(2, Some(&first));
    let refused = |changed: TreeHead, signer: &str| {
        let signed = TreeHead { validator: account(signer), ..changed }.sign(&key(signer));
        signed.verify().unwrap().follows(Some(&first)).unwrap_err()
    };
    let link = refused(TreeHead { previous: Digest::ZERO, ..next() }, "Alice");
    assert_eq!(link, HeadError::Link { expected: first.digest(), found: Digest::ZERO });
    assert_eq!(refused(next(), "Bob"), HeadError::OtherLog);
    assert_eq!(refused(TreeHead { netuid: 65, ..next() }, "Alice"), HeadError::OtherLog);
    assert_eq!(refused(TreeHead { epoch_index: 1, ..next() }, "Alice"), HeadError::Time);
    assert_eq!(refused(TreeHead { block_number: 360, ..next() }, "Alice"), HeadError::Time);
    assert_eq!(refused(TreeHead { window_start_ms: 0, ..next() }, "Alice"), HeadError::Time);
    assert_eq!(refused(with_log(next(), |log| log.tree_size = 9), "Alice"), HeadError::Log);
    assert_eq!(
        refused(with_log(next(), |log| log.tree_size = 10), "Alice"),
        HeadError::Log,
        "same size, other root"
    );
    assert!(valid(next()).follows(None).is_err(), "only a first head has none before it");
}

#[test]
fn heads_of_one_log_do_not_contradict_and_a_fork_does() {
    let first = valid(head(1, None));
    let second = valid(head(2, Some(&first)));
    assert!(!first.contradicts(&second) && !first.contradicts(&first));
    let other_tempo = valid(with_log(head(2, Some(&first)), |log| log.root = Digest::ZERO));
    assert!(second.contradicts(&other_tempo));
    let same_size =
        valid(with_log(head(3, Some(&second)), |log| (log.tree_size, log.root) = (20, Digest::ZERO)));
    assert!(second.contradicts(&same_size));
    let shorter = valid(with_log(head(3, Some(&second)), |log| log.tree_size = 19));
    assert_eq!(second.clash(&shorter), Some(Clash::Chain), "a later head with a shorter log");
    let second_child = valid(head(3, Some(&first)));
    assert!(second.contradicts(&second_child));
    let of_bob = TreeHead { validator: account("Bob"), ..head(2, None) }.sign(&key("Bob")).verify().unwrap();
    assert!(!first.contradicts(&of_bob));
}

#[test]
fn an_altered_head_is_refused() {
    let bytes = head(1, None).sign(&key("Alice")).encode();
    assert!(bytes.len() <= 512);
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        assert!(SignedHead::from_bytes(&altered).is_none_or(|head| head.verify().is_err()), "byte {at}");
    }
    assert_eq!(SignedHead::from_bytes(&[bytes.as_slice(), &[0]].concat()), None);
}

#[test]
fn the_hash_of_miners_ignores_their_order() {
    let miner = |name| Miner::new(account(name), account("Alice"));
    assert_eq!(miners_hash(&[miner("Bob"), miner("Eve")]), miners_hash(&[miner("Eve"), miner("Bob")]));
    assert_ne!(miners_hash(&[miner("Bob")]), miners_hash(&[miner("Eve")]));
}

//! The file without a chain.

use super::*;

const GENESIS: H256 = H256::repeat_byte(7);

fn block(number: u32) -> StoredBlock {
    let header = Header {
        parent_hash: H256::repeat_byte(number as u8),
        number,
        state_root: H256::zero(),
        extrinsics_root: H256::zero(),
        digest: Default::default(),
    };
    let extrinsics = vec![vec![number as u8; number as usize * 10]];
    StoredBlock { header, extrinsics, interference: None }
}

fn filled(folder: &Path, blocks: u32) -> Vec<u8> {
    let mut journal = Journal::open(folder, GENESIS).unwrap().journal;
    for number in 1..=blocks {
        journal.add(&[Record::Block(block(number))]).unwrap();
    }
    drop(journal);
    std::fs::read(folder.join(FILE_NAME)).unwrap()
}

#[test]
fn what_was_added_is_read_back_without_what_was_undone() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 5);
    let mut opened = Journal::open(folder.path(), GENESIS).unwrap();
    assert_eq!(opened.blocks.len(), 5);
    opened.journal.add(&[Record::Undone(3), Record::Block(block(4)), Record::Block(block(5))]).unwrap();
    drop(opened);
    let numbers: Vec<u32> = Journal::open(folder.path(), GENESIS)
        .unwrap()
        .blocks
        .iter()
        .map(|block| block.header.number)
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
}

#[test]
fn the_first_bytes_and_a_record_are_pinned() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path(), GENESIS).unwrap().journal;
    journal.add(&[Record::Undone(9)]).unwrap();
    drop(journal);
    let bytes = hex::encode(std::fs::read(folder.path().join(FILE_NAME)).unwrap());
    let expected = format!("6c6f63616c6e65740001{}{}", "07".repeat(32), "05000000");
    assert_eq!(bytes[..expected.len()], expected);
    assert!(bytes.ends_with("0109000000"), "{bytes}");
}

#[test]
fn every_torn_tail_is_cut_to_the_records_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = filled(folder.path(), 6);
    let path = folder.path().join(FILE_NAME);
    let mut whole = None;
    for length in 0..bytes.len() {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let opened = Journal::open(folder.path(), GENESIS).unwrap();
        let numbers: Vec<u32> = opened.blocks.iter().map(|block| block.header.number).collect();
        assert_eq!(numbers, (1..=numbers.len() as u32).collect::<Vec<_>>(), "a prefix at {length}");
        whole = Some(numbers.len());
        drop(opened);
        // What was cut is gone: opening again finds nothing to cut.
        assert_eq!(Journal::open(folder.path(), GENESIS).unwrap().cut_bytes, 0);
    }
    assert_eq!(whole, Some(5));
}

#[test]
fn a_flipped_bit_is_cut_or_refused_and_never_a_hole() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = filled(folder.path(), 6);
    let path = folder.path().join(FILE_NAME);
    let (mut cut, mut refused) = (0, 0);
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        std::fs::write(&path, &flipped).unwrap();
        match Journal::open(folder.path(), GENESIS) {
            Ok(opened) => {
                assert_eq!(opened.blocks.len(), 5, "only the last record can be cut, at {at}");
                cut += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(cut > 50 && refused > 200, "{cut} cut, {refused} refused");
}

#[test]
fn another_chain_and_another_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 1);
    let other = Journal::open(folder.path(), H256::repeat_byte(8));
    assert!(matches!(other, Err(JournalError::OtherGenesis { .. })));
    std::fs::write(folder.path().join(FILE_NAME), b"something else entirely, and long enough to be a head")
        .unwrap();
    assert!(matches!(Journal::open(folder.path(), GENESIS), Err(JournalError::Foreign { .. })));
}

#[test]
fn a_folder_has_one_user_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = Journal::open(folder.path(), GENESIS).unwrap();
    assert!(matches!(Journal::open(folder.path(), GENESIS), Err(JournalError::InUse { .. })));
    drop(first);
    Journal::open(folder.path(), GENESIS).unwrap();
}

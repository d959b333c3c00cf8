use super::*;

fn key() -> JournalKey {
    JournalKey { genesis: Digest::of(b"genesis"), hotkey: AccountId([7; 32]), netuid: 64, mechanism: 0 }
}

fn entry() -> Entry {
    Entry {
        epoch_index: 7,
        decided_at_block: 100,
        scores: Digest::of(b"scores"),
        vector: vec![(1, 65_535), (4, 3)],
        progress: Progress::Decided,
    }
}

fn submission(manner: Manner) -> Submission {
    Submission {
        extrinsic: vec![1, 2, 255],
        nonce: 4,
        spec_version: 461,
        born_at_block: 100,
        last_block: 227,
        manner,
    }
}

fn hashed(byte: u8) -> Manner {
    Manner::Hashed { hash: Digest([byte; 32]), opening: Opening { salt: vec![1, 65_535], version_key: 9 } }
}

fn file(folder: &Path) -> PathBuf {
    folder.join(key().file())
}

#[test]
fn every_step_is_on_disk_when_it_returns() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path(), key()).unwrap();
    assert_eq!(journal.entry(), None);
    let read = || parse(&std::fs::read(file(folder.path())).unwrap(), &key()).unwrap();
    journal.decide(entry()).unwrap();
    assert_eq!(read().last, Some(entry()));
    journal.submit(submission(Manner::Timelocked { round: 9 })).unwrap();
    let submitted = Progress::Submitted(submission(Manner::Timelocked { round: 9 }));
    assert_eq!(read().last, Some(Entry { progress: submitted, ..entry() }));
    journal.withdraw().unwrap();
    assert_eq!(read().last, Some(entry()));
    journal.submit(submission(Manner::Plain)).unwrap();
    journal.confirm(107).unwrap();
    let confirmed = Progress::Confirmed { in_block: 107, manner: Some(Manner::Plain) };
    assert_eq!(read().last, Some(Entry { progress: confirmed, ..entry() }));
    drop(journal);
    assert_eq!(Journal::open(folder.path(), key()).unwrap().contents, read());
}

#[test]
fn what_has_to_be_shown_outlives_the_next_vectors_and_is_limited() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path(), key()).unwrap();
    for byte in 0..12 {
        journal.decide(entry()).unwrap();
        journal.submit(submission(hashed(byte))).unwrap();
        journal.confirm(107).unwrap();
    }
    let kept: Vec<u8> = journal.unrevealed().map(|hashed| hashed.hash.0[0]).collect();
    assert_eq!(kept, (2..12).collect::<Vec<u8>>());
    journal.keep_unrevealed(|hashed| hashed.hash.0[0] == 5).unwrap();
    drop(journal);
    let journal = Journal::open(folder.path(), key()).unwrap();
    let [kept] = &journal.unrevealed().collect::<Vec<_>>()[..] else { panic!("one is kept") };
    assert_eq!((kept.vector.clone(), kept.opening.salt.clone()), (entry().vector, vec![1, 65_535]));
}

#[test]
fn a_damaged_journal_stops_the_validator_instead_of_being_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    Journal::open(folder.path(), key()).unwrap().decide(entry()).unwrap();
    let bytes = std::fs::read(file(folder.path())).unwrap();
    let refused = |bytes: &[u8]| {
        std::fs::write(file(folder.path()), bytes).unwrap();
        matches!(Journal::open(folder.path(), key()), Err(JournalError::Damaged { .. }))
    };
    for length in 0..bytes.len() {
        assert!(refused(&bytes[..length]), "cut to {length} of {} bytes", bytes.len());
    }
    for index in (0..bytes.len()).step_by(7) {
        let mut bytes = bytes.clone();
        bytes[index] ^= 1;
        assert!(refused(&bytes), "byte {index} changed");
    }
    assert!(!refused(&bytes));
}

#[test]
fn two_processes_cannot_use_one_journal() {
    let folder = tempfile::tempdir().unwrap();
    let first = Journal::open(folder.path(), key()).unwrap();
    assert!(matches!(Journal::open(folder.path(), key()), Err(JournalError::InUse { .. })));
    // Another mechanism has its own.
    Journal::open(folder.path(), JournalKey { mechanism: 1, ..key() }).unwrap();
    drop(first);
    Journal::open(folder.path(), key()).unwrap();
}

#[test]
fn journals_of_other_chains_and_hotkeys_are_other_files() {
    let other_chain = JournalKey { genesis: Digest::of(b"other"), ..key() };
    let other_hotkey = JournalKey { hotkey: AccountId([8; 32]), ..key() };
    let files = [key().file(), other_chain.file(), other_hotkey.file()];
    assert!(files[0] != files[1] && files[0] != files[2] && files[1] != files[2], "{files:?}");
    let folder = tempfile::tempdir().unwrap();
    Journal::open(folder.path(), key()).unwrap().decide(entry()).unwrap();
    std::fs::rename(file(folder.path()), folder.path().join(other_chain.file())).unwrap();
    assert!(matches!(Journal::open(folder.path(), other_chain), Err(JournalError::Damaged { .. })));
}

#[test]
fn a_journal_that_cannot_be_written_lets_nothing_out() {
    struct Full;
    impl Disk for Full {
        fn read(&mut self, _: &str) -> io::Result<Option<Vec<u8>>> {
            Ok(None)
        }
        fn write(&mut self, _: &str, _: &[u8]) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn sync(&mut self, _: &str) -> io::Result<()> {
            Ok(())
        }
        fn rename(&mut self, _: &str, _: &str) -> io::Result<()> {
            Ok(())
        }
        fn sync_names(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut journal = Journal::on(Full, key()).unwrap();
    assert!(matches!(journal.decide(entry()), Err(JournalError::Write { .. })));
    assert_eq!(journal.entry(), None);
}

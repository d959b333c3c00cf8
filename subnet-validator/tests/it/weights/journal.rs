use protocol::digest::Digest;
use subnet_validator::weights::journal::{Entry, Journal, JournalError, Progress};

fn entry() -> Entry {
    Entry {
        netuid: 64,
        mechanism: 0,
        epoch_index: 7,
        decided_at_block: 100,
        scores: Digest::of(b"scores"),
        vector: vec![(1, 65_535), (4, 3)],
        progress: Progress::Decided,
    }
}

#[test]
fn every_step_is_on_disk_when_it_returns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.json");
    let mut journal = Journal::open(&path).unwrap();
    assert_eq!(journal.entry(), None);
    let read = || Journal::open(&path).unwrap().entry().cloned().unwrap();
    journal.decide(entry()).unwrap();
    assert_eq!(read(), entry());
    journal.submit(105).unwrap();
    assert_eq!(read(), Entry { progress: Progress::Submitted { at_block: 105 }, ..entry() });
    journal.reject().unwrap();
    assert_eq!(read().progress, Progress::Decided);
    journal.submit(106).unwrap();
    journal.confirm(107).unwrap();
    assert_eq!(read(), Entry { progress: Progress::Confirmed { in_block: 107 }, ..entry() });
}

#[test]
fn a_damaged_journal_stops_the_validator_instead_of_being_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.json");
    Journal::open(&path).unwrap().decide(entry()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(Journal::open(&path), Err(JournalError::Damaged { .. })));
}

#[test]
fn a_journal_that_cannot_be_written_lets_nothing_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gone").join("journal.json");
    let mut journal = Journal::open(&path).unwrap();
    assert!(matches!(journal.decide(entry()), Err(JournalError::Write { .. })));
    assert_eq!(journal.entry(), None);
}

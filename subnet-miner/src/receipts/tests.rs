use protocol::digest::Digest;
use protocol::receipt::FinishReason;
use protocol::ticket::{Kind, Ticket, ValidTicket, first_sequence};

use super::*;

fn ticket(validator: &Keypair, miner: &Keypair, sequence: u64) -> ValidTicket {
    Ticket {
        netuid: 64,
        validator: validator.public(),
        miner: miner.public(),
        model: "echo".parse().unwrap(),
        weights_digest: Digest::ZERO,
        request_sha256: Digest::of(b"request"),
        sequence,
        issued_at_ms: sequence,
        deadline_ms: u64::MAX,
        prompt_tokens_max: 10,
        completion_tokens_max: 10,
        payer: Digest::ZERO,
        kind: Kind::Chat,
    }
    .sign(validator)
    .verify()
    .unwrap()
}

fn draft(ticket: ValidTicket) -> Draft {
    Draft {
        ticket,
        output_sha256: Digest::of(b"output"),
        prompt_tokens: 1,
        completion_tokens: 2,
        first_token_ms: 3,
        total_ms: 4,
        finish_reason: FinishReason::Stop,
        fingerprint: None,
    }
}

fn keys() -> (Keypair, Keypair) {
    (Keypair::from_dev_uri("//Alice").unwrap(), Keypair::from_dev_uri("//Bob").unwrap())
}

fn open(path: &Path, miner: &Keypair) -> ReceiptStore {
    ReceiptStore::open(path, &StoreConfig::default(), miner.clone()).unwrap()
}

#[tokio::test]
async fn receipts_of_one_validator_form_a_chain_that_continues_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (validator, miner) = keys();
    let store = open(folder.path(), &miner);
    let first = store.append(draft(ticket(&validator, &miner, 1))).await.unwrap();
    assert_eq!(first.receipt.previous, Digest::ZERO);
    store.close().await;

    let store = open(folder.path(), &miner);
    let second = store.append(draft(ticket(&validator, &miner, 2))).await.unwrap();
    assert_eq!(second.receipt.previous, first.receipt.hash());

    let other = Keypair::from_dev_uri("//Charlie").unwrap();
    let elsewhere = store.append(draft(ticket(&other, &miner, 1))).await.unwrap();
    assert_eq!(elsewhere.receipt.previous, Digest::ZERO);

    let recovered = store.recover().await.unwrap();
    let mut window = recovered.sequences[&(validator.public(), 0)].clone();
    assert!(window.admit(1).is_err() && window.admit(2).is_err());
    assert_eq!(window.admit(3), Ok(()));
}

#[tokio::test]
async fn each_shard_of_a_validator_has_a_chain_and_numbers_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (validator, miner) = keys();
    let store = open(folder.path(), &miner);
    let at = |shard, number| ticket(&validator, &miner, first_sequence(shard) + number);
    // The gateways' calls come in any order; a window for all would refuse those of the lower numbers.
    let mut last = [Digest::ZERO; 2];
    for number in 1..=3 {
        for shard in [1_u8, 0] {
            let receipt = store.append(draft(at(shard, number))).await.unwrap().receipt;
            assert_eq!(receipt.previous, last[usize::from(shard)], "call {number} of shard {shard}");
            last[usize::from(shard)] = receipt.hash();
        }
    }
    store.close().await;
    let store = open(folder.path(), &miner);
    let recovered = store.recover().await.unwrap();
    for shard in [0, 1] {
        let mut window = recovered.sequences[&(validator.public(), shard)].clone();
        assert!(window.admit(first_sequence(shard) + 3).is_err());
        assert_eq!(window.admit(first_sequence(shard) + 4), Ok(()));
    }
    let again = store.append(draft(at(1, 4))).await.unwrap().receipt;
    assert_eq!(again.previous, last[1]);
    let listed = ReceiptReader::open(folder.path()).unwrap().newest(Some(validator.public()), 100).unwrap();
    let mut sequences: Vec<_> = listed.iter().map(|receipt| receipt.sequence).collect();
    sequences.sort_unstable();
    assert_eq!(
        sequences,
        [1, 2, 3].into_iter().chain((1..=4).map(|n| first_sequence(1) + n)).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn receipts_that_share_a_write_are_chained_in_the_order_they_came() {
    let folder = tempfile::tempdir().unwrap();
    let (validator, miner) = keys();
    let store = open(folder.path(), &miner);
    let drafts = (1..=40).map(|sequence| store.append(draft(ticket(&validator, &miner, sequence))));
    let receipts: Vec<_> =
        futures::future::join_all(drafts).await.into_iter().map(|receipt| receipt.unwrap().receipt).collect();
    assert_eq!(receipts[0].previous, Digest::ZERO);
    assert!(receipts.windows(2).all(|pair| pair[1].previous == pair[0].hash()));

    // The reader opens the files while the writer has them open.
    let listed = ReceiptReader::open(folder.path()).unwrap().newest(Some(validator.public()), 5).unwrap();
    assert_eq!(listed.iter().map(|receipt| receipt.sequence).collect::<Vec<_>>(), [36, 37, 38, 39, 40]);
    assert_eq!(listed[4].receipt_hash, receipts[39].hash());
}

#[tokio::test]
async fn nonce_marks_survive_a_store_that_is_dropped_without_being_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (validator, miner) = keys();
    let store = open(folder.path(), &miner);
    store.set_nonce_marks(vec![(validator.public(), 77)]).await.unwrap();
    drop(store);

    // The folder is free at once: dropping waits until the database is closed.
    let recovered = open(folder.path(), &miner).recover().await.unwrap();
    assert_eq!(recovered.nonce_marks_ns[&validator.public()], 77);
}

#[tokio::test]
async fn a_closed_store_answers_its_other_clones() {
    let folder = tempfile::tempdir().unwrap();
    let (validator, miner) = keys();
    let store = open(folder.path(), &miner);
    let clone = store.clone();
    store.close().await;
    let error = clone.append(draft(ticket(&validator, &miner, 1))).await.unwrap_err();
    assert!(matches!(error, StoreError::Closed));
}

#[test]
fn a_store_of_another_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    rocksdb::DB::open(&options, folder.path()).unwrap().put(keys::FORMAT_KEY, 9_u32.to_le_bytes()).unwrap();
    let (_, miner) = keys();
    let error = ReceiptStore::open(folder.path(), &StoreConfig::default(), miner).unwrap_err();
    assert!(matches!(error, OpenError::Database { source: DatabaseError::Format { found: 9 }, .. }));
}

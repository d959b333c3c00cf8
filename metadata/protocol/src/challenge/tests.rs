use super::*;
use crate::evidence::{
    Evidence, EvidenceError, Finding, MISSED_GAP_MS, Missed, SignedEvidence, ValidEvidence, WrongAnswer,
};
use crate::fixtures::{account, key, model_id};
use crate::merkle;
use crate::weight_tree::{HashedWeights, PIECE_BYTES, WeightHasher};

const NOW_MS: u64 = 1_752_076_800_000;

fn file() -> Vec<u8> {
    (0..PIECE_BYTES as u32 * 5 + 77).map(|at| (at / 3 + at / 70_000) as u8).collect()
}

fn hashed(file: &[u8]) -> HashedWeights {
    let mut hasher = WeightHasher::new();
    hasher.update(file);
    hasher.finish()
}

fn challenge(seed: u8, issued_at_ms: u64, task: Task) -> Challenge {
    let (validator, miner) = (account("Alice"), account("Bob"));
    let seed = Digest([seed; 32]);
    Challenge { netuid: 64, validator, miner, issued_at_ms, answer_ms_max: 1_000, seed, task }
}

fn of_weights(file: &HashedWeights) -> Task {
    let HashedWeights { sha256, bytes, .. } = *file;
    Task::Weights(WeightsTask { model: model_id("m"), file: sha256, bytes, root: file.root(), pieces: 4 })
}

/// What a miner with this file shows, whether or not it is the one asked for.
fn show(challenge: &Challenge, file: &[u8]) -> Answer {
    let Task::Weights(task) = &challenge.task else { panic!("no weights are asked for") };
    let read = |start: u64, length: usize| {
        let start = start as usize;
        Ok::<_, ()>(file[start..start + length].to_vec())
    };
    let pieces = Pieces::show(task, &challenge.seed, &hashed(file), read).unwrap();
    Answer { challenge: challenge.digest(), shown: Shown::Weights(pieces) }
}

fn product_task() -> ProductTask {
    ProductTask { rows: 37, inner: 21, columns: 19, shown: 6 }
}

/// The product by the definition; rows from `honest` on are guessed.
fn product(seed: &Digest, task: &ProductTask, honest: u32) -> Product {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    let (left, right) = (task.left(seed), task.right(seed));
    let rows: Vec<Vec<u32>> = (0..task.rows)
        .map(|row| {
            left.line(row, &mut a);
            let sum = |column| {
                right.line(column, &mut b);
                a.iter().zip(&b).map(|(a, b)| u32::from(*a) * u32::from(*b)).sum()
            };
            if row < honest { (0..task.columns).map(sum).collect() } else { vec![row; task.columns as usize] }
        })
        .collect();
    let leaves: Vec<Digest> = rows.iter().map(|row| product::row_hash(row)).collect();
    let root = merkle::root(&leaves);
    let open = |place: u32| OpenedRow {
        values: rows[place as usize].clone(),
        path: merkle::inclusion_proof(&leaves, place as usize).unwrap(),
    };
    let opened = task.places(seed, &root).into_iter().map(open).collect();
    Product { root, rows: product::Rows(opened) }
}

fn of_product(challenge: &Challenge, honest: u32) -> Answer {
    let product = product(&challenge.seed, &product_task(), honest);
    Answer { challenge: challenge.digest(), shown: Shown::Product(product) }
}

fn bring(finding: Finding) -> Result<ValidEvidence, EvidenceError> {
    let (validator, miner) = (account("Alice"), account("Bob"));
    let evidence = Evidence { netuid: 64, validator, miner, observed_at_ms: NOW_MS, finding };
    let bytes = evidence.sign(&key("Alice")).encode();
    SignedEvidence::from_bytes(&bytes)?.verify()
}

fn wrong(challenge: &Challenge, answer: &Answer) -> Result<ValidEvidence, EvidenceError> {
    let challenge = challenge.clone().sign(&key("Alice"));
    let answer = answer.clone().sign(&key("Bob"));
    bring(Finding::WrongAnswer(Box::new(WrongAnswer { challenge, answer })))
}

/// Evidence of a wrong answer to a challenge of this time.
pub(crate) fn wrong_answer(issued_at_ms: u64) -> ValidEvidence {
    let asked = challenge(1, issued_at_ms, of_weights(&hashed(&file())));
    let mut other = file();
    other.iter_mut().for_each(|byte| *byte ^= 1);
    wrong(&asked, &show(&asked, &other)).unwrap()
}

fn row(times_ms: &[u64]) -> Vec<SignedChallenge> {
    let task = of_weights(&hashed(&file()));
    times_ms.iter().map(|at_ms| challenge(1, *at_ms, task.clone()).sign(&key("Alice"))).collect()
}

/// Evidence of three missed challenges, the last of this time.
pub(crate) fn missed(at_ms: u64) -> ValidEvidence {
    let times = [at_ms - 2 * MISSED_GAP_MS, at_ms - MISSED_GAP_MS, at_ms];
    bring(Finding::Missed(Missed(row(&times)))).unwrap()
}

#[test]
fn who_has_the_file_shows_its_pieces_and_they_prove_nothing_against_it() {
    let file = file();
    for seed in 0..8 {
        let asked = challenge(seed, NOW_MS, of_weights(&hashed(&file)));
        let answer = show(&asked, &file);
        assert_eq!(answer.check(&asked), Ok(()));
        let signed = answer.clone().sign(&key("Bob"));
        let read = SignedAnswer::from_bytes(&signed.encode()).unwrap();
        assert_eq!(read.verify(&asked), Ok(()));
        assert_eq!(wrong(&asked, &answer), Err(EvidenceError::Innocent));
    }
}

#[test]
fn another_file_of_the_same_size_is_found_and_proven() {
    let asked = challenge(1, NOW_MS, of_weights(&hashed(&file())));
    let mut other = file();
    other.iter_mut().step_by(PIECE_BYTES).for_each(|byte| *byte ^= 1);
    let answer = show(&asked, &other);
    assert_eq!(answer.check(&asked), Err(Wrong::Place { index: 0 }));
    assert_eq!(wrong(&asked, &answer).unwrap().miner(), account("Bob"));
}

#[test]
fn an_old_answer_is_none_and_under_a_new_signature_a_wrong_one() {
    let (old, new) = (1, 2);
    let [old, new] = [old, new].map(|seed| challenge(seed, NOW_MS, of_weights(&hashed(&file()))));
    let replayed = show(&old, &file());
    let refused = replayed.clone().sign(&key("Bob")).verify(&new);
    assert_eq!(refused, Err(AnswerError::OtherChallenge));
    assert_eq!(wrong(&new, &replayed), Err(EvidenceError::Answer(AnswerError::OtherChallenge)));
    let renamed = Answer { challenge: new.digest(), ..replayed };
    assert!(matches!(renamed.check(&new), Err(Wrong::Place { .. })));
    assert!(wrong(&new, &renamed).is_ok());
}

#[test]
fn an_answer_of_somebody_else_or_with_an_altered_byte_is_nobodys() {
    let asked = challenge(1, NOW_MS, of_weights(&hashed(&file())));
    let answer = show(&asked, &file());
    let foreign = answer.clone().sign(&key("Charlie")).verify(&asked);
    assert!(matches!(foreign, Err(AnswerError::Signature(_))));
    let bytes = answer.sign(&key("Bob")).encode();
    for at in (0..bytes.len()).step_by(1_009) {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        let verified = SignedAnswer::from_bytes(&altered).and_then(|answer| answer.verify(&asked));
        assert!(matches!(verified, Err(AnswerError::Decode | AnswerError::Signature(_))), "byte {at}");
    }
    assert_eq!(SignedAnswer::from_bytes(&vec![0; ANSWER_BYTES_MAX + 1]), Err(AnswerError::Decode));
}

#[test]
fn more_or_fewer_parts_than_asked_for_and_another_task_are_wrong() {
    let asked = challenge(1, NOW_MS, of_weights(&hashed(&file())));
    let mut answer = show(&asked, &file());
    let Shown::Weights(pieces) = &mut answer.shown else { panic!() };
    let last = pieces.0.pop().unwrap();
    assert_eq!(answer.check(&asked), Err(Wrong::Count { expected: 4, found: 3 }));
    let Shown::Weights(pieces) = &mut answer.shown else { panic!() };
    pieces.0.extend([last.clone(), last]);
    assert_eq!(answer.check(&asked), Err(Wrong::Count { expected: 4, found: 5 }));
    let product = challenge(1, NOW_MS, Task::Product(product_task()));
    assert_eq!(answer.check(&product), Err(Wrong::OtherTask));
}

#[test]
fn a_challenge_is_taken_once_meant_for_the_miner_in_time_and_of_a_size_that_can_be_answered() {
    let task = of_weights(&hashed(&file()));
    let signed = challenge(1, NOW_MS, task.clone()).sign(&key("Alice"));
    let expected =
        Expected { netuid: 64, validator: account("Alice"), miner: account("Bob"), now_ms: NOW_MS };
    assert!(signed.admit(&expected).is_ok());
    let refused = |expected: Expected| signed.admit(&expected).unwrap_err();
    assert_eq!(refused(Expected { netuid: 1, ..expected }), ChallengeError::Stranger);
    assert_eq!(refused(Expected { miner: account("Dave"), ..expected }), ChallengeError::Stranger);
    assert_eq!(refused(Expected { validator: account("Dave"), ..expected }), ChallengeError::Stranger);
    let time = ChallengeError::Time { issued_at_ms: NOW_MS };
    assert_eq!(refused(Expected { now_ms: NOW_MS + 1_001, ..expected }), time);
    assert_eq!(refused(Expected { now_ms: NOW_MS - 10_001, ..expected }), time);
    let forged = challenge(1, NOW_MS, task).sign(&key("Bob"));
    assert!(matches!(forged.admit(&expected), Err(ChallengeError::Signature(_))));
    let sizes = [
        ProductTask { rows: 0, ..product_task() },
        ProductTask { inner: product::INNER_MAX + 1, ..product_task() },
        ProductTask { inner: product::INNER_MAX, columns: (1 << 9) + 1, ..product_task() },
        ProductTask { columns: 1 << 18, shown: 2, ..product_task() },
        ProductTask { shown: 0, ..product_task() },
    ];
    for size in sizes {
        let signed = challenge(1, NOW_MS, Task::Product(size)).sign(&key("Alice"));
        assert_eq!(signed.admit(&expected), Err(ChallengeError::Size));
    }
    assert!(SignedChallenge::from_bytes(&[signed.encode(), vec![0]].concat()).is_err());
}

#[test]
fn a_product_is_right_by_all_of_its_rows_and_wrong_by_one_that_is_guessed_or_off_by_one() {
    let asked = challenge(3, NOW_MS, Task::Product(product_task()));
    let honest = of_product(&asked, u32::MAX);
    assert_eq!(honest.check(&asked), Ok(()));
    assert_eq!(wrong(&asked, &honest), Err(EvidenceError::Innocent));
    // Half of the rows computed: six drawn of 37 find it with this seed.
    let lazy = of_product(&asked, 18);
    assert!(matches!(lazy.check(&asked), Err(Wrong::Row { row }) if row >= 18));
    assert!(wrong(&asked, &lazy).is_ok());
    // A number that is off by one, though the tree is made over it.
    let mut altered = honest.clone();
    let Shown::Product(product) = &mut altered.shown else { panic!() };
    product.rows.0[0].values[0] ^= 1;
    assert_eq!(altered.check(&asked), Err(Wrong::Place { index: 0 }));
    // Another seed is another product.
    let other = challenge(4, NOW_MS, Task::Product(product_task()));
    let replayed = Answer { challenge: other.digest(), ..honest };
    assert!(replayed.check(&other).is_err());
}

#[test]
fn the_matrices_are_those_of_the_specification() {
    let task = ProductTask { rows: 2, inner: 11, columns: 2, shown: 1 };
    let mut line = Vec::new();
    task.left(&Digest([7; 32])).line(1, &mut line);
    // Computed apart, in Python.
    assert_eq!(hex::encode(&line), "8ae8d66ed740a3c9c7d04c");
    assert_eq!((task.work(), task.bytes()), (44, 44 + 16));
}

#[test]
fn only_a_long_enough_row_of_the_validators_own_challenges_is_a_row() {
    let hour = 3_600_000;
    let times = [NOW_MS, NOW_MS + hour, NOW_MS + 2 * hour];
    let found = bring(Finding::Missed(Missed(row(&times)))).unwrap();
    assert_eq!((found.at_ms(), found.call()), (NOW_MS + 2 * hour, None));
    for times in [&times[..2], &[NOW_MS, NOW_MS + hour, NOW_MS + hour + 1], &[NOW_MS + hour, NOW_MS, NOW_MS]]
    {
        assert_eq!(bring(Finding::Missed(Missed(row(times)))), Err(EvidenceError::Innocent));
    }
    assert_eq!(bring(Finding::Missed(Missed(Vec::new()))), Err(EvidenceError::Innocent));
    let mut foreign = row(&times);
    let other = Challenge { validator: account("Dave"), ..foreign[1].challenge.clone() };
    foreign[1] = other.sign(&key("Dave"));
    assert_eq!(bring(Finding::Missed(Missed(foreign))), Err(EvidenceError::OtherMiner));
    let mut forged = row(&times);
    forged[2] = forged[2].challenge.clone().sign(&key("Bob"));
    assert!(matches!(bring(Finding::Missed(Missed(forged))), Err(EvidenceError::Challenge(_))));
}

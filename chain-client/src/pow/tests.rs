use super::*;

/// The challenge of the vectors in bittensor-core 0.1.5, `src/pow/mod.rs`.
fn challenge() -> Challenge {
    Challenge { netuid: 1, block_hash: [1; 32], hotkey: AccountId([2; 32]), coldkey: AccountId([3; 32]) }
}

fn search(difficulty: u64, threads: usize, first_nonce: u64) -> Search {
    Search { difficulty, threads: NonZeroUsize::new(threads).unwrap(), first_nonce }
}

#[test]
fn seals_are_those_of_bittensor_core() {
    for (nonce, expected) in [
        (0, "7cdaced691a70795a7656ad9b76ef2c16b961686a14a790bcb22eed6226ef103"),
        (1, "c2291b632879447b6fe0785b0f25b5151c85a7e07df23a7860cf029e8a03f466"),
        (u64::MAX, "69f1aef50783893195365b4fb62a4745085c31fee525a0984bc20301ab377aaf"),
    ] {
        assert_eq!(hex::encode(challenge().seal(nonce)), expected, "{nonce}");
    }
}

#[test]
fn a_seal_is_good_if_its_product_with_the_difficulty_fits_into_256_bits() {
    let half = |low: u8| {
        let mut seal = [low; 32];
        seal[31] = 0x7f;
        seal
    };
    assert!(is_good(&[0xff; 32], 1) && is_good(&[0xff; 32], 0));
    assert!(!is_good(&[0xff; 32], 2));
    assert!(is_good(&half(0xff), 2));
    assert!(!is_good(&half(0xff), 3));
    let mut one = [0; 32];
    one[0] = 1;
    assert!(is_good(&one, u64::MAX));
    // The value is little endian: a high last byte is what makes a seal bad.
    let (mut low, mut high) = ([0; 32], [0; 32]);
    (low[0], high[31]) = (0xff, 0xff);
    assert!(is_good(&low, u64::MAX) && !is_good(&high, 2));
    // 2^256 = 3 * 5555..55 + 1: the largest good seal for 3, and the next one.
    assert!(is_good(&[0x55; 32], 3));
    let mut next = [0x55; 32];
    next[0] = 0x56;
    assert!(!is_good(&next, 3));
}

#[test]
fn a_solution_is_found_by_any_number_of_threads() {
    for threads in [1, 2, 5] {
        let (stop, seals) = (AtomicBool::new(false), AtomicU64::new(0));
        let solution = challenge().solve(search(3_000, threads, u64::MAX - 10), &stop, &seals).unwrap();
        assert_eq!(solution.seal, challenge().seal(solution.nonce));
        assert!(is_good(&solution.seal, 3_000), "{solution:?}");
    }
}

#[test]
fn threads_share_the_nonces_without_gaps() {
    let (stop, seals) = (AtomicBool::new(false), AtomicU64::new(0));
    let alone = challenge().solve(search(20_000, 1, 0), &stop, &seals).unwrap();
    let first = (0..).find(|nonce| is_good(&challenge().seal(*nonce), 20_000)).unwrap();
    assert_eq!(alone.nonce, first);
    assert!(seals.load(Ordering::Relaxed) <= first, "{seals:?} of {first}");
}

#[test]
fn a_search_ends_when_it_is_told_to() {
    let (stop, seals) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let searching = scope.spawn(|| challenge().solve(search(u64::MAX, 2, 0), &stop, &seals));
        while seals.load(Ordering::Relaxed) < 4 * SEALS_PER_LOOK {
            std::thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        assert_eq!(searching.join().unwrap(), None);
    });
}

#[test]
fn the_expected_time_follows_from_the_speed() {
    assert_eq!(expected(1_000, 0, Duration::from_secs(1)), None);
    assert_eq!(expected(1_000, 100, Duration::from_secs(2)), Some(Duration::from_secs(20)));
}

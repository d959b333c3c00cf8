//! Proof of work for a registration: the seal that the chain checks, and threads that look for one.
//!
//! ```text
//! seal = keccak256(sha256( "subtensor-pow-register-v1"  netuid (2 bytes, little endian)  hash of the work block (32)
//!                          hotkey (32)  coldkey (32)  nonce (8, little endian) ))
//! ```
//!
//! A seal is good if its value, little endian, times the subnet's difficulty is below 2^256. It is bound to a recent block,
//! so nothing can be worked out in advance, and to both keys, so that nobody else can use it.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use protocol::AccountId;
use sha2::{Digest, Sha256};

const DOMAIN: &[u8; 25] = b"subtensor-pow-register-v1";

/// Seals computed between two looks at the clock and at what the other threads have found.
const SEALS_PER_LOOK: u64 = 2048;

/// What must be worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge {
    /// The subnet.
    pub netuid: u16,
    /// The hash of a recent block.
    pub block_hash: [u8; 32],
    /// Who is to be registered.
    pub hotkey: AccountId,
    /// Who signs the registration.
    pub coldkey: AccountId,
}

/// A nonce whose seal is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Solution {
    /// The nonce.
    pub nonce: u64,
    /// Its seal.
    pub seal: [u8; 32],
}

/// How to look for a solution.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// The subnet's difficulty: how many seals it takes on average.
    pub difficulty: u64,
    /// Threads that work.
    pub threads: NonZeroUsize,
    /// The first nonce. Take a random one, so that two machines with the same keys do not do the same work.
    pub first_nonce: u64,
}

impl Challenge {
    /// The seal of a nonce.
    pub fn seal(&self, nonce: u64) -> [u8; 32] {
        seal_after(&self.prefix(), nonce)
    }

    /// Everything before the nonce, hashed so far.
    fn prefix(&self) -> Sha256 {
        Sha256::new()
            .chain_update(DOMAIN)
            .chain_update(self.netuid.to_le_bytes())
            .chain_update(self.block_hash)
            .chain_update(self.hotkey.0)
            .chain_update(self.coldkey.0)
    }

    /// Looks for a solution until one is found or `stop` is set. Blocks the calling thread; `seals` counts the work done.
    pub fn solve(&self, search: Search, stop: &AtomicBool, seals: &AtomicU64) -> Option<Solution> {
        let Search { difficulty, threads, first_nonce } = search;
        let found = AtomicBool::new(false);
        let prefix = self.prefix();
        let stride = u64::try_from(threads.get()).unwrap_or(u64::MAX);
        let work = |thread: u64| {
            let mut nonce = first_nonce.wrapping_add(thread);
            while !stop.load(Ordering::Relaxed) && !found.load(Ordering::Relaxed) {
                for _ in 0..SEALS_PER_LOOK {
                    let seal = seal_after(&prefix, nonce);
                    if is_good(&seal, difficulty) {
                        found.store(true, Ordering::Relaxed);
                        return Some(Solution { nonce, seal });
                    }
                    nonce = nonce.wrapping_add(stride);
                }
                seals.fetch_add(SEALS_PER_LOOK, Ordering::Relaxed);
            }
            None
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..stride).map(|thread| scope.spawn(move || work(thread))).collect();
            let solutions = workers.into_iter().filter_map(|worker| worker.join().ok().flatten());
            // Two threads may find one each; either will do.
            solutions.last()
        })
    }
}

fn seal_after(prefix: &Sha256, nonce: u64) -> [u8; 32] {
    let inner: [u8; 32] = prefix.clone().chain_update(nonce.to_le_bytes()).finalize().into();
    sp_crypto_hashing::keccak_256(&inner)
}

/// Whether the seal's value times the difficulty stays below 2^256.
pub fn is_good(seal: &[u8; 32], difficulty: u64) -> bool {
    let mut carry = 0u128;
    for limb in seal.chunks_exact(8) {
        let limb = u64::from_le_bytes(limb.try_into().expect("chunks of eight"));
        carry = (u128::from(limb) * u128::from(difficulty) + carry) >> 64;
    }
    carry == 0
}

/// How long a search takes on average at this speed; `None` while nothing is measured.
pub fn expected(difficulty: u64, seals: u64, elapsed: Duration) -> Option<Duration> {
    (seals > 0).then(|| elapsed.mul_f64((difficulty as f64 / seals as f64).min(1e9)))
}

#[cfg(test)]
mod tests;

//! What a core can verify at most.

use std::time::{Duration, Instant};

use protocol::signing::{Domain, Keypair, Signature, verify, verify_batch};
use serde::Serialize;

const SPAN: Duration = Duration::from_millis(1_000);
const MESSAGES: usize = 512;
/// Signatures verified together for the floor of whoever may wait for them.
const BATCH: usize = 64;

/// Signatures of one key verified each second.
#[derive(Clone, Default, Serialize)]
pub struct Floor {
    pub threads: usize,
    /// On one thread, one by one.
    pub one: f64,
    /// On that many threads, one by one.
    pub all: f64,
    /// On one thread, 64 of one key together.
    pub batch_one: f64,
    /// On that many threads, 64 of one key together.
    pub batch_all: f64,
}

pub fn measure(threads: usize) -> Floor {
    crate::say("what a core verifies: the floor");
    let one = each_second(1, singly);
    let all = if threads == 1 { one } else { each_second(threads, singly) };
    let batch_one = each_second(1, together);
    let batch_all = if threads == 1 { batch_one } else { each_second(threads, together) };
    Floor { threads, one, all, batch_one, batch_all }
}

type Items = Vec<(Domain, protocol::AccountId, Vec<u8>, Signature)>;

fn singly(items: &Items) {
    for (domain, account, message, signature) in items {
        verify(*domain, account, message, signature).unwrap();
    }
}

fn together(items: &Items) {
    items.chunks(BATCH).for_each(|part| verify_batch(part).unwrap());
}

fn each_second(threads: usize, check: fn(&Items)) -> f64 {
    let key = Keypair::from_dev_uri("//Alice").unwrap();
    let items: Items = (0..MESSAGES)
        .map(|number| {
            // As long as what a request signs.
            let message = [number.to_be_bytes().as_slice(), &[0x61; 260]].concat();
            (Domain::Ticket, key.public(), message.clone(), key.sign(Domain::Ticket, &message))
        })
        .collect();
    let started = Instant::now();
    let verified: usize = std::thread::scope(|scope| {
        let work = || {
            let mut verified = 0;
            while started.elapsed() < SPAN {
                check(&items);
                verified += MESSAGES;
            }
            verified
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    verified as f64 / started.elapsed().as_secs_f64()
}

//! The two signatures of a request, its own and its ticket's, checked together with those of the requests that arrive beside it.
//!
//! Checking signatures is what admission spends its time on, and many of one key take a third of the time together that they take one by
//! one (docs/reference/axon-costs.md). Nobody waits for company: a request that arrives alone is checked in the runtime's next turn, and
//! requests that arrive while a check is running form the next one.
//!
//! One forged signature spoils the check of all beside it. So after one was found, the next [`WARY`] requests are checked one by one:
//! whoever sends forgeries takes from others what they save by this, and no more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::btauth::{AuthError, Claim, VerifiedCaller, verify_all};
use protocol::signing::BadSignature;
use protocol::ticket::{SignedTicket, ValidTicket};
use tokio::sync::oneshot;

/// Requests that are checked together at most: about half a millisecond of a thread.
const TOGETHER_MAX: usize = 16;
/// Requests that are checked one by one after a forged one.
const WARY: usize = 256;

/// Who sent a request and what it orders; the ticket may be bad though the request is not.
pub(super) type Verdict = Result<(VerifiedCaller, Result<ValidTicket, BadSignature>), AuthError>;
type Request = (Claim, SignedTicket);

/// Checks requests for all of an axon's connections. Cloning shares it.
#[derive(Clone, Debug)]
pub(super) struct Verifier(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// As many as there are connections at most: each has one request under way.
    waiting: Vec<(Request, oneshot::Sender<Verdict>)>,
    /// Tasks that check what waits, and how many there may be.
    running: usize,
    running_max: usize,
    /// Requests still to be checked one by one.
    wary: usize,
}

/// A task that checks what waits.
struct Turn {
    verifier: Verifier,
    /// It is not counted as running any more.
    over: bool,
}

/// What is checked next.
struct Part {
    requests: Vec<Request>,
    answers: Vec<oneshot::Sender<Verdict>>,
    one_by_one: bool,
}

impl Verifier {
    pub fn new(threads: usize) -> Self {
        let (running, running_max) = (0, threads.max(1));
        Self(Arc::new(Mutex::new(State { waiting: Vec::new(), running, running_max, wary: 0 })))
    }

    /// Checks a request and its ticket. Nothing only if the runtime is shutting down.
    pub async fn check(&self, claim: Claim, ticket: SignedTicket) -> Option<Verdict> {
        let (answer, answered) = oneshot::channel();
        let turn = {
            let mut state = self.lock();
            state.waiting.push(((claim, ticket), answer));
            let free = state.running < state.running_max;
            state.running += usize::from(free);
            free.then(|| Turn { verifier: self.clone(), over: false })
        };
        if let Some(turn) = turn {
            // A task of its own: this one ends if its client hangs up.
            tokio::spawn(turn.run());
        }
        answered.await.ok()
    }

    /// Nothing here panics while holding the lock, and the state stays whole if it did.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    async fn run(mut self) {
        loop {
            // Whoever is ready to run now comes first, and may bring a request along.
            tokio::task::yield_now().await;
            let Some(Part { requests, answers, one_by_one }) = self.next() else { return };
            let (verdicts, forged) = judge(requests, one_by_one);
            if forged {
                self.verifier.lock().wary = WARY;
            }
            for (answer, verdict) in answers.into_iter().zip(verdicts) {
                // Whoever has hung up wants no verdict.
                let _ = answer.send(verdict);
            }
        }
    }

    /// Nothing when nothing waits, and then this turn is over: under one lock, so that no request is left between two turns.
    fn next(&mut self) -> Option<Part> {
        let mut state = self.verifier.lock();
        let count = state.waiting.len().min(TOGETHER_MAX);
        if count == 0 {
            state.running -= 1;
            self.over = true;
            return None;
        }
        let one_by_one = state.wary > 0;
        state.wary = state.wary.saturating_sub(count);
        let (requests, answers) = state.waiting.drain(..count).unzip();
        Some(Part { requests, answers, one_by_one })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.over {
            self.verifier.lock().running -= 1;
        }
    }
}

/// Each request's verdict, and whether any signature was bad.
fn judge(requests: Vec<Request>, one_by_one: bool) -> (Vec<Verdict>, bool) {
    if !one_by_one && let Some(verified) = verify_all(&requests) {
        return (verified.into_iter().map(|(caller, ticket)| Ok((caller, Ok(ticket)))).collect(), false);
    }
    let verdicts: Vec<Verdict> =
        requests.into_iter().map(|(claim, ticket)| Ok((claim.verify()?, ticket.verify()))).collect();
    let forged = verdicts.iter().any(|verdict| !matches!(verdict, Ok((_, Ok(_)))));
    (verdicts, forged)
}

#[cfg(test)]
mod tests {
    use protocol::btauth::{self, Freshness, RawHeaders, RequestParts};
    use protocol::digest::Digest;
    use protocol::signing::Keypair;
    use protocol::ticket::{Kind, Ticket};

    use super::*;

    const NOW_NS: u64 = 1_752_076_800_000_000_000;

    fn key(name: &str) -> Keypair {
        Keypair::from_dev_uri(&format!("//{name}")).unwrap()
    }

    /// Alice's request to Bob, with the signatures of these two.
    fn request(number: u64, signer: &str, ticket_signer: &str) -> Request {
        let (alice, bob) = (key("Alice"), key("Bob").public());
        let parts = RequestParts { method: "POST", target: "/", body_sha256: Digest::ZERO };
        let mut headers = btauth::sign(&alice, &parts, &bob, NOW_NS + number);
        headers[4] = btauth::sign(&key(signer), &parts, &bob, NOW_NS + number)[4].clone();
        let raw = RawHeaders::collect(headers.iter().map(|(name, value)| (*name, value.as_bytes()))).unwrap();
        let ticket = Ticket {
            netuid: 64,
            validator: alice.public(),
            miner: bob,
            model: "echo".parse().unwrap(),
            weights_digest: Digest::ZERO,
            request_sha256: Digest::ZERO,
            sequence: number,
            issued_at_ms: NOW_NS / 1_000_000,
            deadline_ms: NOW_NS / 1_000_000 + 1,
            prompt_tokens_max: 1,
            completion_tokens_max: 1,
            payer: Digest::ZERO,
            kind: Kind::Chat,
        };
        let claim = Claim::of(&raw, &parts, &bob, NOW_NS, &Freshness::default()).unwrap();
        (claim, ticket.sign(&key(ticket_signer)))
    }

    /// The numbers of a good request's nonce and ticket; or which of the two signatures is bad.
    fn told(verdict: Verdict) -> Result<(u64, u64), &'static str> {
        let (caller, ticket) = verdict.map_err(|_| "request")?;
        Ok((caller.nonce_ns - NOW_NS, ticket.map_err(|_| "ticket")?.sequence))
    }

    fn turn(verifier: &Verifier) -> Turn {
        verifier.lock().running += 1;
        Turn { verifier: verifier.clone(), over: false }
    }

    #[tokio::test]
    async fn each_of_many_requests_at_once_gets_its_own_verdict() {
        let verifier = Verifier::new(2);
        let requests = (0..100).map(|number| match number {
            40 => (request(number, "Bob", "Alice"), Err("request")),
            41 => (request(number, "Alice", "Bob"), Err("ticket")),
            good => (request(good, "Alice", "Alice"), Ok((good, good))),
        });
        let checks = requests.map(|((claim, ticket), expected)| {
            let verifier = &verifier;
            async move { assert_eq!(told(verifier.check(claim, ticket).await.unwrap()), expected) }
        });
        futures::future::join_all(checks).await;
        assert!(verifier.lock().waiting.is_empty());
        assert!(verifier.lock().wary > 0, "some were forged");
        // The tasks that checked them find nothing more to do.
        while verifier.lock().running > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn requests_that_wait_are_checked_together_until_one_is_forged_and_then_alone_for_a_while() {
        let verifier = Verifier::new(0);
        let mut turn = turn(&verifier);
        let put = |number, signer| {
            let (answer, _) = oneshot::channel();
            verifier.lock().waiting.push((request(number, signer, "Alice"), answer));
        };
        (0..TOGETHER_MAX as u64 + 1).for_each(|number| put(number, "Alice"));
        let part = turn.next().unwrap();
        assert_eq!((part.requests.len(), part.one_by_one), (TOGETHER_MAX, false));
        assert!(!judge(part.requests, false).1);
        let rest = turn.next().unwrap();
        assert_eq!((rest.requests.len(), rest.one_by_one), (1, false));
        assert!(turn.next().is_none() && turn.over && verifier.lock().running == 0);

        verifier.lock().wary = 2;
        for (number, alone) in [(0, true), (1, true), (2, false)] {
            put(number, "Bob");
            let part = turn.next().unwrap();
            assert_eq!(part.one_by_one, alone);
            assert!(judge(part.requests, alone).1, "forged");
        }
    }

    #[tokio::test]
    async fn a_check_that_is_given_up_leaves_the_next_one_nothing_to_wait_for() {
        let verifier = Verifier::new(1);
        let (claim, ticket) = request(1, "Alice", "Alice");
        let mut given_up = Box::pin(verifier.check(claim, ticket));
        assert!(futures::poll!(given_up.as_mut()).is_pending());
        drop(given_up);
        drop(turn(&verifier));
        let (claim, ticket) = request(2, "Alice", "Alice");
        assert_eq!(told(verifier.check(claim, ticket).await.unwrap()), Ok((2, 2)));
    }
}

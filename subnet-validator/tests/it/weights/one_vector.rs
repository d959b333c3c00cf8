//! One tempo, one vector, whatever happens: a simulated chain with finality lag, a pool that includes, delays or drops
//! submissions, and a validator that is killed at every step. The journal is the real one, on disk.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use protocol::digest::Digest;
use subnet_validator::weights::decide::{Decision, Facts, OwnNeuron, Timing, decide};
use subnet_validator::weights::journal::{Entry, Journal, Progress};
use subnet_validator::weights::submit::{Fate, act};

const TEMPO: u32 = 20;
const FINALITY_LAG: u32 = 3;
const LIFETIME: u32 = 12;
const TIMING: Timing = Timing { submit_after_percent: 25, submission_lifetime_blocks: LIFETIME };

type Vector = Vec<(u16, u16)>;

/// What happens in one block.
#[derive(Debug, Clone, Copy)]
struct Turn {
    /// The block takes what is in the pool.
    includes: bool,
    /// The chain refuses submissions at the door.
    refuses: bool,
    /// The validator gives up waiting for its submission.
    times_out: bool,
    /// The process dies, at one of its steps.
    killed: Option<Kill>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kill {
    /// Before it decides.
    Early,
    /// After the vector is recorded as decided.
    Decided,
    /// After it is recorded as submitted, before it is sent.
    Recorded,
    /// After it is sent.
    Sent,
}

#[derive(Default)]
struct Chain {
    best: u32,
    pool: Vec<(Vector, u32)>,
    landed: Vec<(u32, Vector)>,
    refuses: bool,
    times_out: bool,
}

impl Chain {
    fn next_block(&mut self, turn: Turn) {
        self.best += 1;
        let best = self.best;
        self.pool.retain(|(_, last_block)| *last_block >= best);
        if turn.includes {
            let included = self.pool.drain(..).map(|(vector, _)| (best, vector));
            self.landed.extend(included);
        }
        (self.refuses, self.times_out) = (turn.refuses, turn.times_out);
    }

    fn finalized(&self) -> u32 {
        self.best.saturating_sub(FINALITY_LAG)
    }

    fn facts(&self) -> Facts {
        let block = self.finalized();
        let last_update =
            self.landed.iter().map(|(landed, _)| *landed).filter(|landed| *landed <= block).max();
        Facts {
            block,
            epoch_index: (block / TEMPO).into(),
            last_epoch_block: (block / TEMPO * TEMPO).into(),
            next_epoch_block: Some((block / TEMPO * TEMPO + TEMPO).into()),
            own: Some(OwnNeuron {
                validator_permit: true,
                last_update: last_update.unwrap_or(1).into(),
                registered_at: Some(1),
            }),
            neurons: 4,
            weights_rate_limit: 0,
            min_allowed_weights: 1,
            commit_reveal_enabled: false,
        }
    }

    /// Where this vector is final, if it is.
    fn fate(&self, vector: &Vector) -> Option<Fate> {
        let landed =
            self.landed.iter().find(|(block, landed)| landed == vector && *block <= self.finalized());
        match landed {
            Some((block, _)) => Some(Fate::Landed { in_block: (*block).into() }),
            None if self.times_out => Some(Fate::Unknown),
            None => None,
        }
    }
}

/// The process: idle with its journal, or waiting for a submission.
enum Process {
    Idle(Journal),
    Busy(Pin<Box<dyn Future<Output = Journal>>>),
}

struct World {
    chain: Rc<RefCell<Chain>>,
    path: PathBuf,
    process: Option<Process>,
}

impl World {
    fn new(folder: &Path) -> Self {
        let path = folder.join("journal.json");
        let process = Some(Process::Idle(Journal::open(&path).unwrap()));
        Self { chain: Rc::default(), path, process }
    }

    fn turn(&mut self, turn: Turn) {
        self.chain.borrow_mut().next_block(turn);
        let process = self.process.take().expect("there is always a process");
        let process = match (process, turn.killed) {
            (_, Some(Kill::Early)) | (Process::Busy(_), Some(_)) => self.restart(),
            (Process::Idle(journal), killed) => self.decide(journal, killed),
            (Process::Busy(waiting), None) => poll(waiting),
        };
        self.process = Some(process);
    }

    fn restart(&self) -> Process {
        Process::Idle(Journal::open(&self.path).unwrap())
    }

    fn decide(&self, mut journal: Journal, killed: Option<Kill>) -> Process {
        let facts = self.chain.borrow().facts();
        // Every block would give another vector, so two decisions in one tempo would show.
        let new = Entry {
            netuid: 64,
            mechanism: 0,
            epoch_index: facts.epoch_index,
            decided_at_block: facts.block,
            scores: Digest::ZERO,
            vector: vec![(1, u16::try_from(self.chain.borrow().best).unwrap() + 1)],
            progress: Progress::Decided,
        };
        let decision = decide(&facts, &TIMING, &new.vector, journal.entry());
        let submits = matches!(decision, Decision::SubmitNew | Decision::SubmitDecided);
        match killed {
            Some(Kill::Decided) if decision == Decision::SubmitNew => {
                journal.decide(new).unwrap();
                return self.restart();
            }
            Some(Kill::Recorded) if submits => {
                let _ =
                    poll_once(act(&mut journal, decision, Some(new), self.chain.borrow().best, async |_| {
                        std::future::pending().await
                    }));
                return self.restart();
            }
            _ => {}
        }
        let (chain, best) = (Rc::clone(&self.chain), self.chain.borrow().best);
        let waiting = poll(Box::pin(async move {
            act(&mut journal, decision, Some(new), best, async |vector| submit(&chain, vector).await)
                .await
                .unwrap();
            journal
        }));
        if killed == Some(Kill::Sent) { self.restart() } else { waiting }
    }
}

async fn submit(chain: &RefCell<Chain>, vector: Vector) -> Fate {
    {
        let mut chain = chain.borrow_mut();
        if chain.refuses {
            return Fate::Refused;
        }
        let last_block = chain.best + LIFETIME;
        chain.pool.push((vector.clone(), last_block));
    }
    std::future::poll_fn(|_| match chain.borrow().fate(&vector) {
        Some(fate) => Poll::Ready(fate),
        None => Poll::Pending,
    })
    .await
}

fn poll(mut waiting: Pin<Box<dyn Future<Output = Journal>>>) -> Process {
    match waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(journal) => Process::Idle(journal),
        Poll::Pending => Process::Busy(waiting),
    }
}

fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Vectors that reached each tempo. An epoch runs before its block's extrinsics, so its block belongs to the next tempo.
fn by_tempo(chain: &Chain) -> BTreeMap<u32, Vec<Vector>> {
    let mut tempos: BTreeMap<u32, Vec<Vector>> = BTreeMap::new();
    for (block, vector) in &chain.landed {
        tempos.entry(block / TEMPO).or_default().push(vector.clone());
    }
    tempos
}

fn turn() -> impl Strategy<Value = Turn> {
    let kill = prop_oneof![Just(Kill::Early), Just(Kill::Decided), Just(Kill::Recorded), Just(Kill::Sent)];
    let rare = |weight| prop::bool::weighted(weight);
    (rare(0.5), rare(0.2), rare(0.1), prop::option::weighted(0.2, kill))
        .prop_map(|(includes, refuses, times_out, killed)| Turn { includes, refuses, times_out, killed })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_tempo_ever_gets_two_vectors(turns in prop::collection::vec(turn(), 1..160)) {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new(folder.path());
        for turn in turns {
            world.turn(turn);
        }
        for (tempo, vectors) in by_tempo(&world.chain.borrow()) {
            prop_assert!(vectors.len() <= 1, "tempo {tempo} got {vectors:?}");
        }
    }

    #[test]
    fn after_any_trouble_the_next_quiet_tempos_get_their_vectors(
        turns in prop::collection::vec(turn(), 0..60),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new(folder.path());
        for turn in turns {
            world.turn(turn);
        }
        let quiet = Turn { includes: true, refuses: false, times_out: false, killed: None };
        // A submission still waiting is first given up; then its doubt passes; then all is as ever.
        world.turn(Turn { times_out: true, ..quiet });
        let start = world.chain.borrow().best;
        for _ in 0..5 * TEMPO {
            world.turn(quiet);
        }
        let tempos = by_tempo(&world.chain.borrow());
        for tempo in start / TEMPO + 3..start / TEMPO + 5 {
            prop_assert!(tempos.contains_key(&tempo), "tempo {tempo} got none: {tempos:?}");
        }
    }
}

#[test]
fn without_trouble_every_tempo_gets_exactly_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new(folder.path());
    for _ in 0..10 * TEMPO {
        world.turn(Turn { includes: true, refuses: false, times_out: false, killed: None });
    }
    let counts: Vec<usize> = by_tempo(&world.chain.borrow()).values().map(Vec::len).collect();
    assert_eq!(counts, [1; 10]);
}

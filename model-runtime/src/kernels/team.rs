//! A few threads that compute together, woken in well under a microsecond.
//!
//! A forward pass is some hundred short loops, and handing each of them to a general thread pool would cost more than some of them take.
//! Here the caller announces a loop, everybody takes tasks from one counter, and the caller goes on when all are done. Between loops the
//! workers spin for a moment, then yield, then sleep. A worker that the system has put aside when a loop ends is not waited for.
#![expect(unsafe_code, reason = "workers borrow the caller's closure while it waits for them")]

use std::cell::UnsafeCell;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::{hint, io, thread};

/// Polls before a thread that waits begins to yield, and then yields before it sleeps.
const SPINS: usize = 4_000;
const YIELDS: usize = 400;

/// The threads. Whoever computes takes a [`Turn`]; others wait for theirs.
#[derive(Debug)]
pub struct Team {
    board: Arc<Board>,
    workers: Vec<Worker>,
    turn: Mutex<usize>,
}

/// The right to use the team, for one forward pass.
#[derive(Debug)]
pub struct Turn<'a> {
    team: &'a Team,
    /// Number of the last loop; kept across turns so that no worker takes an old loop for a new one.
    loops: MutexGuard<'a, usize>,
}

#[derive(Debug)]
struct Worker {
    thread: Option<JoinHandle<()>>,
    asleep: Arc<AtomicBool>,
}

/// What the caller and the workers tell each other.
#[derive(Debug, Default)]
struct Board {
    /// Number of the loop that takes workers in; 0 for none.
    open: AtomicUsize,
    /// Workers that are in it.
    inside: AtomicUsize,
    /// The next task.
    next: AtomicUsize,
    failed: AtomicBool,
    stop: AtomicBool,
    job: UnsafeCell<Option<Job>>,
}

// SAFETY: `job` is written only while no loop is open and nobody is inside, and read only by workers that are inside of an open loop.
unsafe impl Sync for Board {}
// SAFETY: the pointer in `job` is to a `Sync` closure that outlives the loop.
unsafe impl Send for Board {}

#[derive(Clone, Copy, Debug)]
struct Job {
    task: *const (dyn Fn(usize) + Sync),
    tasks: usize,
}

impl Team {
    /// A team of so many threads, the caller's included.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn new(threads: NonZeroUsize) -> io::Result<Self> {
        let board = Arc::new(Board::default());
        let mut team = Self { board: board.clone(), workers: Vec::new(), turn: Mutex::new(0) };
        for index in 1..threads.get() {
            let asleep = Arc::new(AtomicBool::new(false));
            let (board, flag) = (board.clone(), asleep.clone());
            let work = move || board.work(&flag);
            let thread = thread::Builder::new().name(format!("team-{index}")).spawn(work)?;
            team.workers.push(Worker { thread: Some(thread), asleep });
        }
        Ok(team)
    }

    /// Threads that compute, the caller's included.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Waits until nobody else computes.
    #[must_use]
    pub fn enter(&self) -> Turn<'_> {
        Turn { team: self, loops: self.turn.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

impl Turn<'_> {
    /// Threads that compute, the caller's included.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.team.threads()
    }

    /// Runs `task(0)` to `task(tasks - 1)`, each once, on all threads.
    ///
    /// # Panics
    /// When a task does.
    pub fn run(&mut self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        if tasks <= 1 || self.team.workers.is_empty() {
            return (0..tasks).for_each(task);
        }
        *self.loops = self.loops.wrapping_add(1).max(1);
        let board = &self.team.board;
        // SAFETY: the lifetime is only forgotten: the loop below is closed, and empty of workers, before `task` ends.
        let forgotten: *const (dyn Fn(usize) + Sync) =
            unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static (dyn Fn(usize) + Sync)>(task) };
        board.next.store(0, SeqCst);
        // SAFETY: no loop is open and nobody is inside: the last one was closed by `Closing`.
        unsafe { *board.job.get() = Some(Job { task: forgotten, tasks }) };
        board.open.store(*self.loops, SeqCst);
        let closing = Closing(board);
        for worker in &self.team.workers {
            if worker.asleep.load(SeqCst) && worker.asleep.swap(false, SeqCst) {
                worker.thread.as_ref().expect("joined on drop only").thread().unpark();
            }
        }
        let own = catch_unwind(AssertUnwindSafe(|| board.take_tasks(tasks, task)));
        drop(closing);
        if let Err(panic) = own {
            board.failed.store(false, SeqCst);
            resume_unwind(panic);
        }
        assert!(!board.failed.swap(false, SeqCst), "a task failed on another thread of the team");
    }
}

/// Closes the loop and waits for the workers that are in it.
struct Closing<'a>(&'a Board);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.open.store(0, SeqCst);
        let mut polls = 0_usize;
        while self.0.inside.load(SeqCst) > 0 {
            polls += 1;
            if polls < SPINS { hint::spin_loop() } else { thread::yield_now() }
        }
    }
}

impl Board {
    fn take_tasks(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        loop {
            let index = self.next.fetch_add(1, SeqCst);
            if index >= tasks {
                return;
            }
            task(index);
        }
    }

    fn work(&self, asleep: &AtomicBool) {
        let mut done = 0;
        while let Some(number) = self.await_loop(done, asleep) {
            done = number;
            self.inside.fetch_add(1, SeqCst);
            if self.open.load(SeqCst) == number {
                // SAFETY: the loop was open after this thread was counted, so its caller waits for this thread before it writes again.
                let job = unsafe { *self.job.get() };
                if let Some(Job { task, tasks }) = job {
                    // SAFETY: the closure lives until its caller has seen this thread leave.
                    let task = unsafe { &*task };
                    if catch_unwind(AssertUnwindSafe(|| self.take_tasks(tasks, task))).is_err() {
                        self.failed.store(true, SeqCst);
                    }
                }
            }
            self.inside.fetch_sub(1, SeqCst);
        }
    }

    /// The number of a loop that is not `done`; `None` when the team is gone.
    fn await_loop(&self, done: usize, asleep: &AtomicBool) -> Option<usize> {
        let mut polls = 0;
        loop {
            let number = self.open.load(SeqCst);
            if number != 0 && number != done {
                return Some(number);
            }
            if self.stop.load(SeqCst) {
                return None;
            }
            polls += 1;
            if polls < SPINS {
                hint::spin_loop();
            } else if polls < SPINS + YIELDS {
                thread::yield_now();
            } else {
                asleep.store(true, SeqCst);
                let number = self.open.load(SeqCst);
                if (number == 0 || number == done) && !self.stop.load(SeqCst) {
                    thread::park();
                }
                asleep.store(false, SeqCst);
                polls = 0;
            }
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.board.stop.store(true, SeqCst);
        for worker in &mut self.workers {
            if let Some(thread) = worker.thread.take() {
                thread.thread().unpark();
                // A worker's panics were caught and reported by the loop they happened in.
                drop(thread.join());
            }
        }
    }
}

//! Processor time of the load's threads and of all others, which are the axon's (its runtime, its store, RocksDB).

use std::fs;
use std::time::Duration;

/// How the threads of the load are named.
pub const LOAD: &str = "load";

/// Since the process began.
#[derive(Clone, Copy, Default)]
pub struct Cpu {
    pub axon: Duration,
    pub load: Duration,
}

impl Cpu {
    /// Of all threads that run now; ours live as long as what is measured.
    pub fn now() -> Self {
        let mut cpu = Self::default();
        for task in fs::read_dir("/proc/self/task").expect("this is Linux").flatten() {
            let read = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
            // The first number of schedstat: nanoseconds on a processor.
            let spent = read("schedstat").split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0);
            let spent = Duration::from_nanos(spent);
            if read("comm").trim() == LOAD { cpu.load += spent } else { cpu.axon += spent }
        }
        cpu
    }

    pub fn since(self, then: Self) -> Self {
        let less = |now: Duration, then: Duration| now.saturating_sub(then);
        Self { axon: less(self.axon, then.axon), load: less(self.load, then.load) }
    }
}

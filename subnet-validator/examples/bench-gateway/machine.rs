//! Who else wants the processor: figures of a busy machine are not the gateway's.

use std::fs;

/// Processor time so far, in the kernel's ticks: all of it, what was used, and what this process used of that.
#[derive(Clone, Copy)]
pub struct Times {
    all: u64,
    used: u64,
    own: u64,
}

impl Times {
    /// Nothing where the system does not tell.
    pub fn now() -> Option<Self> {
        let machine = fs::read_to_string("/proc/stat").ok()?;
        let fields = machine.lines().next()?.split_whitespace().skip(1);
        let ticks: Vec<u64> = fields.map_while(|field| field.parse().ok()).collect();
        // The fourth is idle time and the fifth is waiting for disks; the last two are counted in the first two as well.
        let all: u64 = ticks.iter().take(8).sum();
        let unused = ticks.get(3)? + ticks.get(4)?;
        let process = fs::read_to_string("/proc/self/stat").ok()?;
        // Behind the name, which may hold anything, comes the third field; the 14th and 15th are the times.
        let (_, fields) = process.rsplit_once(") ")?;
        let mut fields = fields.split(' ').skip(11).map_while(|field| field.parse::<u64>().ok());
        let own = fields.next()? + fields.next()?;
        Some(Self { all, used: all - unused, own })
    }

    /// Percent of the machine's processor time since then that other programs used.
    pub fn others_percent_since(self, then: Self) -> u64 {
        let others = (self.used - then.used).saturating_sub(self.own - then.own);
        others * 100 / (self.all - then.all).max(1)
    }
}

//! The golden scenario, each rule by itself, and the properties that must hold for all receipts.

mod attacks;
mod explained;
mod golden;
mod merged;
mod properties;
mod rules;
mod worked_example;

use super::*;
use crate::fixtures::{Call, account, catalogue};
use crate::ticket::Ticket;

/// Half past an hour, so that the window's last hour is a part of one.
const END_MS: u64 = 1_752_076_800_000 + HOUR_MS / 2;

fn score_calls<'a>(calls: impl IntoIterator<Item = &'a Countersigned>, miners: &[&str]) -> ScoreTable {
    let miners: Vec<_> = miners.iter().map(|name| miner(name)).collect();
    score(&Policy::default(), &catalogue(), END_MS, calls, &miners)
}

/// A registered miner with a coldkey of its own.
fn miner(name: &str) -> Miner {
    Miner::new(account(name), account(&format!("{name}//cold")))
}

fn row<'t>(table: &'t ScoreTable, name: &str) -> &'t ScoreRow {
    table.rows.iter().find(|row| row.hotkey == account(name)).unwrap()
}

fn call(miner: &'static str, sequence: u64, change: impl FnOnce(&mut Ticket)) -> Countersigned {
    let mut call = Call::to(miner, sequence);
    change(&mut call.ticket);
    call.unsigned()
}

//! Countersigned records go back to their miners, so that a miner can prove what this log must hold.
//!
//! They go in small bundles, a moment after the calls. A miner that does not take them gets them again at the next turn; past a limit its
//! oldest are given up, which harms nobody but itself.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use protocol::account::AccountId;
use protocol::countersigned::COPIES_MAX;
use protocol::receipt::Countersigned;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::ChallengesConfig;
use crate::fleet::Fleet;
use crate::fleet::settled::SettledCall;

pub(super) async fn run(
    fleet: Fleet,
    config: ChallengesConfig,
    mut settled: Receiver<SettledCall>,
    stop: CancellationToken,
) {
    let mut waiting: BTreeMap<AccountId, VecDeque<Countersigned>> = BTreeMap::new();
    let mut turn = tokio::time::interval(Duration::from_millis(config.copies_interval_ms.max(1)));
    turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            call = settled.recv() => match call {
                Ok(SettledCall { call, .. }) => {
                    let queue = waiting.entry(call.ticket().miner).or_default();
                    queue.push_back(call);
                    if queue.len() > config.copies_waiting_max.get() {
                        queue.pop_front();
                    }
                }
                Err(RecvError::Lagged(calls)) => tracing::debug!(calls, "copies were not kept for their miners"),
                Err(RecvError::Closed) => return,
            },
            _ = turn.tick() => deliver(&fleet, &config, &mut waiting).await,
        }
    }
}

async fn deliver(
    fleet: &Fleet,
    config: &ChallengesConfig,
    waiting: &mut BTreeMap<AccountId, VecDeque<Countersigned>>,
) {
    let timeout = Duration::from_millis(config.exchange_timeout_ms);
    let rounds = waiting.iter_mut().map(|(miner, queue)| async move {
        let count = queue.len().min(COPIES_MAX);
        match fleet.bring_copies(*miner, queue.iter().take(count), timeout).await {
            Ok(()) => drop(queue.drain(..count)),
            Err(error) => {
                tracing::debug!(%miner, error = &error as &dyn std::error::Error, "copies were not taken");
            }
        }
    });
    futures::future::join_all(rounds).await;
    waiting.retain(|_, queue| !queue.is_empty());
}

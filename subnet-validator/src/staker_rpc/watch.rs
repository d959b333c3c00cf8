//! Watches the validator and tells subscribers; what a staker should know of afterwards becomes an incident.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use protocol::account::AccountId;
use protocol::digest::Digest;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::methods::audits::{IncidentAnswer, VerdictAnswer};
use super::methods::epochs::Epoch;
use super::methods::miners::{Fleet, fleet_now};
use super::methods::usage::UsageSums;
use super::state::State;
use super::topics::Topic;
use super::values::{Account, Hash};
use crate::audit::verdict::Verdict;
use crate::audit::verdicts::KeptVerdict;
use crate::market::history::Incident;
use crate::usage::Span;

/// How often clocks and files are looked at, which tell nothing by themselves.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A finalised block.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct HeadNote {
    /// How many epochs have run.
    pub epoch_index: u64,
    /// Blocks until the next one.
    pub blocks_left: Option<u64>,
    /// Root of the receipt log.
    pub log_root: Hash,
}

/// A tempo that began.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EpochNote {
    /// The tempo that began, by the chain's epoch index.
    pub epoch_index: u64,
    /// Block of the epoch.
    pub last_epoch_block: u64,
    /// The newest head of this validator; of an earlier tempo, for this one's is cut later.
    pub newest_head: Option<Epoch>,
}

/// The last hour's calls.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsageNote {
    /// Receipts of the log that are in the sums.
    pub receipts: u64,
    /// The clock hour that is not over yet, and the one before.
    pub two_hours: UsageSums,
}

/// The miners, after one of them changed.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FleetNote {
    /// The miner that changed; null in the first notification.
    pub hotkey: Option<Account>,
    /// `online`, `offline`, `models`, or null in the first notification.
    pub change: Option<&'static str>,
    /// Devices and models as they are now.
    pub fleet: Fleet,
}

/// What was seen last.
#[derive(Debug, Default)]
struct Seen {
    stale: bool,
    miners: Option<BTreeMap<AccountId, Vec<String>>>,
    policy: Option<Digest>,
    waiting: Option<String>,
    verdict_bytes: u64,
    verdicts: usize,
    judged: BTreeMap<AccountId, Verdict>,
    epoch_index: Option<u64>,
}

/// A change of a miner.
#[derive(Debug, Clone, PartialEq, Eq)]
struct MinerChange {
    hotkey: AccountId,
    change: &'static str,
}

/// Which miners came, went, or hold other models.
fn changes(
    before: &BTreeMap<AccountId, Vec<String>>,
    now: &BTreeMap<AccountId, Vec<String>>,
) -> Vec<MinerChange> {
    let gone = before.keys().filter(|hotkey| !now.contains_key(hotkey));
    let gone = gone.map(|hotkey| MinerChange { hotkey: *hotkey, change: "offline" });
    let came = now.iter().filter_map(|(hotkey, models)| match before.get(hotkey) {
        None => Some(MinerChange { hotkey: *hotkey, change: "online" }),
        Some(known) if known != models => Some(MinerChange { hotkey: *hotkey, change: "models" }),
        Some(_) => None,
    });
    gone.chain(came).collect()
}

/// Runs until stopped.
pub(super) async fn run(state: Arc<State>, stop: CancellationToken) {
    let mut seen = Seen { verdict_bytes: state.verdicts.bytes(), ..Seen::default() };
    seen.verdicts = state.verdicts.read().map_or(0, |verdicts| verdicts.len());
    let (mut chain, mut market, mut usage, mut fleet, mut weights) = (
        state.chain.clone(),
        state.market.clone(),
        state.usage.changes(),
        state.fleet.view_changes(),
        state.weights.clone(),
    );
    chain.mark_changed();
    let mut look = tokio::time::interval(LOOK_EVERY);
    let tick = Duration::from_millis(state.config.usage_tick_ms);
    let mut usage_at = Instant::now();
    seen.usage(&state);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Ok(()) = chain.changed() => seen.head(&state),
            Ok(()) = market.changed() => seen.epoch(&state).await,
            Ok(()) = fleet.changed() => seen.fleet(&state),
            Ok(()) = weights.changed() => seen.weights(&state),
            Ok(()) = async {
                tokio::time::sleep_until(usage_at).await;
                usage.changed().await
            } => {
                usage_at = Instant::now() + tick;
                seen.usage(&state);
            }
            _ = look.tick() => {
                seen.freshness(&state);
                seen.fleet(&state);
                seen.audits(&state).await;
            }
        }
    }
}

impl Seen {
    fn head(&mut self, state: &Arc<State>) {
        let at = state.at_chain();
        let epoch = at.chain.epoch;
        let log_root = state.ledger.head().root.into();
        let note = HeadNote { epoch_index: epoch.epoch_index, blocks_left: epoch.blocks_left(), log_root };
        state.topics.tell(Topic::Heads, &at, note);
        self.freshness(state);
    }

    async fn epoch(&mut self, state: &Arc<State>) {
        let Ok(at) = state.at_market() else { return };
        let epoch = at.chain.epoch;
        if self.epoch_index == Some(epoch.epoch_index) {
            return;
        }
        self.epoch_index = Some(epoch.epoch_index);
        let Ok(newest) = state.ledger.read(|reader| reader.latest_head()).await else { return };
        if let Some(policy) = newest.as_ref().map(|record| record.head.head.policy)
            && self.policy.replace(policy).is_some_and(|before| before != policy)
        {
            incident(
                state,
                "rulesChanged",
                None,
                format!("the newest head names the policy document {policy}"),
            );
        }
        let newest_head = newest.and_then(|record| Epoch::new(&record, &at, None).ok());
        let (epoch_index, last_epoch_block) = (epoch.epoch_index, epoch.last_epoch_block);
        state.topics.tell(Topic::Epochs, &at, EpochNote { epoch_index, last_epoch_block, newest_head });
    }

    fn usage(&mut self, state: &Arc<State>) {
        let at = state.at_chain();
        let span = Span::ending(at.chain.timestamp_ms, 2);
        let (receipts, sums) = state.usage.look(|usage| (usage.receipts(), usage.total(span)));
        state.topics.tell(Topic::Usage, &at, UsageNote { receipts, two_hours: (&sums).into() });
    }

    fn fleet(&mut self, state: &Arc<State>) {
        let online = state.fleet.miners().into_iter().filter(|status| status.online);
        let now: BTreeMap<AccountId, Vec<String>> =
            online.map(|status| (status.hotkey, status.models)).collect();
        let at = state.at_chain();
        let tell = |change: Option<&MinerChange>| {
            let note = FleetNote {
                hotkey: change.map(|change| change.hotkey.into()),
                change: change.map(|change| change.change),
                fleet: fleet_now(state, at.chain.timestamp_ms),
            };
            state.topics.tell(Topic::Fleet, &at, note);
        };
        let Some(before) = self.miners.replace(now.clone()) else { return tell(None) };
        for change in changes(&before, &now) {
            tell(Some(&change));
            match change.change {
                "offline" => {
                    let detail = "no fresh inventory of this miner".to_owned();
                    incident(state, "minerOffline", Some(change.hotkey), detail);
                }
                "online" => {
                    let detail = "the miner answers with its inventory".to_owned();
                    incident(state, "minerOnline", Some(change.hotkey), detail);
                }
                _ => {}
            }
        }
    }

    fn weights(&mut self, state: &Arc<State>) {
        // Ordinary waiting is no incident: `subnet_v1_weights` shows it.
        let (waiting, failed) = {
            let weights = state.weights.borrow();
            (weights.waiting.clone().filter(|_| weights.failed), weights.failed)
        };
        if failed && self.waiting != waiting {
            incident(state, "weightsRefused", None, waiting.clone().unwrap_or_default());
        }
        self.waiting = waiting;
    }

    fn freshness(&mut self, state: &Arc<State>) {
        let stale = state.is_stale();
        if stale == self.stale {
            return;
        }
        self.stale = stale;
        if stale {
            let seconds = state.age_ms() / 1_000;
            incident(state, "chainStale", None, format!("no finalised block was read for {seconds} s"));
        } else {
            incident(state, "chainBack", None, "finalised blocks are read again".to_owned());
        }
    }

    /// Keeps what the running validator found, then tells what is new in the file, whoever wrote it.
    async fn audits(&mut self, state: &Arc<State>) {
        let at = state.at_chain();
        let store = state.verdicts.clone();
        let mut found = Vec::new();
        for neuron in &at.chain.metagraph.neurons {
            let Some(verdict) = state.peers.verdict(&neuron.hotkey) else { continue };
            if self.judged.get(&neuron.hotkey) != Some(&verdict) {
                self.judged.insert(neuron.hotkey, verdict.clone());
                found.push(KeptVerdict { verdict, reviewed_at_ms: state.clock.now_ms() });
            }
        }
        let known = (self.verdict_bytes, found.is_empty());
        let read = tokio::task::spawn_blocking(move || {
            for verdict in &found {
                store.append(verdict)?;
            }
            let bytes = store.bytes();
            if (bytes, true) == known {
                Ok(None)
            } else {
                store.read().map(|verdicts| Some((bytes, verdicts)))
            }
        });
        let (bytes, verdicts) = match read.await {
            Ok(Ok(Some(read))) => read,
            Ok(Ok(None)) | Err(_) => return,
            Ok(Err(error)) => {
                return tracing::warn!(error = &error as &dyn std::error::Error, "verdicts cannot be kept");
            }
        };
        self.verdict_bytes = bytes;
        for kept in verdicts.iter().skip(self.verdicts) {
            state.topics.tell(Topic::Audits, &at, VerdictAnswer::from(kept));
            if !kept.verdict.agreed {
                let words = kept.verdict.reason.as_ref().or(kept.verdict.findings.first());
                let detail = words.cloned().unwrap_or_else(|| "the review failed".to_owned());
                incident(state, "auditDisagreed", kept.verdict.validator, detail);
            }
        }
        self.verdicts = verdicts.len();
    }
}

fn incident(state: &Arc<State>, kind: &'static str, hotkey: Option<AccountId>, detail: String) {
    let at = state.at_chain();
    let incident = Incident {
        number: 0,
        kind: kind.to_owned(),
        block: at.chain.block.number,
        at_ms: state.clock.now_ms(),
        hotkey,
        detail,
    };
    let incident = state.history.record_incident(incident);
    state.topics.tell(Topic::Incidents, &at, IncidentAnswer::from(incident));
}

#[cfg(test)]
mod tests {
    use super::{MinerChange, changes};
    use protocol::account::AccountId;
    use std::collections::BTreeMap;

    #[test]
    fn only_what_changed_is_told() {
        let miner = |id: u8| AccountId([id; 32]);
        let models = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let before = BTreeMap::from([
            (miner(1), models(&["a"])),
            (miner(2), models(&["a"])),
            (miner(3), models(&["a"])),
        ]);
        let now = BTreeMap::from([
            (miner(2), models(&["a"])),
            (miner(3), models(&["a", "b"])),
            (miner(4), models(&[])),
        ]);
        let change = |id, change| MinerChange { hotkey: miner(id), change };
        assert_eq!(changes(&before, &now), [change(1, "offline"), change(3, "models"), change(4, "online")]);
        assert_eq!(changes(&now, &now), []);
    }
}

//! What each epoch paid and what went wrong, in the order it was seen, kept in a file: nodes forget old blocks, yields over weeks
//! need them, and stakers want to know of outages afterwards too.
//!
//! Lines of JSON, appended; the oldest half is dropped when there are twice as many as are kept. Every record names the block that
//! it was seen at, so that whoever has an archive node can check it.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chain_client::YieldInputs;
use protocol::account::AccountId;
use protocol::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::state_dir;

/// The file inside the state folder.
pub const HISTORY_FILE: &str = "history.jsonl";

/// Epochs kept: 30 days of tempos of 72 minutes are 600.
const EPOCHS_MAX: usize = 2_048;

/// Incidents kept.
const INCIDENTS_MAX: usize = 2_048;

/// What the chain said of one epoch, right after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochMarket {
    /// How many epochs have run.
    pub epoch_index: u64,
    /// The first finalised block in which that was seen.
    pub block: u32,
    /// Its hash.
    pub block_hash: Digest,
    /// Its time.
    pub timestamp_ms: u64,
    /// What one alpha cost, in rao of TAO.
    pub price_rao: u64,
    /// TAO that enters the pool each block.
    pub tao_emission_rao: u64,
    /// By validator's hotkey.
    pub yields: BTreeMap<AccountId, EpochYield>,
}

/// What one hotkey's stakers earned in one epoch, and on what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochYield {
    /// Dividends, the validator's own take subtracted, in rao of alpha.
    pub dividends_rao: u64,
    /// Alpha staked to it, in rao.
    pub stake_rao: u64,
    /// The validator's take, out of 65,535.
    pub take: u16,
    /// Blocks from one epoch to the next.
    pub tempo: u16,
    /// The chain's block time, in milliseconds.
    pub block_time_ms: u64,
}

/// Something that a staker should know of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// Its place in this validator's list of incidents.
    pub number: u64,
    /// `minerOffline`, `minerOnline`, `chainStale`, `chainBack`, `weightsRefused`, `rulesChanged`, `auditDisagreed`.
    pub kind: String,
    /// The newest finalised block when it was seen.
    pub block: u32,
    /// When it was seen, by this validator's clock.
    pub at_ms: u64,
    /// Whom it is about.
    pub hotkey: Option<AccountId>,
    /// In words.
    pub detail: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    Epoch(EpochMarket),
    Incident(Incident),
}

/// A handle to the file and what it holds. Clones share it.
#[derive(Debug, Clone)]
pub struct History {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug)]
struct Kept {
    path: PathBuf,
    lines: usize,
    epochs: VecDeque<EpochMarket>,
    incidents: VecDeque<Incident>,
}

impl From<YieldInputs> for EpochYield {
    fn from(inputs: YieldInputs) -> Self {
        let YieldInputs { dividends_rao, stake_rao, take, tempo, block_time_ms } = inputs;
        Self { dividends_rao, stake_rao, take, tempo, block_time_ms }
    }
}

impl From<EpochYield> for YieldInputs {
    fn from(of: EpochYield) -> Self {
        let EpochYield { dividends_rao, stake_rao, take, tempo, block_time_ms } = of;
        Self { dividends_rao, stake_rao, take, tempo, block_time_ms }
    }
}

impl History {
    /// The history in this state folder. A line that cannot be read, such as one that a crash cut off, is left out.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        let path = state_dir.join(HISTORY_FILE);
        let mut kept = Kept { path, lines: 0, epochs: VecDeque::new(), incidents: VecDeque::new() };
        match File::open(&kept.path) {
            Ok(file) => {
                for line in BufReader::new(file).split(b'\n') {
                    let line = line?;
                    kept.lines += 1;
                    match serde_json::from_slice(&line) {
                        Ok(line) => kept.take(line),
                        Err(error) => tracing::warn!(%error, "a line of the history is unreadable"),
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(Self { kept: Arc::new(Mutex::new(kept)) })
    }

    /// Keeps an epoch, unless it is known. What cannot be written is still shown, until the next start.
    pub fn record_epoch(&self, epoch: EpochMarket) {
        let mut kept = self.lock();
        if kept.epochs.back().is_none_or(|last| last.epoch_index < epoch.epoch_index) {
            kept.keep(Line::Epoch(epoch));
        }
    }

    /// Keeps an incident under the next number, and gives it back.
    pub fn record_incident(&self, incident: Incident) -> Incident {
        let mut kept = self.lock();
        let number = kept.incidents.back().map_or(0, |last| last.number.saturating_add(1));
        let incident = Incident { number, ..incident };
        kept.keep(Line::Incident(incident.clone()));
        incident
    }

    /// The epochs seen at or after this time of the chain, oldest first.
    #[must_use]
    pub fn epochs_since(&self, timestamp_ms: u64) -> Vec<EpochMarket> {
        let kept = self.lock();
        kept.epochs.iter().filter(|epoch| epoch.timestamp_ms >= timestamp_ms).cloned().collect()
    }

    /// Up to `limit` incidents before a number, newest first.
    #[must_use]
    pub fn incidents_before(&self, number: Option<u64>, limit: usize) -> Vec<Incident> {
        let kept = self.lock();
        let wanted = kept.incidents.iter().rev();
        wanted
            .filter(|incident| number.is_none_or(|number| incident.number < number))
            .take(limit)
            .cloned()
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // A panic between two records leaves whole ones.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn take(&mut self, line: Line) {
        fn push<T>(items: &mut VecDeque<T>, item: T, max: usize) {
            if items.len() == max {
                items.pop_front();
            }
            items.push_back(item);
        }
        match line {
            Line::Epoch(epoch) => push(&mut self.epochs, epoch, EPOCHS_MAX),
            Line::Incident(incident) => push(&mut self.incidents, incident, INCIDENTS_MAX),
        }
    }

    fn keep(&mut self, line: Line) {
        let written = self.write(&line);
        self.take(line);
        let rewritten = written.and_then(|()| {
            self.lines += 1;
            if self.lines > 2 * (EPOCHS_MAX + INCIDENTS_MAX) { self.rewrite() } else { Ok(()) }
        });
        if let Err(error) = rewritten {
            tracing::warn!(error = &error as &dyn std::error::Error, "the history cannot be written");
        }
    }

    fn write(&self, line: &Line) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        File::options().create(true).append(true).open(&self.path)?.write_all(&bytes)
    }

    fn rewrite(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        for epoch in &self.epochs {
            serde_json::to_writer(&mut bytes, &Line::Epoch(epoch.clone()))?;
            bytes.push(b'\n');
        }
        for incident in &self.incidents {
            serde_json::to_writer(&mut bytes, &Line::Incident(incident.clone()))?;
            bytes.push(b'\n');
        }
        state_dir::replace(&self.path, &bytes)?;
        self.lines = self.epochs.len() + self.incidents.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(epoch_index: u64) -> EpochMarket {
        let of = EpochYield { dividends_rao: 1, stake_rao: 2, take: 3, tempo: 4, block_time_ms: 5 };
        EpochMarket {
            epoch_index,
            block: 1,
            block_hash: Digest::ZERO,
            timestamp_ms: epoch_index * 10,
            price_rao: 7,
            tao_emission_rao: 8,
            yields: BTreeMap::from([(AccountId([1; 32]), of)]),
        }
    }

    fn incident(detail: &str) -> Incident {
        let kind = "minerOffline".into();
        Incident { number: 0, kind, block: 1, at_ms: 2, hotkey: None, detail: detail.into() }
    }

    #[test]
    fn a_restart_finds_what_was_kept_and_numbers_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::open(folder.path()).unwrap();
        for index in [1, 2, 2, 1, 3] {
            history.record_epoch(epoch(index));
        }
        history.record_incident(incident("one"));
        let path = folder.path().join(HISTORY_FILE);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(b"{\"epoch\":{\"epochIn\n");
        std::fs::write(&path, bytes).unwrap();
        let history = History::open(folder.path()).unwrap();
        assert_eq!(history.epochs_since(20), [epoch(2), epoch(3)]);
        assert_eq!(history.record_incident(incident("two")).number, 1);
        let details: Vec<_> = history.incidents_before(None, 10).into_iter().map(|one| one.detail).collect();
        assert_eq!(details, ["two", "one"]);
        assert_eq!(history.incidents_before(Some(1), 10).len(), 1);
    }

    #[test]
    fn the_file_does_not_grow_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::open(folder.path()).unwrap();
        for _ in 0..=2 * (EPOCHS_MAX + INCIDENTS_MAX) {
            history.record_incident(incident("again"));
        }
        let text = std::fs::read_to_string(folder.path().join(HISTORY_FILE)).unwrap();
        assert_eq!(text.lines().count(), INCIDENTS_MAX);
        let newest = history.incidents_before(None, 1)[0].number;
        assert_eq!(newest, 2 * (EPOCHS_MAX + INCIDENTS_MAX) as u64);
    }
}

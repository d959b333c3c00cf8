//! Checking the other validators as they go: whenever one commits a head, its bundle is fetched, reviewed and compared with
//! the chain. What was found true is kept for [`super::merged`]; every verdict is written to a file beside the bundle.
//!
//! Calls that miners say were dropped ([`super::disputes`]) are looked for in the same pass. A log that lacks one is not used.
//!
//! Each validator is checked by itself, so that a slow or huge one holds up nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chain_client::{BlockRef, ChainClient, QueryError};
use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::scoring::ScoreTable;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::chain::{ChainFacts, committed, compare_head};
use super::disputes::{Claim, Proven, Search};
use super::fetch::{FetchError, fetch_head};
use super::publish::keep_newest;
use super::review::{ReviewError, ReviewOptions, Reviewed, last_head, review_with};
use super::seen::Seen;
use super::shelf::Bundle;
use super::verdict::Verdict;
use crate::chain_view::{ChainSnapshot, ChainView};
use crate::config::AuditConfig;

/// Blocks to wait after a bundle was not to be had, the first time; twice as long each further time.
const MISSED_BLOCKS_FIRST: u32 = 1;
const MISSED_BLOCKS_MAX: u32 = 16;

/// What is known of the other validators' heads. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Peers {
    judged: Arc<Mutex<BTreeMap<AccountId, Judged>>>,
}

/// The newest head of a validator that was judged.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The head's digest, as committed.
    pub head: Digest,
    /// The verdict, as written to its file.
    pub verdict: Verdict,
    /// The scores, if all of it holds.
    pub table: Option<Arc<ScoreTable>>,
}

/// What the checking task needs.
pub struct PeersParts {
    /// Settings.
    pub config: AuditConfig,
    /// Where bundles and verdicts are put, by validator.
    pub folder: PathBuf,
    /// Where miners' copies of calls lie that may have been dropped.
    pub disputes: PathBuf,
    /// This validator, which does not check itself.
    pub hotkey: AccountId,
    /// The policy document that is accepted.
    pub policy: Digest,
    /// The chain as it is.
    pub chain: ChainView,
    /// Reads older blocks.
    pub client: ChainClient,
    /// Where verdicts go.
    pub peers: Peers,
}

/// A bundle could not be judged; it is tried again.
#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error("no address is known at which its bundle can be fetched")]
    NoAddress,
    #[error("none of {0} addresses has the bundle of the head it committed")]
    NotThere(usize),
    #[error("fetching its bundle took longer than {0} ms")]
    TooSlow(u64),
    #[error("its bundle was not fetched")]
    Fetch(#[source] FetchError),
    #[error("its bundle cannot be read")]
    Review(#[source] ReviewError),
    #[error("the chain cannot be read")]
    Chain(#[source] QueryError),
    #[error("the check was stopped")]
    Stopped(#[source] JoinError),
}

/// One validator to be checked.
#[derive(Debug, Clone)]
struct Subject {
    validator: AccountId,
    head: Digest,
    /// Addresses to be asked for its bundle.
    urls: Vec<String>,
    at: BlockRef,
}

/// What one check needs.
#[derive(Clone)]
struct Checker {
    config: AuditConfig,
    folder: PathBuf,
    disputes: PathBuf,
    policy: Digest,
    client: ChainClient,
}

/// Checks that did not come to a verdict.
#[derive(Debug, Default)]
struct Missed {
    head: Option<Digest>,
    times: u32,
    again_at_block: u32,
}

impl Peers {
    /// The scores under this head of this validator, if it was found true and is of this tempo.
    #[must_use]
    pub fn table(&self, validator: &AccountId, head: &Digest, epoch_index: u64) -> Option<Arc<ScoreTable>> {
        let judged = self.lock();
        let judged = judged.get(validator).filter(|judged| judged.head == *head)?;
        judged.table.clone().filter(|_| judged.verdict.epoch_index == Some(epoch_index))
    }

    /// The last verdict about a validator.
    #[must_use]
    pub fn verdict(&self, validator: &AccountId) -> Option<Verdict> {
        self.lock().get(validator).map(|judged| judged.verdict.clone())
    }

    fn knows(&self, validator: &AccountId, head: &Digest) -> bool {
        self.lock().get(validator).is_some_and(|judged| judged.head == *head)
    }

    fn put(&self, validator: AccountId, judged: Judged) {
        self.lock().insert(validator, judged);
    }

    /// Nothing here panics while holding the lock, and every value in it is whole.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<AccountId, Judged>> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks until stopped.
pub async fn run(parts: PeersParts, stop: CancellationToken) {
    let PeersParts { config, folder, disputes, hotkey, policy, mut chain, client, peers } = parts;
    let checker = Checker { config, folder, disputes, policy, client };
    let mut checks: JoinSet<(Subject, Result<Judged, CheckError>)> = JoinSet::new();
    let mut busy: BTreeSet<AccountId> = BTreeSet::new();
    let mut missed: BTreeMap<AccountId, Missed> = BTreeMap::new();
    chain.mark_changed();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = chain.changed() => if changed.is_err() { return },
            Some(done) = checks.join_next() => {
                let Ok((subject, outcome)) = done else { continue };
                busy.remove(&subject.validator);
                let missed = missed.entry(subject.validator).or_default();
                settle(&peers, missed, &subject, outcome);
                continue;
            }
        }
        let snapshot = Arc::clone(&chain.borrow_and_update());
        let netuid = snapshot.metagraph.netuid;
        let committed = match committed(&checker.client, netuid, snapshot.block).await {
            Ok(committed) => committed,
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "cannot read the commitments");
                continue;
            }
        };
        for subject in subjects(&snapshot, &committed, &checker.config) {
            let due = missed.get(&subject.validator).is_none_or(|missed| {
                missed.head != Some(subject.head) || missed.again_at_block <= subject.at.number
            });
            let known = peers.knows(&subject.validator, &subject.head);
            if subject.validator == hotkey || known || !due || !busy.insert(subject.validator) {
                continue;
            }
            let checker = checker.clone();
            checks.spawn(async move {
                let outcome = checker.check(&subject).await;
                (subject, outcome)
            });
        }
    }
}

/// Validators with a permit that have committed a head.
fn subjects(
    snapshot: &ChainSnapshot,
    committed: &BTreeMap<AccountId, Digest>,
    config: &AuditConfig,
) -> Vec<Subject> {
    let permitted = snapshot.metagraph.neurons.iter().filter(|neuron| neuron.validator_permit);
    permitted
        .filter_map(|neuron| {
            let head = *committed.get(&neuron.hotkey)?;
            let announced = neuron.axon.map(|address| format!("http://{address}"));
            let urls = announced.into_iter().chain(config.peers.iter().cloned()).collect();
            Some(Subject { validator: neuron.hotkey, head, urls, at: snapshot.block })
        })
        .collect()
}

fn settle(peers: &Peers, missed: &mut Missed, subject: &Subject, outcome: Result<Judged, CheckError>) {
    let Subject { validator, head, at, .. } = subject;
    match outcome {
        Ok(judged) => {
            let Verdict { agreed, epoch_index, shard, leaf, reason, findings, .. } = &judged.verdict;
            if *agreed {
                tracing::info!(%validator, ?epoch_index, "another validator's log was checked and holds");
            } else {
                tracing::warn!(%validator, %head, ?shard, ?leaf, ?reason, ?findings, "another validator's log does not hold");
            }
            *missed = Missed::default();
            peers.put(*validator, judged);
        }
        Err(error) => {
            if missed.head != Some(*head) {
                *missed = Missed { head: Some(*head), ..Missed::default() };
            }
            let pause = MISSED_BLOCKS_FIRST.checked_shl(missed.times).unwrap_or(MISSED_BLOCKS_MAX);
            missed.times = missed.times.saturating_add(1);
            missed.again_at_block = at.number.saturating_add(pause.min(MISSED_BLOCKS_MAX));
            tracing::debug!(%validator, error = &error as &dyn std::error::Error, "a validator's log was not checked");
        }
    }
}

impl Checker {
    async fn check(&self, subject: &Subject) -> Result<Judged, CheckError> {
        let Subject { validator, head, at, .. } = subject;
        let folder = self.folder.join(validator.to_string());
        let limit = Duration::from_millis(self.config.peer_fetch_timeout_ms);
        let epoch_index = tokio::time::timeout(limit, self.fetch(subject, &folder))
            .await
            .map_err(|_| CheckError::TooSlow(self.config.peer_fetch_timeout_ms))??;
        let (bundle, subject_key) = (folder.join(epoch_index.to_string()), *validator);
        let disputes = self.disputes.clone();
        let seen = seen_beside(&folder);
        let reviewed =
            tokio::task::spawn_blocking(move || check_papers(&bundle, &subject_key, &disputes, &seen)).await;
        let (verdict, table) = match reviewed.map_err(CheckError::Stopped)? {
            Ok((reviewed, proven)) => {
                let mut findings = self.findings(&reviewed, *head, *at).await?;
                findings.extend(proven.iter().map(ToString::to_string));
                let verdict = Verdict::of_reviewed(&reviewed, Some(&findings));
                let table = verdict.agreed.then(|| Arc::new(reviewed.replayed.table));
                (verdict, table)
            }
            // Its files were those that it signed a moment ago: the disk is at fault, not the validator.
            Err(error @ (ReviewError::Read { .. } | ReviewError::File { .. } | ReviewError::Seen(_))) => {
                return Err(CheckError::Review(error));
            }
            Err(error) => {
                let named = |verdict| Verdict {
                    validator: Some(*validator),
                    epoch_index: Some(epoch_index),
                    head: Some(*head),
                    ..verdict
                };
                (named(Verdict::of_error(&error)), None)
            }
        };
        let (kept, written) = (self.config.bundles_max.max(1), verdict.clone());
        let keeping = tokio::task::spawn_blocking(move || keep(&folder, epoch_index, &written, kept));
        // What was judged is judged: a folder that cannot be tidied loses no verdict.
        if let Err(error) = keeping.await.map_err(CheckError::Stopped)? {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(%validator, epoch_index, error, "a verdict could not be written, or its folder not be tidied");
        }
        Ok(Judged { head: *head, verdict, table })
    }

    /// Fetches the bundle of the head from the first address that has it; answers its tempo.
    async fn fetch(&self, subject: &Subject, folder: &Path) -> Result<u64, CheckError> {
        let Subject { validator, head, urls, .. } = subject;
        let mut failed = None;
        for url in urls {
            match fetch_head(url, (validator, head), folder, self.config.peer_bundle_bytes_max).await {
                Ok(Some(fetched)) => return Ok(fetched.epoch_index),
                Ok(None) => {}
                Err(error) => failed = Some(error),
            }
        }
        Err(match failed {
            Some(error) => CheckError::Fetch(error),
            None if urls.is_empty() => CheckError::NoAddress,
            None => CheckError::NotThere(urls.len()),
        })
    }

    /// What the chain shows otherwise than a bundle that is whole.
    async fn findings(
        &self,
        reviewed: &Reviewed,
        head: Digest,
        at: BlockRef,
    ) -> Result<Vec<String>, CheckError> {
        let facts = ChainFacts::read(&self.client, reviewed, at).await.map_err(CheckError::Chain)?;
        let facts = ChainFacts { committed: Some(head), ..facts };
        let mut findings: Vec<String> =
            compare_head(reviewed, &facts).iter().map(ToString::to_string).collect();
        if reviewed.head.policy != self.policy {
            findings.push(format!("its policy is {}, ours is {}", reviewed.head.policy, self.policy));
        }
        Ok(findings)
    }
}

/// Reviews a bundle, and looks for the calls in it that its validator is said to have dropped. Parts that earlier bundles had are not
/// verified again.
fn check_papers(
    bundle: &Path,
    validator: &AccountId,
    disputes: &Path,
    seen: &Path,
) -> Result<(Reviewed, Vec<Proven>), ReviewError> {
    let mut search = Search::new(Claim::read_all(disputes, validator), &last_head(bundle)?);
    let seen = Seen::open(seen).map_err(ReviewError::Seen)?;
    let found = Bundle::at(bundle)
        .map_err(|source| ReviewError::Read { name: bundle.display().to_string(), source })?;
    let options = ReviewOptions { validator: Some(validator), seen: Some(&seen), ..ReviewOptions::default() };
    let reviewed = review_with(&found, options, |receipts, _| search.see(receipts))?;
    Ok((reviewed, search.finish()))
}

/// The list of parts that were checked: beside the validator's folder, whose files are named by what others sign.
fn seen_beside(folder: &Path) -> PathBuf {
    folder.with_extension("seen")
}

/// Writes the verdict and removes the oldest bundles, and their parts from the list of those checked; verdicts stay.
fn keep(folder: &Path, epoch_index: u64, verdict: &Verdict, bundles_max: usize) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(verdict).map_err(io::Error::other)?;
    fs::write(folder.join(format!("{epoch_index}.json")), text)?;
    let listed = keep_newest(folder, bundles_max)?;
    Seen::open(&seen_beside(folder))?.keep(&listed)
}

#[cfg(test)]
mod tests {
    use protocol::manifest::{Manifest, Part, Slice};
    use protocol::signing::Keypair;

    use super::super::MANIFEST;
    use super::*;

    /// Writes the manifest of a tempo whose bundle has parts with these digests.
    fn write_manifest(folder: &Path, epoch_index: u64, parts: &[u8]) {
        let validator = Keypair::from_dev_uri("//Alice").unwrap();
        let part = |number: &u8| Part {
            hour: 1,
            miner: AccountId([*number; 32]),
            first: 0,
            last: 0,
            rows: 1,
            bytes: 1,
            sha256: Digest([*number; 32]),
        };
        let slices = vec![Slice { first: 0, end: 9, parts: parts.iter().map(part).collect() }];
        let manifest = Manifest {
            netuid: 64,
            validator: validator.public(),
            epoch_index,
            head: Digest::ZERO,
            files: Vec::new(),
            slices,
            shards: Vec::new(),
        };
        let tempo = folder.join(epoch_index.to_string());
        fs::create_dir_all(&tempo).unwrap();
        let signed = serde_json::to_vec(&manifest.sign(&validator)).unwrap();
        fs::write(tempo.join(MANIFEST), signed).unwrap();
    }

    #[test]
    fn a_part_that_left_all_bundles_leaves_the_list_of_those_checked() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("5Alice");
        write_manifest(&folder, 1, &[1, 2]);
        write_manifest(&folder, 2, &[2, 3]);
        write_manifest(&folder, 3, &[3, 4]);
        let seen = || Seen::open(&seen_beside(&folder)).unwrap();
        seen().add(&[1, 2, 3, 4].map(|number| Digest([number; 32]))).unwrap();
        let verdict = Verdict::of_error(&ReviewError::NotListed("heads.scale".to_owned()));
        for (bundles_max, expected) in [(3, 4), (2, 3), (1, 2)] {
            keep(&folder, 3, &verdict, bundles_max).unwrap();
            assert_eq!(seen().len(), expected);
        }
        assert!(seen().has(&Digest([3; 32])) && seen().has(&Digest([4; 32])));
    }
}

//! The whole play: an honest validator, one that drops a call, one that inflates a friend, an auditor without calls of its own; two
//! honest miners, one that serves a smaller model, one that gives old answers; until the chain has paid.
//!
//! Which miner a call goes to is drawn by chance. Where the story needs a call of a certain miner, users call until there is one.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use chain_client::BlockRef;
use chain_client::weights::{Entry, Progress};
use parity_scale_codec::Encode as _;
use protocol::account::AccountId;
use protocol::evidence::{Finding, ValidEvidence};
use protocol::manifest::PARTS;
use protocol::receipt::Countersigned;
use serde_json::json;
use subnet_validator::audit::merged::Merged;
use subnet_validator::audit::publish;
use subnet_validator::audit::verdict::Verdict;
use subnet_validator::validator::{AUDIT_DIR, MERGES_DIR, PEERS_DIR};

use super::miner::Cheat;
use super::tempo::{BLOCKS, Tempo};
use super::validator::{Spoil, Spoiled, accuse, receipts, set_weights, spoil};
use crate::gguf::fewer_layers;
use crate::nodes::ValidatorNode;
use crate::subnet::{AXON_IP, CheatingMiner, NETUID, Plan, SMOLLM2, Subnet, TestModel, smollm2_path};
use crate::wait;

/// Validators by what they do.
const HONEST: usize = 0;
const DROPPER: usize = 1;
const INFLATOR: usize = 2;
const AUDITOR: usize = 3;
/// Layers of the smaller model; the whole one has 30.
const LAYERS_LEFT: u32 = 20;
/// Calls that a gateway's users make at most until the story has those that it needs.
const CALLS_MAX: usize = 400;
/// The tempo's parts: heads are cut and committed, logs are judged, weights are set.
const HEAD_PERCENT: u8 = 25;
const COMMITTED_PERCENT: u8 = 38;
const WEIGHTS_PERCENT: u8 = 55;
const LAST_PERCENT: u8 = 90;
/// Time between two looks at a miner's inventory.
const INVENTORY_POLL_MS: u64 = 500;
/// A countersigned call must be in the log an hour after it was issued.
const TWO_HOURS_MS: u64 = 7_200_000;

/// A cheating validator, as the honest ones saw it.
#[derive(Debug)]
pub struct CaughtValidator {
    /// Who cheated.
    pub by: AccountId,
    /// The honest validators' verdicts: the honest one's, the auditor's.
    pub verdicts: [Verdict; 2],
    /// The bundle that was committed.
    pub bundle: PathBuf,
    /// The file that proves it.
    pub evidence: PathBuf,
}

/// A cheating miner, as the honest validator saw it.
#[derive(Debug)]
pub struct CaughtMiner {
    /// Who cheated.
    pub by: AccountId,
    /// What was found, in the order of its collection.
    pub found: Vec<ValidEvidence>,
    /// The same as files, one for each.
    pub evidence: Vec<PathBuf>,
}

/// How the play ended.
#[derive(Debug)]
pub struct Outcome {
    /// The call that was dropped.
    pub call: Countersigned,
    /// Who dropped it.
    pub dropped: CaughtValidator,
    /// Who inflated a friend, the miner with the smaller model.
    pub inflated: CaughtValidator,
    /// Who answered with a smaller model.
    pub smaller: CaughtMiner,
    /// The smaller model's file.
    pub smaller_model: PathBuf,
    /// Who gave old answers.
    pub replayed: CaughtMiner,
    /// All evidence in the honest validator's bundle, as one file.
    pub honest_evidence: PathBuf,
    /// What the two honest validators made their weights from.
    pub merged: [Merged; 2],
    /// The weights on chain of the two honest validators.
    pub weights: [Vec<(u16, u16)>; 2],
    /// Incentive on chain of the miners with the smaller model and with the old answers.
    pub cheats_incentive: [u16; 2],
    /// Incentive on chain of the two honest miners.
    pub honest_incentive: [u16; 2],
    /// The trust that the chain puts into each validator, and its dividends: honest, dropper, inflator, auditor.
    pub validators: [(u16, u16); 4],
}

/// Plays it. Evidence is put into `folder`; `say` is told what happens.
///
/// # Panics
/// When something does not happen: this is a test.
pub async fn play(folder: &Path, say: impl Fn(&str)) -> Outcome {
    let plan = Plan { validators: 4, miners: 0, model: TestModel::SmolLm2, tempo_blocks: BLOCKS };
    let mut subnet = Box::pin(Subnet::start_with(plan)).await;
    let evidence = folder.join("evidence");
    fs::create_dir_all(&evidence).unwrap();

    let smaller_model = folder.join("smaller.gguf");
    fewer_layers(&smollm2_path(), &smaller_model, LAYERS_LEFT);
    let friend = subnet.add_cheat("smaller", Cheat::OtherModel(smaller_model.clone())).await;
    say("four validators are up, and a miner that serves a smaller model under the large one's name");
    Box::pin(probe_until_convicted(&mut subnet, &friend)).await;
    say("the honest validator's probes have convicted it");

    let replayer = subnet.add_cheat("replayer", Cheat::SameBytes(smollm2_path())).await;
    subnet.start_miners(&["honest-1", "honest-2"], |_| {}).await;
    Box::pin(arrange(&mut subnet)).await;
    say("a miner that gives old answers came, and two honest ones; two of the validators will cheat");
    let validators = &subnet.validators;
    let served_by = |calls: &[Countersigned], miner: &AccountId| {
        calls.iter().filter(|call| call.ticket().miner == *miner).count()
    };
    let (friend_key, replayer_key) = (friend.hotkey(), replayer.hotkey());
    let honest_keys = [0, 1].map(|number: usize| subnet.miners[number].hotkey());
    let is_honest = |call: &Countersigned| honest_keys.contains(&call.ticket().miner);
    let calls = calls_until(&validators[DROPPER], |calls| {
        served_by(calls, &replayer_key) > 0 && calls.iter().any(is_honest)
    })
    .await;
    let call = calls.into_iter().find(|call| is_honest(call)).unwrap();
    calls_until(&validators[INFLATOR], |calls| served_by(calls, &friend_key) < calls.len()).await;
    calls_until(&validators[HONEST], |calls| {
        let is_replay = |found: &ValidEvidence| matches!(found.finding(), Finding::ReplayedAnswer(..));
        calls.iter().any(is_honest) && against(&validators[HONEST], &replayer_key).iter().any(is_replay)
    })
    .await;
    say("each of the three gateways has served its users; an answer that came twice has convicted its miner");
    let smaller = keep_evidence(&validators[HONEST], &friend_key, &evidence, "smaller");
    let replayed = keep_evidence(&validators[HONEST], &replayer_key, &evidence, "replayed");

    // Tickets are dated by the validators' clocks; what must be in the log by now is judged by the chain's.
    subnet.chain().travel(TWO_HOURS_MS);
    let tempo = Tempo { subnet: &subnet, followers: vec![&validators[HONEST], &validators[AUDITOR]] };
    tempo.begin_next().await;
    for honest in [HONEST, AUDITOR] {
        accuse(&validators[honest], "dropped", &call);
    }
    let at = until_head_is_committed(&tempo, &validators[HONEST]).await;
    let how = Spoil::Drop(Box::new(call.clone()));
    let dropped = spoil(&subnet, &validators[DROPPER], &how, at, &folder.join("dropper")).await;
    let how = Spoil::Inflate(friend_key);
    let inflated = spoil(&subnet, &validators[INFLATOR], &how, at, &folder.join("inflator")).await;
    say("one validator has dropped a call from its log, one has given the convicted miner all the points");

    let caught = async |cheat: usize, spoiled: &Spoiled, name: &str| CaughtValidator {
        by: validators[cheat].hotkey(),
        verdicts: [
            until_judged(&tempo, &validators[HONEST], &validators[cheat], spoiled).await,
            until_judged(&tempo, &validators[AUDITOR], &validators[cheat], spoiled).await,
        ],
        bundle: keep_bundle(&spoiled.bundle, &evidence.join(format!("{name}-bundle"))),
        evidence: keep_verdict(&validators[HONEST], &validators[cheat], spoiled, &evidence.join(name)),
    };
    let mut dropped_by = caught(DROPPER, &dropped, "dropped").await;
    let inflated_by = caught(INFLATOR, &inflated, "inflated").await;
    dropped_by.evidence = evidence.join("dropped.call");
    fs::write(&dropped_by.evidence, call.encode()).unwrap();
    until_trusted(&tempo, &validators[AUDITOR], &validators[HONEST]).await;

    tempo.until_percent(WEIGHTS_PERCENT).await;
    let weights =
        [until_weights(&tempo, &validators[HONEST]).await, until_weights(&tempo, &validators[AUDITOR]).await];
    say("the honest validators have set their weights; the cheats set theirs");
    set_weights(&subnet, &validators[DROPPER], &dropped.weights, &folder.join("dropper-journal")).await;
    set_weights(&subnet, &validators[INFLATOR], &inflated.weights, &folder.join("inflator-journal")).await;
    let epoch_index = dropped.record.head.head.epoch_index;
    let honest_bundle = publish::bundle(&validators[HONEST].state_dir().join(AUDIT_DIR), epoch_index);
    let honest_bundle = keep_bundle(&honest_bundle, &evidence.join("honest-bundle"));
    let merged =
        [HONEST, AUDITOR].map(|honest| merged(&validators[honest].state_dir().join(MERGES_DIR), epoch_index));
    tempo.begin_next().await;
    let at = subnet.client().finalized().await.unwrap();
    let metagraph = subnet.client().metagraph(NETUID, at).await.unwrap();
    let neuron = |hotkey: AccountId| metagraph.by_hotkey(&hotkey).unwrap();
    Outcome {
        call,
        dropped: dropped_by,
        inflated: inflated_by,
        smaller,
        smaller_model,
        replayed,
        honest_evidence: honest_bundle.join(epoch_index.to_string()).join("evidence.scale"),
        merged,
        weights,
        cheats_incentive: [friend_key, replayer_key].map(|hotkey| neuron(hotkey).incentive),
        honest_incentive: honest_keys.map(|hotkey| neuron(hotkey).incentive),
        validators: [HONEST, DROPPER, INFLATOR, AUDITOR].map(|number| {
            let neuron = neuron(validators[number].hotkey());
            (neuron.validator_trust, neuron.dividends)
        }),
    }
}

/// The honest validator probes at random times, many in a second, until it has evidence enough.
async fn probe_until_convicted(subnet: &mut Subnet, cheat: &CheatingMiner) {
    subnet.validators[HONEST].stop().await;
    subnet.validators[HONEST].challenge(|challenges| {
        challenges.models = [(SMOLLM2.parse().unwrap(), smollm2_path())].into();
        challenges.probes_per_hour = 36_000;
        (challenges.probe_tokens_max, challenges.probe_prompt_tokens_max) = (4, 8);
        challenges.queue_calls_max = const { std::num::NonZeroUsize::new(2).unwrap() };
    });
    subnet.validators[HONEST].start().await.unwrap();
    wait::until("the smaller model is found out", || async {
        let found = against(&subnet.validators[HONEST], &cheat.hotkey());
        let convicted = protocol::standing::standings(&found, 0..u64::MAX).convicted;
        convicted.iter().any(|conviction| conviction.miner == cheat.hotkey()).then_some(())
    })
    .await;
    subnet.validators[HONEST].stop().await;
    subnet.validators[HONEST].challenge(|challenges| challenges.models.clear());
}

/// Gives every validator its part: gateways at addresses that the chain takes, announced; the cheats set no weights by themselves; the
/// honest have more than half of the stake.
async fn arrange(subnet: &mut Subnet) {
    for number in 0..subnet.validators.len() {
        let validator = &mut subnet.validators[number];
        validator.stop().await;
        let settings = validator.settings_mut();
        settings.gateway.bind = SocketAddr::from((AXON_IP, 0));
        // Four validators and four miners share a small machine.
        settings.fleet.inventory_poll_ms = INVENTORY_POLL_MS;
        settings.weights.enabled = [HONEST, AUDITOR].contains(&number);
        settings.weights.head_after_percent = HEAD_PERCENT;
        settings.weights.submit_after_percent = WEIGHTS_PERCENT;
        validator.start().await.unwrap();
        let (hotkey, address) = (validator.hotkey_secret().clone(), validator.validator().gateway_addr());
        subnet.client().serve_axon(&hotkey, NETUID, address).await.unwrap();
    }
    for honest in [HONEST, AUDITOR] {
        subnet.add_stake(&subnet.validators[honest], 2_000).await;
    }
    subnet.wait_until_hot(subnet.miners.len() + 2).await;
}

/// A gateway's user calls until the log has what is needed; gives the log.
async fn calls_until(
    validator: &ValidatorNode,
    is_enough: impl Fn(&[Countersigned]) -> bool,
) -> Vec<Countersigned> {
    for number in 0..CALLS_MAX {
        let calls = receipts(validator).await;
        if is_enough(&calls) {
            return calls;
        }
        let body = json!({
            "model": SMOLLM2, "max_tokens": 3, "temperature": 0,
            "messages": [{"role": "user", "content": format!("Count from {number}.")}],
        });
        let answer = validator.post("/v1/chat/completions", body.to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    panic!("{CALLS_MAX} calls, and not yet those that the play needs");
}

/// What the validator holds against a miner.
fn against(validator: &ValidatorNode, miner: &AccountId) -> Vec<ValidEvidence> {
    let found = validator.validator().ledger().reader().evidence(0..u64::MAX).expect("a whole ledger");
    found.into_iter().filter(|found| found.miner() == *miner).collect()
}

fn keep_evidence(validator: &ValidatorNode, miner: &AccountId, folder: &Path, name: &str) -> CaughtMiner {
    let found = against(validator, miner);
    let write = |(number, found): (usize, &ValidEvidence)| {
        let path = folder.join(format!("{name}-{}.evidence", number + 1));
        fs::write(&path, found.signed().encode()).unwrap();
        path
    };
    let evidence = found.iter().enumerate().map(write).collect();
    CaughtMiner { by: *miner, found, evidence }
}

/// Lets time pass until the validator has committed this tempo's head; answers the newest block.
async fn until_head_is_committed(tempo: &Tempo<'_>, validator: &ValidatorNode) -> BlockRef {
    tempo.until_percent(HEAD_PERCENT).await;
    tempo
        .look("the honest head is committed", COMMITTED_PERCENT, async || {
            let epoch = tempo.epoch().await;
            let ledger = validator.validator().ledger();
            let head = ledger.read(move |reader| reader.head(epoch.epoch_index)).await.unwrap()?;
            let client = tempo.subnet.client();
            let committed = client.commitment(NETUID, &validator.hotkey(), epoch.block).await.unwrap()?;
            (committed.sha256() == Some(&head.head.head.digest().0)).then_some(epoch.block)
        })
        .await
}

async fn until_judged(
    tempo: &Tempo<'_>,
    judge: &ValidatorNode,
    validator: &ValidatorNode,
    spoiled: &Spoiled,
) -> Verdict {
    let (hotkey, head) = (validator.hotkey(), spoiled.record.head.head.digest());
    let peers = judge.validator().peers();
    let verdict = async || peers.verdict(&hotkey).filter(|verdict| verdict.head == Some(head));
    tempo.look("the cheat is judged", WEIGHTS_PERCENT - 2, verdict).await
}

async fn until_trusted(tempo: &Tempo<'_>, judge: &ValidatorNode, validator: &ValidatorNode) {
    let (hotkey, peers) = (validator.hotkey(), judge.validator().peers());
    let epoch_index = tempo.epoch().await.epoch_index;
    let agreed = async || {
        peers.verdict(&hotkey).filter(|verdict| verdict.agreed && verdict.epoch_index == Some(epoch_index))
    };
    tempo.look("the honest log is verified", WEIGHTS_PERCENT - 2, agreed).await;
}

async fn until_weights(tempo: &Tempo<'_>, validator: &ValidatorNode) -> Vec<(u16, u16)> {
    let uid = tempo.subnet.uid(&validator.hotkey()).await;
    let epoch_index = tempo.epoch().await.epoch_index;
    let weights = validator.validator().weights();
    tempo
        .look("the honest weights are on chain", LAST_PERCENT, async || {
            let set = |last: &Entry| {
                last.epoch_index == epoch_index && matches!(last.progress, Progress::Confirmed { .. })
            };
            if !weights.borrow().last.as_ref().is_some_and(set) {
                return None;
            }
            tempo.subnet.weights_on_chain().await.remove(&uid).filter(|row| !row.is_empty())
        })
        .await
}

/// Copies a tempo's folder and the parts beside it into a folder of bundles.
fn keep_bundle(tempo: &Path, to: &Path) -> PathBuf {
    keep_folder(tempo, &to.join(tempo.file_name().unwrap()));
    keep_folder(&tempo.with_file_name(PARTS), &to.join(PARTS));
    to.to_owned()
}

fn keep_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            keep_folder(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

/// The file that the judge wrote.
fn keep_verdict(judge: &ValidatorNode, cheat: &ValidatorNode, spoiled: &Spoiled, to: &Path) -> PathBuf {
    let name = format!("{}.json", spoiled.record.head.head.epoch_index);
    let from = judge.state_dir().join(PEERS_DIR).join(cheat.hotkey().to_string()).join(name);
    let to = to.with_extension("verdict.json");
    fs::copy(from, &to).unwrap();
    to
}

fn merged(folder: &Path, epoch_index: u64) -> Merged {
    serde_json::from_slice(&fs::read(folder.join(format!("{epoch_index}.json"))).unwrap()).unwrap()
}

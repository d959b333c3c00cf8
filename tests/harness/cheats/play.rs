//! The whole play: an honest validator, one that drops a call, one that inflates a friend, an auditor without calls of its own,
//! and miners; until the chain has paid.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use chain_client::weights::{Entry, Progress};
use chain_client::{BlockRef, EpochState};
use protocol::account::AccountId;
use protocol::manifest::PARTS;
use protocol::receipt::Countersigned;
use subnet_validator::audit::merged::Merged;
use subnet_validator::audit::verdict::Verdict;
use subnet_validator::validator::{MERGES_DIR, PEERS_DIR};

use super::{Spoil, Spoiled, accuse, paid, receipts, set_weights, spoil};
use crate::nodes::ValidatorNode;
use crate::subnet::{AXON_IP, ECHO_MODEL, NETUID, Plan, Subnet, TestModel};
use crate::wait;

/// Validators by what they do.
const HONEST: usize = 0;
const DROPPER: usize = 1;
const INFLATOR: usize = 2;
const AUDITOR: usize = 3;
/// Calls that each of the first three serves.
const CALLS: usize = 8;
/// Blocks of one tempo: enough for checks between head and weights.
const TEMPO_BLOCKS: u16 = 60;
/// Looks at a condition between two blocks made for it.
const LOOKS_PER_BLOCK: u32 = 40;
/// A countersigned call must be in the log an hour after it was issued.
const TWO_HOURS_MS: u64 = 7_200_000;

/// A planted cheat, as an honest validator saw it.
#[derive(Debug)]
pub struct Caught {
    /// Who cheated.
    pub by: AccountId,
    /// The honest validators' verdicts: the honest one's, the auditor's.
    pub verdicts: [Verdict; 2],
    /// The bundle that was committed.
    pub bundle: PathBuf,
    /// The file that proves it.
    pub evidence: PathBuf,
}

/// How the play ended.
#[derive(Debug)]
pub struct Outcome {
    /// The call that was dropped.
    pub call: Countersigned,
    /// Who dropped it.
    pub dropped: Caught,
    /// Who inflated a friend.
    pub inflated: Caught,
    /// The friend.
    pub friend: AccountId,
    /// What the two honest validators made their weights from.
    pub merged: [Merged; 2],
    /// The weights on chain of the two honest validators.
    pub weights: [Vec<(u16, u16)>; 2],
    /// The friend's incentive on chain, and what its points at the honest validators are of 65,535.
    pub friend_incentive: (u16, u16),
    /// The trust that the chain puts into each validator, and its dividends: honest, dropper, inflator, auditor.
    pub validators: [(u16, u16); 4],
}

/// Plays it. Evidence is put into `folder`; `say` is told what happens.
///
/// # Panics
/// When something does not happen: this is a test.
pub async fn play(folder: &Path, say: impl Fn(&str)) -> Outcome {
    let plan = Plan { validators: 4, miners: 4, model: TestModel::Echo, tempo_blocks: TEMPO_BLOCKS };
    let mut subnet = Box::pin(Subnet::start_with(plan)).await;
    Box::pin(arrange(&mut subnet)).await;
    say("four validators and four miners are up; two of the validators will cheat");
    for validator in &subnet.validators[..AUDITOR] {
        for number in 0..CALLS {
            assert_eq!(validator.chat(ECHO_MODEL, &format!("request {number}")).await.status, 200);
        }
    }
    say("each of the three gateways has served its users");
    // Tickets are dated by the validators' clocks; what must be in the log by now is judged by the chain's.
    subnet.chain().travel(TWO_HOURS_MS);
    begin_tempo(&subnet).await;

    let validators = &subnet.validators;
    let call = receipts(&validators[DROPPER]).await.swap_remove(CALLS / 2);
    let evidence = folder.join("evidence");
    fs::create_dir_all(&evidence).unwrap();
    for honest in [HONEST, AUDITOR] {
        accuse(&validators[honest], "dropped", &call);
    }
    let at = until_head_is_committed(&subnet, &validators[HONEST]).await;
    let how = Spoil::Drop(Box::new(call.clone()));
    let dropped = spoil(&subnet, &validators[DROPPER], &how, at, &folder.join("dropper")).await;
    let friend = least_served(&subnet).await;
    let how = Spoil::Inflate(friend);
    let inflated = spoil(&subnet, &validators[INFLATOR], &how, at, &folder.join("inflator")).await;
    say("one validator has dropped a call from its log, one has given a friend all the points");

    let caught = async |cheat: usize, spoiled: &Spoiled, name: &str| Caught {
        by: validators[cheat].hotkey(),
        verdicts: [
            until_judged(&subnet, &validators[HONEST], &validators[cheat], spoiled).await,
            until_judged(&subnet, &validators[AUDITOR], &validators[cheat], spoiled).await,
        ],
        bundle: keep_bundle(&spoiled.bundle, &evidence.join(format!("{name}-bundle"))),
        evidence: keep_verdict(&validators[HONEST], &validators[cheat], spoiled, &evidence.join(name)),
    };
    let mut dropped_by = caught(DROPPER, &dropped, "dropped").await;
    let inflated_by = caught(INFLATOR, &inflated, "inflated").await;
    dropped_by.evidence = evidence.join("dropped.call");
    fs::write(&dropped_by.evidence, call.encode()).unwrap();
    until_trusted(&subnet, &validators[AUDITOR], &validators[HONEST]).await;

    let weights = [
        until_weights(&subnet, &validators[HONEST]).await,
        until_weights(&subnet, &validators[AUDITOR]).await,
    ];
    say("the honest validators have set their weights; the cheats set theirs");
    set_weights(&subnet, &validators[DROPPER], &dropped.weights, &folder.join("dropper-journal")).await;
    set_weights(&subnet, &validators[INFLATOR], &inflated.weights, &folder.join("inflator-journal")).await;
    let epoch_index = dropped.record.head.head.epoch_index;
    let merged =
        [HONEST, AUDITOR].map(|honest| merged(&validators[honest].state_dir().join(MERGES_DIR), epoch_index));
    begin_tempo(&subnet).await;
    let points =
        merged[0].points.iter().find(|(hotkey, _)| *hotkey == friend).map_or(0, |(_, points)| *points);
    let share = u16::try_from(points * u32::from(u16::MAX) / 10_000).unwrap();
    let friend_incentive = (paid(&subnet).await[&friend].0, share);
    let trust = trust(&subnet).await;
    Outcome {
        call,
        dropped: dropped_by,
        inflated: inflated_by,
        friend,
        merged,
        weights,
        friend_incentive,
        validators: trust,
    }
}

/// Gives everybody its part: gateways at addresses that the chain takes, announced; the cheats set no weights by themselves; the
/// honest have more than half of the stake.
async fn arrange(subnet: &mut Subnet) {
    for number in 0..subnet.validators.len() {
        let validator = &mut subnet.validators[number];
        validator.stop().await;
        validator.settings_mut().gateway.bind = SocketAddr::from((AXON_IP, 0));
        validator.settings_mut().weights.enabled = [HONEST, AUDITOR].contains(&number);
        validator.start().await.unwrap();
        let (hotkey, address) = (validator.hotkey_secret().clone(), validator.validator().gateway_addr());
        subnet.client().serve_axon(&hotkey, NETUID, address).await.unwrap();
    }
    for honest in [HONEST, AUDITOR] {
        subnet.add_stake(&subnet.validators[honest], 2_000).await;
    }
    subnet.wait_until_hot(subnet.miners.len()).await;
}

/// Makes a block and waits until both honest validators have read it: a real chain leaves them twelve seconds.
async fn step(subnet: &Subnet) {
    subnet.produce_blocks(1).await;
    let number = subnet.chain().finalized_number();
    wait::until("the honest validators follow the chain", || async {
        let seen = |honest: usize| subnet.validators[honest].validator().chain().borrow().block.number;
        [HONEST, AUDITOR].into_iter().all(|honest| seen(honest) >= number).then_some(())
    })
    .await;
}

async fn epoch(subnet: &Subnet) -> EpochState {
    let at = subnet.client().finalized().await.unwrap();
    subnet.client().epoch(NETUID, at).await.unwrap()
}

/// Produces blocks until the next tempo has begun.
async fn begin_tempo(subnet: &Subnet) {
    let now = epoch(subnet).await.epoch_index;
    while epoch(subnet).await.epoch_index == now {
        step(subnet).await;
    }
}

/// Produces blocks until so much of the tempo has passed.
async fn until_percent(subnet: &Subnet, percent: u8) {
    loop {
        let epoch = epoch(subnet).await;
        let passed = u64::from(epoch.block.number) - epoch.last_epoch_block;
        if passed * 100 >= u64::from(TEMPO_BLOCKS) * u64::from(percent) {
            return;
        }
        step(subnet).await;
    }
}

/// Lets time pass until the validator has committed this tempo's head; answers the newest block.
async fn until_head_is_committed(subnet: &Subnet, validator: &ValidatorNode) -> BlockRef {
    until_percent(subnet, validator.settings().weights.head_after_percent).await;
    look(subnet, "the honest head is committed", async || {
        let epoch = epoch(subnet).await;
        let ledger = validator.validator().ledger();
        let head = ledger.read(move |reader| reader.head(epoch.epoch_index)).await.unwrap()?;
        let committed =
            subnet.client().commitment(NETUID, &validator.hotkey(), epoch.block).await.unwrap()?;
        (committed.sha256() == Some(&head.head.head.digest().0)).then_some(epoch.block)
    })
    .await
}

/// Looks until there is something, with a block now and then: validators act when there is a new one.
async fn look<T>(subnet: &Subnet, what: &str, condition: impl AsyncFn() -> Option<T>) -> T {
    let looks = std::cell::Cell::new(0_u32);
    wait::until(what, || async {
        looks.set(looks.get() + 1);
        if looks.get().is_multiple_of(LOOKS_PER_BLOCK) {
            subnet.produce_blocks(1).await;
        }
        condition().await
    })
    .await
}

async fn until_judged(
    subnet: &Subnet,
    judge: &ValidatorNode,
    validator: &ValidatorNode,
    spoiled: &Spoiled,
) -> Verdict {
    let (hotkey, head) = (validator.hotkey(), spoiled.record.head.head.digest());
    let peers = judge.validator().peers();
    let verdict = async || peers.verdict(&hotkey).filter(|verdict| verdict.head == Some(head));
    look(subnet, "the cheat is judged", verdict).await
}

async fn until_trusted(subnet: &Subnet, judge: &ValidatorNode, validator: &ValidatorNode) {
    let (hotkey, peers) = (validator.hotkey(), judge.validator().peers());
    let agreed = async || peers.verdict(&hotkey).filter(|verdict| verdict.agreed);
    look(subnet, "the honest log is verified", agreed).await;
}

async fn until_weights(subnet: &Subnet, validator: &ValidatorNode) -> Vec<(u16, u16)> {
    let uid = subnet.uid(&validator.hotkey()).await;
    until_percent(subnet, validator.settings().weights.submit_after_percent).await;
    let epoch_index = epoch(subnet).await.epoch_index;
    let weights = validator.validator().weights();
    look(subnet, "the honest weights are on chain", async || {
        let set = |last: &Entry| {
            last.epoch_index == epoch_index && matches!(last.progress, Progress::Confirmed { .. })
        };
        if !weights.borrow().last.as_ref().is_some_and(set) {
            return None;
        }
        subnet.weights_on_chain().await.remove(&uid).filter(|row| !row.is_empty())
    })
    .await
}

/// The miner with the fewest calls, over all logs.
async fn least_served(subnet: &Subnet) -> AccountId {
    let mut calls = Vec::new();
    for validator in &subnet.validators[..AUDITOR] {
        calls.extend(receipts(validator).await.iter().map(|receipt| receipt.ticket().miner));
    }
    let count = |miner: &AccountId| calls.iter().filter(|other| *other == miner).count();
    subnet.miners.iter().map(crate::MinerNode::hotkey).min_by_key(count).unwrap()
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

async fn trust(subnet: &Subnet) -> [(u16, u16); 4] {
    let at = subnet.client().finalized().await.unwrap();
    let metagraph = subnet.client().metagraph(NETUID, at).await.unwrap();
    [HONEST, DROPPER, INFLATOR, AUDITOR].map(|number| {
        let neuron = metagraph.by_hotkey(&subnet.validators[number].hotkey()).unwrap();
        (neuron.validator_trust, neuron.dividends)
    })
}

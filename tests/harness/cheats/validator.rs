//! Validators that drop or invent.
//!
//! A cheating validator is a real one that sets no weights by itself. Its log is read, spoiled, signed again with its own key,
//! committed on chain and put where its gateway serves it: all that a cheat can do.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chain_client::BlockRef;
use chain_client::weights::{Scores, Timing, WeightSetter, WeightsTarget};
use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::head::scores_hash;
use protocol::policy_document::PolicyDocument;
use protocol::receipt::Countersigned;
use protocol::replay::Rules;
use protocol::scoring::{BASIS_POINTS, Miner, Policy, weights};
use subnet_validator::audit::export::export;
use subnet_validator::audit::publish;
use subnet_validator::heads::{TempoFacts, cut};
use subnet_validator::ledger::{HeadRecord, Ledger, LedgerConfig, Owner};
use subnet_validator::validator::{AUDIT_DIR, DISPUTES_DIR};
use tokio::sync::Mutex;

use crate::nodes::ValidatorNode;
use crate::subnet::{NETUID, Subnet};
use crate::wait;

/// How a validator spoils its log.
#[derive(Debug, Clone)]
pub enum Spoil {
    /// Leaves out this call.
    Drop(Box<Countersigned>),
    /// Says that this miner earned everything.
    Inflate(AccountId),
}

/// A tempo's spoiled papers, as they were committed and published.
#[derive(Debug)]
pub struct Spoiled {
    /// The head.
    pub record: HeadRecord,
    /// The bundle's folder, which its gateway serves.
    pub bundle: PathBuf,
    /// The weights that follow from it.
    pub weights: Vec<(u16, u16)>,
}

/// The receipts of a validator's log.
pub(super) async fn receipts(validator: &ValidatorNode) -> Vec<Countersigned> {
    let mut receipts = Vec::new();
    let ledger = validator.validator().ledger().clone();
    let stored = ledger.read(move |reader| reader.from(0, 10_000)).await.expect("a whole ledger");
    receipts.extend(stored.into_iter().map(|stored| stored.receipt));
    receipts
}

/// Lets a validator cut, commit and publish a spoiled head of the tempo that `at` belongs to.
pub async fn spoil(
    subnet: &Subnet,
    validator: &ValidatorNode,
    how: &Spoil,
    at: BlockRef,
    folder: &Path,
) -> Spoiled {
    let facts = tempo_facts(subnet, at).await;
    let policy = PolicyDocument::new(NETUID, Policy::default(), validator.catalogue());
    let rules = Arc::new(Rules::new(policy).expect("a catalogue"));
    let hotkey = validator.hotkey_secret();
    let receipts = receipts(validator).await;
    let honest = ledger(&folder.join("honest"), validator, &receipts, |_| true).await;
    let epoch_index = facts.epoch_index;
    let (ledger, record) = match how {
        Spoil::Drop(call) => {
            let kept = |receipt: &Countersigned| receipt.leaf_hash() != call.leaf_hash();
            let ledger = ledger(&folder.join("spoiled"), validator, &receipts, kept).await;
            let record = cut(&ledger, &rules, hotkey, facts).await.expect("a head");
            (ledger, record)
        }
        Spoil::Inflate(friend) => {
            let mut record = cut(&honest, &rules, hotkey, facts).await.expect("a head");
            for row in &mut record.table.rows {
                row.basis_points = if row.hotkey == *friend { BASIS_POINTS } else { 0 };
            }
            let mut head = record.head.head;
            head.scores = scores_hash(&record.table);
            record.head = head.sign(hotkey);
            let ledger = ledger(&folder.join("spoiled"), validator, &receipts, |_| true).await;
            let document = rules.document().clone().sign(hotkey);
            ledger.put_head(record.clone(), document).await.expect("a head that fits the log");
            (ledger, record)
        }
    };
    let digest = record.head.head.digest();
    let (place, signer) = (validator.state_dir().join(AUDIT_DIR), hotkey.clone());
    let bundle = publish::bundle(&place, epoch_index);
    let exported = ledger.read(move |reader| Ok(export(reader, &signer, None, &place, |_, _| ()))).await;
    exported.expect("a whole ledger").expect("a bundle");
    subnet.client().set_commitment(hotkey, NETUID, &digest.0).await.expect("a commitment");
    let metagraph = subnet.client().metagraph(NETUID, at).await.expect("a metagraph");
    let uid_of = metagraph.neurons.iter().map(|neuron| (neuron.hotkey, neuron.uid)).collect();
    let weights = weights(&record.table, &uid_of);
    Spoiled { record, bundle, weights }
}

/// Puts a miner's copy of a call where a validator looks for papers against others. Answers the file.
pub(super) fn accuse(validator: &ValidatorNode, name: &str, call: &Countersigned) -> PathBuf {
    let folder = validator.state_dir().join(DISPUTES_DIR);
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(format!("{name}.call"));
    fs::write(&path, call.encode()).expect("a file");
    path
}

/// Sets these weights with the validator's key until the chain has them.
pub(super) async fn set_weights(
    subnet: &Subnet,
    validator: &ValidatorNode,
    weights: &[(u16, u16)],
    journal: &Path,
) {
    let target = WeightsTarget {
        netuid: NETUID,
        mechanism: 0,
        version_key: None,
        timing: Timing::DEFAULT,
        journal_folder: journal.to_owned(),
    };
    let hotkey = validator.hotkey_secret().clone();
    let uid = subnet.uid(&hotkey.public()).await;
    let setter = WeightSetter::open(subnet.client().clone(), hotkey, target).await.expect("a journal");
    let values = weights.iter().map(|(uid, weight)| (*uid, f64::from(*weight))).collect();
    let (setter, scores) = (Mutex::new(setter), Scores { values, label: Digest::ZERO });
    wait::until("the cheat's weights are on chain", || async {
        setter.lock().await.set_weights(&scores).await.expect("a chain");
        subnet.produce_blocks(1).await;
        (subnet.weights_on_chain().await.get(&uid).map(Vec::as_slice) == Some(weights)).then_some(())
    })
    .await;
}

async fn tempo_facts(subnet: &Subnet, at: BlockRef) -> TempoFacts {
    let client = subnet.client();
    let metagraph = client.metagraph(NETUID, at).await.expect("a metagraph");
    TempoFacts {
        epoch_index: client.epoch(NETUID, at).await.expect("a schedule").epoch_index,
        block: at,
        timestamp_ms: client.timestamp_ms(at).await.expect("a time"),
        miners: metagraph.neurons.iter().map(|neuron| Miner::new(neuron.hotkey, neuron.coldkey)).collect(),
    }
}

/// A ledger of those of the receipts that are kept.
async fn ledger(
    path: &Path,
    validator: &ValidatorNode,
    receipts: &[Countersigned],
    keep: impl Fn(&Countersigned) -> bool,
) -> Ledger {
    let owner = Owner::single(validator.hotkey(), NETUID);
    let ledger = Ledger::open(LedgerConfig::new(path.to_owned(), owner)).expect("a new ledger");
    for receipt in receipts.iter().filter(|receipt| keep(receipt)) {
        ledger.append(receipt.clone()).await.expect("a receipt of its own");
    }
    ledger
}

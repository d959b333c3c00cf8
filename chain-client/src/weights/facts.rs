//! Reads what setting weights depends on: two requests at one finalised block, one at the newest for a timelocked commit.

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::{NetUid, NetUidStorageIndex};
use protocol::AccountId;
use subxt::utils::AccountId32;

use super::commit::storage_index;
use super::decide::{Facts, OwnNeuron, Regime};
use super::schedule::{Beacon, EpochClock};
use crate::blocks::BlockRef;
use crate::client::{ChainClient, Reader, Slot};
use crate::error::{Fault, QueryError};
use crate::query::epoch::Schedule;
use crate::query::{check_existence, want_existence};

/// The versions of commit-reveal that the chain has had: hashes, then two of timelocked commits, of which the newer names
/// the hotkey in the payload.
const HASHED_VERSIONS: std::ops::RangeInclusive<u16> = 0..=2;
const TIMELOCKED_VERSION: u16 = 4;

/// What a timelocked commit depends on, all of one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommitContext {
    pub(crate) clock: EpochClock,
    pub(crate) beacon: Beacon,
    /// The chain's time in that block.
    pub(crate) now_ms: u64,
    pub(crate) block_time_ms: u64,
}

/// The slots of an [`EpochClock`].
struct ClockSlots {
    tempo: Slot<u16>,
    last_epoch_block: Slot<u64>,
    pending_epoch_at: Slot<u64>,
    epoch_index: Slot<u64>,
    blocks_since_last_step: Slot<u64>,
}

impl ClockSlots {
    fn want(reader: &mut Reader, netuid: u16) -> Result<Self, Fault> {
        let module = subtensor::storage().subtensor_module();
        let key = || (NetUid(netuid),);
        Ok(Self {
            tempo: reader.want(module.tempo(), key())?,
            last_epoch_block: reader.want(module.last_epoch_block(), key())?,
            pending_epoch_at: reader.want(module.pending_epoch_at(), key())?,
            epoch_index: reader.want(module.subnet_epoch_index(), key())?,
            blocks_since_last_step: reader.want(module.blocks_since_last_step(), key())?,
        })
    }

    fn clock(&self, values: &crate::client::Values<'_>, block: BlockRef) -> Result<EpochClock, Fault> {
        Ok(EpochClock {
            block: block.number.into(),
            tempo: values.value(&self.tempo)?,
            last_epoch_block: values.value(&self.last_epoch_block)?,
            pending_epoch_at: values.value(&self.pending_epoch_at)?,
            epoch_index: values.value(&self.epoch_index)?,
            blocks_since_last_step: values.value(&self.blocks_since_last_step)?,
        })
    }
}

impl ChainClient {
    /// The facts of the newest finalised block for one hotkey on one mechanism of one subnet.
    pub(crate) async fn weights_facts(
        &self,
        netuid: u16,
        mechanism: u8,
        hotkey: &AccountId,
    ) -> Result<Facts, QueryError> {
        self.bounded("reading what weights depend on", async {
            let session = self.session().await?;
            let block = session.finalized().await?;
            let best_block = session.block(None).await?.number;
            let mut reader = self.reader(block).await?;
            let module = subtensor::storage().subtensor_module();
            let key = || (NetUid(netuid),);
            let account = || AccountId32(hotkey.0);
            let index = || NetUidStorageIndex(storage_index(netuid, mechanism));
            let exists = want_existence(&mut reader, netuid)?;
            let clock = ClockSlots::want(&mut reader, netuid)?;
            let uid = reader.want(module.uids(), (NetUid(netuid), account()))?;
            let permits = reader.want(module.validator_permit(), key())?;
            let owner = reader.want(module.subnet_owner_hotkey(), key())?;
            let updates = reader.want(module.last_update(), (index(),))?;
            let system = reader.want(subtensor::storage().system().account(), (account(),))?;
            let neurons = reader.want(module.subnetwork_n(), key())?;
            let mechanisms = reader.want(module.mechanism_count_current(), key())?;
            let rate_limit = reader.want(module.weights_set_rate_limit(), key())?;
            let min_allowed = reader.want(module.min_allowed_weights(), key())?;
            let max_weight = reader.want(module.max_weights_limit(), key())?;
            let version_key = reader.want(module.weights_version_key(), key())?;
            let commit_reveal = reader.want(module.commit_reveal_weights_enabled(), key())?;
            let version = reader.want(module.commit_reveal_weights_version(), ())?;
            let reveal_period = reader.want(module.reveal_period_epochs(), key())?;
            let commits = reader.want(module.weight_commits(), (index(), account()))?;
            let values = reader.fetch().await?;
            check_existence(values.value(&exists)?, netuid)?;

            let clock = clock.clock(&values, block)?;
            let own = match values.get(&uid)? {
                Some(uid) => {
                    let at = |list: Vec<u64>| list.get(usize::from(uid)).copied().unwrap_or_default();
                    let mut reader = self.reader(block).await?;
                    let registered = reader.want(module.block_at_registration(), (NetUid(netuid), uid))?;
                    Some(OwnNeuron {
                        uid,
                        validator_permit: values.value(&permits)?.get(usize::from(uid)).copied()
                            == Some(true),
                        is_owner: values.value(&owner)?.0 == hotkey.0,
                        last_update: at(values.value(&updates)?),
                        registered_at: reader.fetch().await?.value(&registered)?,
                    })
                }
                None => None,
            };
            let regime = match (values.value(&commit_reveal)?, values.value(&version)?) {
                (false, _) => Regime::Plain,
                (true, TIMELOCKED_VERSION) => Regime::Timelocked { version: TIMELOCKED_VERSION },
                (true, version) if HASHED_VERSIONS.contains(&version) => Regime::Hashed,
                (true, version) => Regime::Unknown { version },
            };
            let hashes = values.get(&commits)?.unwrap_or_default();
            Ok(Facts {
                block,
                best_block: best_block.max(block.number),
                spec_version: reader.spec_version(),
                epoch_index: clock.epoch_index,
                epoch_index_next: clock.epoch_in(clock.block.saturating_add(1)),
                last_epoch_block: clock.last_epoch_block,
                next_epoch_block: Schedule::of(&clock).next_epoch_block(clock.block),
                own,
                nonce: values.value(&system)?.nonce.into(),
                neurons: values.value(&neurons)?,
                mechanisms: values.value(&mechanisms)?.0,
                weights_rate_limit: values.value(&rate_limit)?,
                min_allowed_weights: values.value(&min_allowed)?,
                max_weight_limit: values.value(&max_weight)?,
                version_key: values.value(&version_key)?,
                regime,
                reveal_period_epochs: values.value(&reveal_period)?,
                hashes: hashes.into_iter().map(|(hash, epoch, _, _)| (hash.0, epoch)).collect(),
            })
        })
        .await
    }

    /// What a commit made now depends on, as of the newest block: the commit is in the one after it, if all goes well.
    pub(crate) async fn commit_context(&self, netuid: u16) -> Result<CommitContext, QueryError> {
        self.bounded("reading the beacon and the epoch schedule", async {
            let block = self.session().await?.block(None).await?;
            let mut reader = self.reader(block).await?;
            let storage = subtensor::storage();
            let clock = ClockSlots::want(&mut reader, netuid)?;
            let now = reader.want(storage.timestamp().now(), ())?;
            let beacon = reader.want(storage.drand().beacon_config(), ())?;
            let last_round = reader.want(storage.drand().last_stored_round(), ())?;
            let slot = subxt::constants::dynamic::<u64>("Aura", "SlotDuration");
            let block_time_ms = reader.constant(slot)?;
            let values = reader.fetch().await?;
            let config = values.value(&beacon)?;
            Ok(CommitContext {
                clock: clock.clock(&values, block)?,
                beacon: Beacon {
                    public_key: config.public_key.0,
                    genesis_s: config.genesis_time.into(),
                    period_s: config.period.into(),
                    last_round: values.value(&last_round)?,
                },
                now_ms: values.value(&now)?,
                block_time_ms,
            })
        })
        .await
    }
}

//! The genesis block: the state a configuration asks for, and the header above it.

use parity_scale_codec::Encode as _;
use sp_core::H256;
use sp_runtime::{
    AccountId32, Digest,
    traits::{Dispatchable as _, Header as _},
};
use thiserror::Error;

use super::{
    executor::{Executor, Overlay},
    history::Block,
    settings::{self, SettingError},
    state::Nodes,
};
use crate::{
    config::{Genesis, Stake},
    runtime::{
        BeaconSeed, Drand, Header, MevShield, Runtime, RuntimeCall, RuntimeOrigin, SlotDurationMs,
        SubtensorModule, VERSION,
        numbers::{NetUid, TaoBalance},
        subtensor,
    },
};

/// Where a chain keeps its runtime. This one's is native; a digest of its metadata stands there instead.
pub(super) const CODE_KEY: &[u8] = b":code";

/// Why there is no genesis block.
#[derive(Debug, Error)]
pub enum GenesisError {
    /// The pallets refuse what the configuration asks for.
    #[error("the runtime refuses this genesis: {0}")]
    Refused(&'static str),
    /// A value that is to be set is not one.
    #[error("a value of the genesis cannot be set")]
    Setting(#[from] SettingError),
    /// Stake could not be bought.
    #[error("{coldkey} cannot buy stake for {amount_rao} rao on subnet {netuid}: {why}")]
    Stake {
        /// Who was to buy.
        coldkey: AccountId32,
        /// For how much.
        amount_rao: u64,
        /// On which subnet.
        netuid: u16,
        /// What the runtime says.
        why: &'static str,
    },
    /// The state could not be computed.
    #[error("could not compute the genesis state: {0}")]
    State(String),
}

pub(super) fn build(executor: &Executor, genesis: &Genesis) -> Result<Block, GenesisError> {
    let root = Nodes::empty_root();
    let mut overlay = Overlay::default();
    let written = executor.run(root, &mut overlay, || write(genesis));
    written.ok_or(GenesisError::Refused(
        "a pallet panicked; two accounts may be the same, or a balance too small",
    ))??;
    let backend = executor.backend(root);
    let changes =
        overlay.drain_storage_changes(&backend, VERSION.state_version()).map_err(GenesisError::State)?;
    let state_root = changes.transaction_storage_root;
    let extrinsics_root = Nodes::empty_root();
    let header = Header::new(0, extrinsics_root, state_root, H256::zero(), Digest::default());
    let block = Block::new(header, Vec::new());
    executor.nodes().add(block.hash(), changes.transaction);
    Ok(block)
}

/// Writes the genesis state where the runtime runs.
pub(crate) fn write(genesis: &Genesis) -> Result<(), GenesisError> {
    use frame_support::traits::BuildGenesisConfig as _;
    frame_system::GenesisConfig::<Runtime>::default().build();
    pallet_balances::GenesisConfig::<Runtime> {
        balances: genesis
            .balances
            .iter()
            .map(|(account, rao)| (account.clone(), TaoBalance::new(*rao)))
            .collect(),
        ..Default::default()
    }
    .build();
    pallet_transaction_payment::GenesisConfig::<Runtime>::default().build();
    pallet_sudo::GenesisConfig::<Runtime> { key: Some(genesis.sudo.clone()) }.build();
    SlotDurationMs::set(&genesis.slot_duration_ms);
    BeaconSeed::set(&genesis.beacon_seed);
    Drand::build_genesis(genesis.beacon_period_s);
    SubtensorModule::build_genesis(&genesis.subnets);
    MevShield::build_genesis();
    for stake in &genesis.stakes {
        buy(stake)?;
    }
    let metadata = Runtime::metadata();
    // Clients cache metadata by genesis hash. A runtime with other metadata must not share it.
    sp_io::storage::set(CODE_KEY, &sp_crypto_hashing::blake2_256(&metadata.encode()));
    Ok(settings::write(metadata, &genesis.settings)?)
}

/// Buys stake by the rules that hold for everybody.
fn buy(stake: &Stake) -> Result<(), GenesisError> {
    let call = RuntimeCall::SubtensorModule(subtensor::Call::add_stake {
        hotkey: stake.hotkey.clone(),
        netuid: NetUid::new(stake.netuid),
        amount_staked: TaoBalance::new(stake.amount_rao),
    });
    let bought = call.dispatch(RuntimeOrigin::signed(stake.coldkey.clone()));
    bought.map(drop).map_err(|failed| GenesisError::Stake {
        coldkey: stake.coldkey.clone(),
        amount_rao: stake.amount_rao,
        netuid: stake.netuid,
        why: failed.error.into(),
    })
}

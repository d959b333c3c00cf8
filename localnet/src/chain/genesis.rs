//! The genesis block: the state a configuration asks for, and the header above it.

use parity_scale_codec::Encode as _;
use sp_core::H256;
use sp_runtime::{Digest, traits::Header as _};
use thiserror::Error;

use super::{
    executor::{Executor, Overlay},
    history::Block,
    state::Nodes,
};
use crate::{
    config::Genesis,
    runtime::{
        BeaconSeed, Drand, Header, MevShield, Runtime, SlotDurationMs, SubtensorModule, VERSION,
        numbers::TaoBalance,
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
    /// The state could not be computed.
    #[error("could not compute the genesis state: {0}")]
    State(String),
}

pub(super) fn build(executor: &Executor, genesis: &Genesis) -> Result<Block, GenesisError> {
    let root = Nodes::empty_root();
    let mut overlay = Overlay::default();
    executor.run(root, &mut overlay, || write(genesis)).ok_or(GenesisError::Refused(
        "a pallet panicked; two accounts may be the same, or a balance too small",
    ))?;
    let backend = executor.backend(root);
    let changes =
        overlay.drain_storage_changes(&backend, VERSION.state_version()).map_err(GenesisError::State)?;
    let state_root = changes.transaction_storage_root;
    executor.nodes().add(changes.transaction);

    let extrinsics_root = Nodes::empty_root();
    let header = Header::new(0, extrinsics_root, state_root, H256::zero(), Digest::default());
    Ok(Block::new(header, Vec::new()))
}

fn write(genesis: &Genesis) {
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
    // Clients cache metadata by genesis hash. A runtime with other metadata must not share it.
    let metadata = Runtime::metadata().encode();
    sp_io::storage::set(CODE_KEY, &sp_crypto_hashing::blake2_256(&metadata));
}

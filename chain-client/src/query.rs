//! What the chain says about a subnet, at one block.

pub(crate) mod account;
pub(crate) mod axon;
pub(crate) mod commitment;
pub(crate) mod economy;
pub(crate) mod epoch;
pub(crate) mod hyperparameters;
pub(crate) mod metagraph;
pub(crate) mod rules;
pub(crate) mod standing;
pub(crate) mod watch;
pub(crate) mod weights;

use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::NetUid;
use chain_metadata::subtensor::storage;

use crate::client::{Reader, Slot};
use crate::error::Fault;

/// The chain keeps defaults for subnets that do not exist, so every read of a subnet also asks whether it does.
pub(crate) fn want_existence(reader: &mut Reader, netuid: u16) -> Result<Slot<bool>, Fault> {
    reader.want(storage().subtensor_module().networks_added(), (NetUid(netuid),))
}

/// Fails unless the subnet exists.
pub(crate) fn check_existence(exists: bool, netuid: u16) -> Result<(), Fault> {
    if exists { Ok(()) } else { Err(Fault::Subnet(netuid)) }
}

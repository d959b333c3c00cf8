//! Committing to a digest.

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::bounded_collections::bounded_vec::BoundedVec;
use chain_metadata::subtensor::runtime_types::pallet_commitments::types::{CommitmentInfo, Data};
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::NetUid;
use protocol::signing::Keypair;

use super::error::SubmitError;
use crate::blocks::BlockRef;
use crate::client::ChainClient;

const DOING: &str = "publishing a commitment";

impl ChainClient {
    /// Publishes a SHA-256 digest under the hotkey on this subnet, in place of what it committed to before. Free.
    pub async fn set_commitment(
        &self,
        hotkey: &Keypair,
        netuid: u16,
        digest: &[u8; 32],
    ) -> Result<BlockRef, SubmitError> {
        let info = CommitmentInfo { fields: BoundedVec(vec![Data::Sha256(*digest)]) };
        let call = subtensor::tx().commitments().set_commitment(NetUid(netuid), info);
        self.submit(DOING, hotkey, &call).await
    }
}

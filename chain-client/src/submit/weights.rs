//! Setting weights.

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::NetUid;
use protocol::signing::Keypair;

use super::error::SubmitError;
use crate::blocks::BlockRef;
use crate::client::ChainClient;

const DOING: &str = "setting weights";

impl ChainClient {
    /// Sets a validator's weights: pairs of uid and weight, where only the ratios count.
    ///
    /// Free for the hotkey. Needs a validator permit (or ownership of the subnet), `weights_rate_limit` blocks since the
    /// last setting or the registration, and commit-reveal off: with it on, this refuses instead of sending something that
    /// the chain would reject.
    pub async fn set_weights(
        &self,
        hotkey: &Keypair,
        netuid: u16,
        weights: &[(u16, u16)],
        version_key: u64,
    ) -> Result<BlockRef, SubmitError> {
        let best = self.best().await?;
        if self.hyperparameters(netuid, best).await?.commit_reveal_enabled {
            return Err(SubmitError::CommitRevealEnabled { netuid });
        }
        let (uids, values) = weights.iter().copied().unzip();
        let call = subtensor::tx().subtensor_module().set_weights(NetUid(netuid), uids, values, version_key);
        match self.submit(DOING, hotkey, &call).await {
            Err(SubmitError::Dispatch { error, .. }) if error == "CommitRevealEnabled" => {
                Err(SubmitError::CommitRevealEnabled { netuid })
            }
            result => result,
        }
    }
}

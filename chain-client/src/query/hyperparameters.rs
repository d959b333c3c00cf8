//! The rules a subnet's owner has set.

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::NetUid;

use super::{check_existence, want_existence};
use crate::blocks::BlockRef;
use crate::client::ChainClient;
use crate::error::QueryError;

/// A subnet's hyperparameters, those a miner or validator depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hyperparameters {
    /// Blocks from one epoch to the next.
    pub tempo: u16,
    /// Blocks that must pass between two weight settings of one hotkey, and after its registration.
    pub weights_rate_limit: u64,
    /// Whether weights are committed first and revealed later.
    pub commit_reveal_enabled: bool,
    /// The least version key that weights must carry; 0 accepts all.
    pub weights_version_key: u64,
    /// The fewest uids a weight vector may name.
    pub min_allowed_weights: u16,
    /// Blocks that must pass between two axon announcements of one hotkey.
    pub serving_rate_limit: u64,
    /// What registration costs now, in rao.
    pub burn_rao: u64,
    /// Whether anybody can register.
    pub registration_allowed: bool,
    /// Blocks for which a new neuron cannot be pruned.
    pub immunity_period: u16,
    /// How many neurons fit.
    pub max_allowed_uids: u16,
}

impl ChainClient {
    /// Reads the hyperparameters in one request.
    pub async fn hyperparameters(&self, netuid: u16, at: BlockRef) -> Result<Hyperparameters, QueryError> {
        self.bounded("reading the hyperparameters", async {
            let mut reader = self.reader(at).await?;
            let module = subtensor::storage().subtensor_module();
            let key = || (NetUid(netuid),);
            let exists = want_existence(&mut reader, netuid)?;
            let tempo = reader.want(module.tempo(), key())?;
            let weights_rate_limit = reader.want(module.weights_set_rate_limit(), key())?;
            let commit_reveal = reader.want(module.commit_reveal_weights_enabled(), key())?;
            let version_key = reader.want(module.weights_version_key(), key())?;
            let min_allowed_weights = reader.want(module.min_allowed_weights(), key())?;
            let serving_rate_limit = reader.want(module.serving_rate_limit(), key())?;
            let burn = reader.want(module.burn(), key())?;
            let registration_allowed = reader.want(module.network_registration_allowed(), key())?;
            let immunity_period = reader.want(module.immunity_period(), key())?;
            let max_allowed_uids = reader.want(module.max_allowed_uids(), key())?;
            let values = reader.fetch().await?;
            check_existence(values.value(&exists)?, netuid)?;
            Ok(Hyperparameters {
                tempo: values.value(&tempo)?,
                weights_rate_limit: values.value(&weights_rate_limit)?,
                commit_reveal_enabled: values.value(&commit_reveal)?,
                weights_version_key: values.value(&version_key)?,
                min_allowed_weights: values.value(&min_allowed_weights)?,
                serving_rate_limit: values.value(&serving_rate_limit)?,
                burn_rao: values.value(&burn)?.0,
                registration_allowed: values.value(&registration_allowed)?,
                immunity_period: values.value(&immunity_period)?,
                max_allowed_uids: values.value(&max_allowed_uids)?,
            })
        })
        .await
    }
}

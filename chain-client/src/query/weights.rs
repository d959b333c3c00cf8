//! The weights that validators have set.

use std::collections::BTreeMap;

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::{NetUid, NetUidStorageIndex};

use super::watch::MetagraphChanges;
use super::{check_existence, want_existence};
use crate::blocks::BlockRef;
use crate::client::ChainClient;
use crate::error::QueryError;
use crate::query::metagraph::Metagraph;

/// By validator's uid, pairs of uid and weight out of 65,535.
type Rows = BTreeMap<u16, Vec<(u16, u16)>>;

impl ChainClient {
    /// Who weighs whom, by uid: for each validator that has set weights its pairs of uid and weight, out of 65,535.
    pub async fn weights(&self, netuid: u16, at: BlockRef) -> Result<Rows, QueryError> {
        let count = self.bounded("reading the weights", async {
            let mut reader = self.reader(at).await?;
            let exists = want_existence(&mut reader, netuid)?;
            let module = subtensor::storage().subtensor_module();
            let count = reader.want(module.subnetwork_n(), (NetUid(netuid),))?;
            let values = reader.fetch().await?;
            check_existence(values.value(&exists)?, netuid)?;
            values.value(&count)
        });
        self.rows(netuid, 0..count.await?, at).await
    }

    /// As [`ChainClient::weights`] at the block of `now`, cheaper for having those of an earlier block: only the rows that may
    /// have changed are read. In the open every setting shows in the metagraph. Where weights are committed first they appear
    /// when they are revealed, which does not, so there the rows of all who may set weights are read.
    pub async fn refresh_weights(
        &self,
        earlier: &Metagraph,
        weights: &Rows,
        now: &Metagraph,
    ) -> Result<Rows, QueryError> {
        let changes = MetagraphChanges::between(earlier, now);
        let hidden = [earlier, now].iter().any(|one| one.hyperparameters.commit_reveal_enabled);
        let may_differ = |uid: &u16| {
            changes.weights.contains(uid)
                || changes.registered.contains(uid)
                || hidden
                    && (weights.contains_key(uid) || now.by_uid(*uid).is_some_and(|it| it.validator_permit))
        };
        let count = u16::try_from(now.neurons.len()).unwrap_or(u16::MAX);
        let stale: Vec<u16> = (0..count).filter(may_differ).collect();
        let mut rows = weights.clone();
        rows.retain(|uid, _| *uid < count && !stale.contains(uid));
        if !stale.is_empty() {
            rows.extend(self.rows(now.netuid, stale, now.block).await?);
        }
        Ok(rows)
    }

    /// The rows of these uids that are not empty.
    async fn rows(
        &self,
        netuid: u16,
        uids: impl IntoIterator<Item = u16>,
        at: BlockRef,
    ) -> Result<Rows, QueryError> {
        self.bounded("reading the weights", async {
            let module = subtensor::storage().subtensor_module();
            let mut reader = self.reader(at).await?;
            let mut slots = Vec::new();
            for uid in uids {
                slots.push((uid, reader.want(module.weights(), (NetUidStorageIndex(netuid), uid))?));
            }
            let values = reader.fetch().await?;
            let mut weights = BTreeMap::new();
            for (uid, slot) in slots {
                let row = values.value(&slot)?;
                if !row.is_empty() {
                    weights.insert(uid, row);
                }
            }
            Ok(weights)
        })
        .await
    }
}

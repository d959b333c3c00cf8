//! The weights that validators have set.

use std::collections::BTreeMap;

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::{NetUid, NetUidStorageIndex};

use super::{check_existence, want_existence};
use crate::blocks::BlockRef;
use crate::client::ChainClient;
use crate::error::QueryError;

impl ChainClient {
    /// Who weighs whom, by uid: for each validator that has set weights its pairs of uid and weight, out of 65,535.
    pub async fn weights(
        &self,
        netuid: u16,
        at: BlockRef,
    ) -> Result<BTreeMap<u16, Vec<(u16, u16)>>, QueryError> {
        self.bounded("reading the weights", async {
            let module = subtensor::storage().subtensor_module();
            let mut reader = self.reader(at).await?;
            let exists = want_existence(&mut reader, netuid)?;
            let count = reader.want(module.subnetwork_n(), (NetUid(netuid),))?;
            let values = reader.fetch().await?;
            check_existence(values.value(&exists)?, netuid)?;
            let count = values.value(&count)?;
            let mut reader = self.reader(at).await?;
            let mut rows = Vec::with_capacity(count.into());
            for uid in 0..count {
                let row = reader.want(module.weights(), (NetUidStorageIndex(netuid), uid))?;
                rows.push((uid, row));
            }
            let values = reader.fetch().await?;
            let mut weights = BTreeMap::new();
            for (uid, row) in rows {
                let row = values.value(&row)?;
                if !row.is_empty() {
                    weights.insert(uid, row);
                }
            }
            Ok(weights)
        })
        .await
    }
}

//! Single accounts: balance, and their place on a subnet.

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::NetUid;
use protocol::AccountId;
use subxt::utils::AccountId32;

use super::{check_existence, want_existence};
use crate::blocks::BlockRef;
use crate::client::ChainClient;
use crate::error::QueryError;

impl ChainClient {
    /// The free TAO of an account, in rao.
    pub async fn balance_rao(&self, account: &AccountId, at: BlockRef) -> Result<u64, QueryError> {
        self.bounded("reading a balance", async {
            let mut reader = self.reader(at).await?;
            let account = reader.want(subtensor::storage().system().account(), (AccountId32(account.0),))?;
            Ok(reader.fetch().await?.value(&account)?.data.free.0)
        })
        .await
    }

    /// The uid of a hotkey on a subnet, if it is registered there.
    pub async fn uid_of(
        &self,
        netuid: u16,
        hotkey: &AccountId,
        at: BlockRef,
    ) -> Result<Option<u16>, QueryError> {
        self.bounded("looking up a hotkey", async {
            let mut reader = self.reader(at).await?;
            let exists = want_existence(&mut reader, netuid)?;
            let uids = subtensor::storage().subtensor_module().uids();
            let uid = reader.want(uids, (NetUid(netuid), AccountId32(hotkey.0)))?;
            let values = reader.fetch().await?;
            check_existence(values.value(&exists)?, netuid)?;
            values.get(&uid)
        })
        .await
    }
}

//! Moving TAO: to a hotkey as stake, or to another account.

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::NetUid;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::currency::TaoBalance;
use protocol::AccountId;
use protocol::signing::Keypair;
use subxt::utils::{AccountId32, MultiAddress};

use super::error::SubmitError;
use crate::blocks::BlockRef;
use crate::client::ChainClient;

impl ChainClient {
    /// Stakes TAO of `coldkey` to a hotkey on a subnet, at the pool's price. At least 2,000,000 rao and the fee.
    pub async fn add_stake(
        &self,
        coldkey: &Keypair,
        hotkey: &AccountId,
        netuid: u16,
        amount_rao: u64,
    ) -> Result<BlockRef, SubmitError> {
        let module = subtensor::tx().subtensor_module();
        let call = module.add_stake(AccountId32(hotkey.0), NetUid(netuid), TaoBalance(amount_rao));
        self.submit("staking", coldkey, &call).await
    }

    /// Sends TAO, keeping the sender's account alive.
    pub async fn transfer(
        &self,
        coldkey: &Keypair,
        to: &AccountId,
        amount_rao: u64,
    ) -> Result<BlockRef, SubmitError> {
        let to = MultiAddress::Id(AccountId32(to.0));
        let call = subtensor::tx().balances().transfer_keep_alive(to, TaoBalance(amount_rao));
        self.submit("transferring", coldkey, &call).await
    }
}

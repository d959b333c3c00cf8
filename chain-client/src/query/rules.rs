//! Every hyperparameter of a subnet under the name that the chain gives it, for people to read.

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::pallet_subtensor::rpc_info::subnet_info::HyperparamValue;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::NetUid;

use crate::blocks::BlockRef;
use crate::client::ChainClient;
use crate::error::{Fault, QueryError};

/// A hyperparameter's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RuleValue {
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Integer(u128),
    /// An amount of TAO, in rao.
    Rao(u64),
    /// A number with a fraction.
    Fraction(f64),
}

impl ChainClient {
    /// Every hyperparameter of the subnet, named and ordered as the chain does. One runtime call.
    pub async fn rules(&self, netuid: u16, at: BlockRef) -> Result<Vec<(String, RuleValue)>, QueryError> {
        self.bounded("reading the hyperparameters", async {
            let reader = self.reader(at).await?;
            let api = subtensor::runtime_apis().subnet_info_runtime_api();
            let entries = reader.call(api.get_subnet_hyperparams_v3(NetUid(netuid))).await?;
            let entries = entries.ok_or(Fault::Subnet(netuid))?;
            let named =
                |name: &[u8], value| (String::from_utf8_lossy(name).into_owned(), RuleValue::of(value));
            Ok(entries.into_iter().map(|entry| named(&entry.name, entry.value)).collect())
        })
        .await
    }
}

impl RuleValue {
    fn of(value: HyperparamValue) -> Self {
        match value {
            HyperparamValue::Bool(value) => Self::Bool(value),
            HyperparamValue::U16(value) => Self::Integer(value.into()),
            HyperparamValue::U32(value) => Self::Integer(value.into()),
            HyperparamValue::U64(value) => Self::Integer(value.into()),
            HyperparamValue::U128(value) => Self::Integer(value),
            HyperparamValue::TaoBalance(value) => Self::Rao(value.0),
            HyperparamValue::I32F32(value) => Self::Fraction(value.bits as f64 / 2f64.powi(32)),
            HyperparamValue::U64F64(value) => Self::Fraction(value.bits as f64 / 2f64.powi(64)),
        }
    }
}

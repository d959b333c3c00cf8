//! Genesis files: what a chain begins with, as TOML.
//!
//! [`DEFAULT`] is the whole default genesis with every field explained; `localnet --print-default-genesis` prints it. Accounts are
//! addresses or development keys (`//Alice`), amounts are rao, unknown keys are refused. The same file always gives the same
//! genesis hash: nothing of the time or the machine goes into it.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use serde::{Deserialize, Deserializer, de::Error as _};
use sp_core::crypto::Ss58Codec as _;
use sp_runtime::AccountId32;
use thiserror::Error;

use crate::{
    accounts::dev_account,
    config::{Genesis, Setting, SettingValue, Stake, dev_subnet},
    runtime::subtensor::genesis::{Neuron, Pool, Subnet},
};

/// The default genesis.
pub const DEFAULT: &str = include_str!("genesis_file/default.toml");
/// Bytes of a genesis file.
pub const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Why a file is no genesis.
#[derive(Debug, Error)]
pub enum GenesisFileError {
    /// It could not be read.
    #[error("could not read the genesis file {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is too large.
    #[error("the genesis file has {bytes} bytes, more than {BYTES_MAX}")]
    Large {
        /// Its size.
        bytes: u64,
    },
    /// It does not say what a genesis file says.
    #[error("the genesis file is not valid; `localnet --print-default-genesis` shows one that is")]
    Parse(#[from] Box<toml::de::Error>),
}

/// Reads a genesis from a file.
pub fn read(path: &std::path::Path) -> Result<Genesis, GenesisFileError> {
    let failed = |source| GenesisFileError::Read { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(failed)?.len();
    if bytes > BYTES_MAX {
        return Err(GenesisFileError::Large { bytes });
    }
    parse(&std::fs::read_to_string(path).map_err(failed)?)
}

/// Reads a genesis from a text.
pub fn parse(text: &str) -> Result<Genesis, GenesisFileError> {
    let file: File = toml::from_str(text).map_err(Box::new)?;
    Ok(file.into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    chain_name: String,
    sudo: Account,
    slot_duration_ms: u64,
    beacon_seed: Seed,
    beacon_period_s: u32,
    #[serde(default)]
    hyperparameters: BTreeMap<String, Value>,
    #[serde(default)]
    accounts: Vec<Balance>,
    #[serde(default)]
    subnets: Vec<SubnetTable>,
    #[serde(default)]
    stakes: Vec<StakeTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Balance {
    account: Account,
    balance_rao: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubnetTable {
    netuid: u16,
    name: String,
    symbol: String,
    owner: Account,
    owner_hotkey: Account,
    tempo_blocks: u16,
    immunity_blocks: u16,
    uids_max: u16,
    validators_max: u16,
    weights_min: u16,
    weights_rate_limit_blocks: u64,
    serving_rate_limit_blocks: u64,
    burn_rao: u64,
    commit_reveal: bool,
    #[serde(default)]
    pool: Option<PoolTable>,
    #[serde(default)]
    hyperparameters: BTreeMap<String, Value>,
    #[serde(default)]
    neurons: Vec<NeuronTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PoolTable {
    tao_rao: u64,
    alpha_rao: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NeuronTable {
    hotkey: Account,
    coldkey: Account,
    #[serde(default)]
    stake_rao: u64,
    #[serde(default)]
    permit: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StakeTable {
    coldkey: Account,
    hotkey: Account,
    netuid: u16,
    amount_rao: u64,
}

/// An account: an address, or the secret of a development key.
struct Account(AccountId32);

impl<'de> Deserialize<'de> for Account {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let account = match text.starts_with("//") {
            true => dev_account(&text),
            false => AccountId32::from_ss58check(&text).ok(),
        };
        account.map(Self).ok_or_else(|| {
            D::Error::custom(format!("{text} is neither an address nor a development key such as //Alice"))
        })
    }
}

/// What a key is derived from: a text of 32 bytes.
struct Seed([u8; 32]);

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let seed = text.as_bytes().try_into();
        seed.map(Self).map_err(|_| D::Error::custom(format!("a seed has 32 bytes, this one {}", text.len())))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Bool(bool),
    Number(i64),
    Text(String),
    List(Vec<Value>),
}

impl From<Value> for SettingValue {
    fn from(value: Value) -> Self {
        match value {
            Value::Bool(bool) => Self::Bool(bool),
            Value::Number(number) => Self::Number(number.into()),
            Value::Text(text) => Self::Text(text),
            Value::List(values) => Self::List(values.into_iter().map(Into::into).collect()),
        }
    }
}

impl From<File> for Genesis {
    fn from(file: File) -> Self {
        let mut settings = settings(None, file.hyperparameters);
        let mut subnets = Vec::new();
        for mut table in file.subnets {
            settings.extend(self::settings(Some(table.netuid), std::mem::take(&mut table.hyperparameters)));
            subnets.push(table.into());
        }
        let stake = |table: StakeTable| Stake {
            coldkey: table.coldkey.0,
            hotkey: table.hotkey.0,
            netuid: table.netuid,
            amount_rao: table.amount_rao,
        };
        Self {
            chain_name: file.chain_name,
            sudo: file.sudo.0,
            slot_duration_ms: file.slot_duration_ms,
            beacon_seed: file.beacon_seed.0,
            beacon_period_s: file.beacon_period_s,
            balances: file.accounts.into_iter().map(|entry| (entry.account.0, entry.balance_rao)).collect(),
            subnets,
            stakes: file.stakes.into_iter().map(stake).collect(),
            settings,
        }
    }
}

fn settings(netuid: Option<u16>, table: BTreeMap<String, Value>) -> Vec<Setting> {
    table.into_iter().map(|(name, value)| Setting { netuid, name, value: value.into() }).collect()
}

impl From<SubnetTable> for Subnet {
    fn from(table: SubnetTable) -> Self {
        let neuron = |table: NeuronTable| Neuron {
            hotkey: table.hotkey.0,
            coldkey: table.coldkey.0,
            stake_rao: table.stake_rao,
            permit: table.permit,
        };
        #[allow(clippy::needless_update, reason = "what a file does not say is as in the default subnet")]
        Self {
            netuid: table.netuid,
            name: table.name,
            symbol: table.symbol,
            owner: table.owner.0.clone(),
            owner_hotkey: table.owner_hotkey.0,
            tempo_blocks: table.tempo_blocks,
            immunity_blocks: table.immunity_blocks,
            uids_max: table.uids_max,
            validators_max: table.validators_max,
            weights_min: table.weights_min,
            weights_rate_limit_blocks: table.weights_rate_limit_blocks,
            serving_rate_limit_blocks: table.serving_rate_limit_blocks,
            burn_rao: table.burn_rao,
            commit_reveal: table.commit_reveal,
            pool: table.pool.map(|pool| Pool { tao_rao: pool.tao_rao, alpha_rao: pool.alpha_rao }),
            neurons: table.neurons.into_iter().map(neuron).collect(),
            ..dev_subnet(table.owner.0)
        }
    }
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(bool) => write!(f, "{bool}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(values) => f.debug_list().entries(values).finish(),
        }
    }
}

#[cfg(test)]
mod tests;

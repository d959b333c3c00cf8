//! Parameters: an object, a list in the same order, or nothing at all.

use std::borrow::Cow;

use jsonrpsee::types::{ErrorObjectOwned, Params};
use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::scoring::HOUR_MS;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::invalid;
use super::values::{Account, Amount, Hash};

/// Largest page.
pub(super) const PAGE_ITEMS_MAX: usize = 100;

/// Parameters of a method. `ORDER` names them as they stand in a list.
pub(super) trait Parameters: DeserializeOwned + JsonSchema + Send + 'static {
    const ORDER: &'static [&'static str];
    /// Whether all may be left out.
    const OPTIONAL: bool;
}

/// No parameters.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NoParams {}

/// A page of a list.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PageParams {
    /// Where to go on: `nextCursor` of the page before.
    pub cursor: Option<String>,
    /// Items wanted, 1 to 100; 100 unless given.
    pub limit: Option<usize>,
}

/// A page of receipts.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ReceiptPageParams {
    /// Where to go on: `nextCursor` of the page before.
    pub cursor: Option<String>,
    /// Items wanted, 1 to 100; 100 unless given.
    pub limit: Option<usize>,
    /// Only this miner's receipts.
    #[schemars(with = "Option<Account>")]
    pub miner: Option<AccountId>,
}

/// A receipt.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HashParams {
    /// Hash of the miner's signed receipt.
    #[schemars(with = "Hash")]
    pub hash: Digest,
}

/// A receipt and the tree it shall be proved in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProofParams {
    /// Hash of the miner's signed receipt.
    #[schemars(with = "Hash")]
    pub hash: Digest,
    /// The tempo whose head's root the proof leads to, by the chain's epoch index; the log as it is unless given.
    #[serde(default)]
    pub epoch: Option<u64>,
}

/// A hotkey.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HotkeyParams {
    /// The hotkey.
    #[schemars(with = "Account")]
    pub hotkey: AccountId,
}

/// A coldkey.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ColdkeyParams {
    /// The coldkey.
    #[schemars(with = "Account")]
    pub coldkey: AccountId,
}

/// A tempo.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EpochParams {
    /// The tempo, by the chain's epoch index.
    pub epoch: u64,
}

/// A miner, and which scores of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ExplainParams {
    /// The miner.
    #[schemars(with = "Account")]
    pub miner_hotkey: AccountId,
    /// The tempo, by the chain's epoch index; the table as of now unless given.
    #[serde(default)]
    pub epoch: Option<u64>,
    /// Where to go on with the receipts: `nextCursor` of the page before.
    #[serde(default)]
    pub cursor: Option<String>,
    /// Receipts wanted, 1 to 100; 100 unless given.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// An amount to be traded.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AmountParams {
    /// The amount in rao, as decimal digits.
    #[schemars(with = "Amount")]
    pub amount: String,
}

/// How far back to look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(super) enum Window {
    /// One hour.
    #[serde(rename = "1h")]
    Hour,
    /// A day.
    #[default]
    #[serde(rename = "1d")]
    Day,
    /// A week.
    #[serde(rename = "7d")]
    Week,
    /// Thirty days.
    #[serde(rename = "30d")]
    Month,
}

/// How usage is divided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum GroupBy {
    /// By model.
    #[default]
    Model,
    /// By miner's hotkey.
    Miner,
    /// By hour; the key is its beginning in milliseconds since 1970.
    Hour,
    /// By day (UTC); the key is its beginning in milliseconds since 1970.
    Day,
}

/// A span of time.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WindowParams {
    /// How far back; a day unless given.
    pub window: Window,
}

/// A span of time, divided.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct UsageParams {
    /// How far back; a day unless given.
    pub window: Window,
    /// By what to divide; by model unless given.
    #[serde(rename = "groupBy")]
    pub group_by: GroupBy,
}

/// Whose yield, over which time.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct YieldParams {
    /// The validator's hotkey; this validator's unless given.
    #[schemars(with = "Option<Account>")]
    pub hotkey: Option<AccountId>,
    /// How far back; the last epoch alone unless given.
    pub window: Option<Window>,
}

macro_rules! parameters {
    ($($type:ty: $optional:literal, [$($name:literal),*];)*) => {
        $(impl Parameters for $type {
            const ORDER: &'static [&'static str] = &[$($name),*];
            const OPTIONAL: bool = $optional;
        })*
    };
}

parameters! {
    NoParams: true, [];
    PageParams: true, ["cursor", "limit"];
    ReceiptPageParams: true, ["cursor", "limit", "miner"];
    HashParams: false, ["hash"];
    ProofParams: false, ["hash", "epoch"];
    HotkeyParams: false, ["hotkey"];
    ColdkeyParams: false, ["coldkey"];
    EpochParams: false, ["epoch"];
    ExplainParams: false, ["minerHotkey", "epoch", "cursor", "limit"];
    AmountParams: false, ["amount"];
    WindowParams: true, ["window"];
    UsageParams: true, ["window", "groupBy"];
    YieldParams: true, ["hotkey", "window"];
}

impl Window {
    pub(super) fn hours(self) -> u64 {
        match self {
            Self::Hour => 1,
            Self::Day => 24,
            Self::Week => 24 * 7,
            Self::Month => 24 * 30,
        }
    }

    pub(super) fn ms(self) -> u64 {
        self.hours() * HOUR_MS
    }
}

/// How many items to return.
pub(super) fn page_limit(limit: Option<usize>) -> Result<usize, ErrorObjectOwned> {
    match limit {
        None => Ok(PAGE_ITEMS_MAX),
        Some(limit) if (1..=PAGE_ITEMS_MAX).contains(&limit) => Ok(limit),
        Some(_) => Err(invalid(format!("limit must be 1 to {PAGE_ITEMS_MAX}"))),
    }
}

/// A cursor as a number.
pub(super) fn cursor(cursor: Option<&String>) -> Result<Option<u64>, ErrorObjectOwned> {
    let parse =
        |cursor: &String| cursor.parse().map_err(|_| invalid("cursor must be the nextCursor of a page"));
    cursor.map(parse).transpose()
}

/// Reads a method's parameters.
pub(super) fn read<P: Parameters>(params: &Params<'_>) -> Result<P, ErrorObjectOwned> {
    let text: Cow<'_, str> = match params.as_str() {
        None | Some("null") if P::OPTIONAL => "{}".into(),
        text => text.unwrap_or("null").into(),
    };
    serde_json::from_str(&text).map_err(|error| invalid(error.to_string()))
}

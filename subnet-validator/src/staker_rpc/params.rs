//! Parameters: an object, a list in the same order, or nothing at all.

use jsonrpsee::types::{ErrorObjectOwned, Params};
use protocol::account::AccountId;
use protocol::digest::Digest;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::invalid;

/// Largest page.
pub(super) const PAGE_ITEMS_MAX: usize = 100;

/// Parameters of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PageParams {
    /// Where to go on: `nextCursor` of the page before.
    pub cursor: Option<String>,
    /// Items wanted.
    pub limit: Option<usize>,
    /// Only this miner's receipts.
    pub miner: Option<AccountId>,
}

/// Parameters of a look-up.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HashParams {
    /// Hash of the miner's signed receipt.
    pub hash: Digest,
}

impl PageParams {
    /// Items to return.
    pub(super) fn limit(&self) -> Result<usize, ErrorObjectOwned> {
        match self.limit {
            None => Ok(PAGE_ITEMS_MAX),
            Some(limit) if (1..=PAGE_ITEMS_MAX).contains(&limit) => Ok(limit),
            Some(_) => Err(invalid(format!("limit must be 1 to {PAGE_ITEMS_MAX}"))),
        }
    }

    /// The cursor as a number.
    pub(super) fn cursor(&self) -> Result<Option<u64>, ErrorObjectOwned> {
        let parse =
            |cursor: &String| cursor.parse().map_err(|_| invalid("cursor must be the nextCursor of a page"));
        self.cursor.as_ref().map(parse).transpose()
    }
}

/// Reads parameters that may be absent.
pub(super) fn optional<T: DeserializeOwned + Default>(params: &Params<'_>) -> Result<T, ErrorObjectOwned> {
    match params.as_str() {
        None | Some("null") => Ok(T::default()),
        Some(text) => serde_json::from_str(text).map_err(|error| invalid(error.to_string())),
    }
}

/// Reads parameters that must be there.
pub(super) fn required<T: DeserializeOwned>(params: &Params<'_>) -> Result<T, ErrorObjectOwned> {
    serde_json::from_str(params.as_str().unwrap_or("null")).map_err(|error| invalid(error.to_string()))
}

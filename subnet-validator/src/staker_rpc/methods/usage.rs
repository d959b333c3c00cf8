//! What went through this validator, and what it metered.

use jsonrpsee::types::ErrorObjectOwned;
use protocol::scoring::HOUR_MS;
use schemars::JsonSchema;
use serde::Serialize;

use super::miners::Service;
use crate::staker_rpc::params::{GroupBy, UsageParams, Window, WindowParams};
use crate::staker_rpc::state::At;
use crate::staker_rpc::values::Amount;
use crate::usage::{Span, Sums};

/// Calls of some hours, divided.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Usage {
    /// How far back was asked.
    pub window: Window,
    /// By what the rows are divided.
    pub group_by: GroupBy,
    /// The first millisecond counted: the beginning of a clock hour. The last hour is that of the block's time.
    pub start_ms: u64,
    /// Receipts of the log that are in the sums: the log's beginning up to there.
    pub receipts: u64,
    /// One row for each model, miner, hour or day that had calls.
    pub rows: Vec<UsageRow>,
    /// All rows together.
    pub total: UsageSums,
}

/// One row.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct UsageRow {
    /// The model's name, the miner's hotkey, or the beginning of the hour or day in milliseconds since 1970.
    pub key: String,
    /// What its calls add up to.
    #[serde(flatten)]
    pub sums: UsageSums,
}

/// What calls add up to.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct UsageSums {
    /// Calls and how they went.
    pub service: Service,
    /// Tokens read, of delivered calls.
    pub prompt_tokens: Amount,
    /// Tokens written, of delivered calls: the smaller of what the miner signed and the validator counted.
    pub completion_tokens: Amount,
    /// Thousandths of a compute unit, of delivered calls: promptMultiplier * tokens read + completionMultiplier * tokens written, summed.
    pub compute_units: Amount,
}

/// What was metered.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Revenue {
    /// How far back was asked.
    pub window: Window,
    /// The first millisecond counted.
    pub start_ms: u64,
    /// Receipts of the log that are in the sums.
    pub receipts: u64,
    /// The unit of all amounts here: `milliComputeUnits`. This software sells no compute units and takes no payment, so that there
    /// is no other currency, nothing burned and nothing bought back.
    pub currency: &'static str,
    /// Metered on delivered calls.
    pub charged: Amount,
    /// Metered on calls that were not delivered, and charged to nobody.
    pub refunded: Amount,
    /// By model.
    pub sources: Vec<RevenueSource>,
}

/// What was metered on one model.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct RevenueSource {
    /// The model's name.
    pub model: String,
    /// Metered on delivered calls.
    pub charged: Amount,
    /// Metered on calls that were not delivered.
    pub refunded: Amount,
}

pub(in crate::staker_rpc) async fn usage(params: UsageParams, at: At) -> Result<Usage, ErrorObjectOwned> {
    let UsageParams { window, group_by } = params;
    let span = Span::ending(at.chain.timestamp_ms, window.hours());
    let (receipts, rows, total) = at.usage.look(|usage| {
        let rows: Vec<(String, Sums)> = match group_by {
            GroupBy::Model => named(usage.by_model(span)),
            GroupBy::Miner => named(usage.by_miner(span)),
            GroupBy::Hour => timed(usage.by_hours(span, 1)),
            GroupBy::Day => timed(usage.by_hours(span, 24)),
        };
        (usage.receipts(), rows, usage.total(span))
    });
    let rows = rows.iter().map(|(key, sums)| UsageRow { key: key.clone(), sums: sums.into() }).collect();
    let start_ms = span.first.saturating_mul(HOUR_MS);
    Ok(Usage { window, group_by, start_ms, receipts, rows, total: (&total).into() })
}

fn named<K: ToString>(rows: impl IntoIterator<Item = (K, Sums)>) -> Vec<(String, Sums)> {
    rows.into_iter().map(|(key, sums)| (key.to_string(), sums)).collect()
}

fn timed(rows: impl IntoIterator<Item = (u64, Sums)>) -> Vec<(String, Sums)> {
    rows.into_iter().map(|(hour, sums)| (hour.saturating_mul(HOUR_MS).to_string(), sums)).collect()
}

pub(in crate::staker_rpc) async fn revenue(
    params: WindowParams,
    at: At,
) -> Result<Revenue, ErrorObjectOwned> {
    let window = params.window;
    let span = Span::ending(at.chain.timestamp_ms, window.hours());
    let (receipts, by_model) = at.usage.look(|usage| (usage.receipts(), usage.by_model(span)));
    let (mut charged, mut refunded) = (0_u128, 0_u128);
    let sources = by_model.iter().map(|(model, sums)| {
        charged += sums.compute_units;
        refunded += sums.compute_units_undelivered;
        RevenueSource {
            model: model.to_string(),
            charged: sums.compute_units.into(),
            refunded: sums.compute_units_undelivered.into(),
        }
    });
    let sources = sources.collect();
    Ok(Revenue {
        window,
        start_ms: span.first.saturating_mul(HOUR_MS),
        receipts,
        currency: "milliComputeUnits",
        charged: Amount(charged),
        refunded: Amount(refunded),
        sources,
    })
}

impl From<&Sums> for UsageSums {
    fn from(sums: &Sums) -> Self {
        Self {
            service: sums.into(),
            prompt_tokens: sums.prompt_tokens.into(),
            completion_tokens: sums.completion_tokens.into(),
            compute_units: sums.compute_units.into(),
        }
    }
}

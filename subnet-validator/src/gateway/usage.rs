//! `GET /v1/usage`: what the caller has used and may use. `GET /v1/admin/usage`: the same of every account.

use std::sync::Arc;

use axum::extract::State as Handed;
use axum::{Extension, Json};
use serde_json::{Value, json};

use super::State;
use super::access::Caller;
use super::error::GatewayError;
use crate::accounts::keys::ApiKey;
use crate::accounts::usage::Tally;
use crate::accounts::{Account, Accounts};

pub(super) async fn own(
    Handed(state): Handed<Arc<State>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, GatewayError> {
    let account = caller.account.ok_or(GatewayError::NoKey)?;
    Ok(Json(shown(&state.accounts, &account, state.clock.now_ms())))
}

pub(super) async fn all(
    Handed(state): Handed<Arc<State>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, GatewayError> {
    // Where accounts are switched off, nobody is an administrator.
    if caller.account.is_none() {
        return Err(GatewayError::NoKey);
    }
    let keys = state.accounts.keys().list().map_err(GatewayError::Accounts)?;
    let now_ms = state.clock.now_ms();
    let data: Vec<Value> = keys.iter().map(|key| shown(&state.accounts, key, now_ms)).collect();
    Ok(Json(json!({ "object": "list", "data": data })))
}

fn shown(accounts: &Accounts, key: &ApiKey, now_ms: u64) -> Value {
    let Account { today, month, allowance } = accounts.account(key, now_ms);
    let quota = |limit: u64| (limit > 0).then_some(limit);
    json!({
        "object": "usage",
        "id": key.id,
        "name": key.name,
        "valid": key.is_valid(now_ms),
        "today": tally(&today),
        "month": tally(&month),
        "limits": {
            "requests_per_minute": quota(allowance.requests_per_minute),
            "tokens_per_minute": quota(allowance.tokens_per_minute),
            "calls_in_flight": quota(allowance.calls_in_flight_max),
            "tokens_per_day": quota(allowance.tokens_per_day),
            "tokens_per_month": quota(allowance.tokens_per_month),
            "units_per_day": quota(allowance.units_per_day),
            "units_per_month": quota(allowance.units_per_month),
        },
    })
}

/// Compute units in thousandths, as the ledger counts them.
pub(crate) fn tally(tally: &Tally) -> Value {
    json!({
        "requests": tally.requests,
        "prompt_tokens": tally.prompt_tokens,
        "completion_tokens": tally.completion_tokens,
        "compute_units_milli": tally.milli_units,
    })
}

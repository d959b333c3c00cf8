//! `GET /health` and `GET /metrics`, for whoever runs the validator.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Handed;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;
use serde::Serialize;

use super::State;
use crate::metrics::{Gauge, Read};

#[derive(Serialize)]
pub(super) struct Health {
    /// `ok` when some miner can serve, `no_miners` otherwise.
    status: &'static str,
    miners_online: usize,
    receipts: u64,
}

pub(super) async fn health(Handed(state): Handed<Arc<State>>) -> Json<Health> {
    let miners_online = state.fleet.miners().iter().filter(|miner| miner.online).count();
    let status = if miners_online > 0 { "ok" } else { "no_miners" };
    Json(Health { status, miners_online, receipts: state.ledger.head().size })
}

pub(super) async fn metrics(Handed(state): Handed<Arc<State>>) -> impl IntoResponse {
    let miners = state.fleet.miners();
    let online = miners.iter().filter(|miner| miner.online).count();
    let in_flight: u64 = miners.iter().map(|miner| u64::from(miner.in_flight)).sum();
    let open = state.config.requests_in_flight_max.saturating_sub(state.calls.available_permits());
    let gauges = [
        Gauge { name: "subnet_validator_miners_online", value: online as u64 },
        Gauge { name: "subnet_validator_calls_at_miners", value: in_flight },
        Gauge { name: "subnet_validator_calls_open", value: open as u64 },
        Gauge { name: "subnet_validator_ledger_receipts", value: state.ledger.head().size },
    ];
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4")],
        state.metrics.render(&Read { gauges: &gauges, ledger_writes: state.ledger.write_times() }),
    )
}

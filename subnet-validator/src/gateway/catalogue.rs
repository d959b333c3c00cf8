//! `GET /catalogue/v1`: what this validator pays for and where the weights are, signed, for every miner.

use std::sync::Arc;

use axum::extract::State as Handed;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;

use super::State;
use super::error::GatewayError;
use crate::catalogue::build::PUBLISHED_FILE;

pub(super) async fn show(Handed(state): Handed<Arc<State>>) -> Result<impl IntoResponse, GatewayError> {
    let json = tokio::fs::read(state.bundles.join(PUBLISHED_FILE)).await;
    Ok(([(CONTENT_TYPE, "application/json")], json.map_err(|_| GatewayError::UnknownPath)?))
}

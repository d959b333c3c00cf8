//! `GET /audit/v1/...`: the bundles that auditors fetch, open to everybody, in whole or from any byte on.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State as Handed};
use axum::response::Response;
use http::HeaderMap;

use super::State;
use super::error::GatewayError;
use super::files;
use crate::audit::fetch::Epochs;
use crate::audit::publish;

pub(super) async fn list(Handed(state): Handed<Arc<State>>) -> Result<Json<Epochs>, GatewayError> {
    let folder = state.bundles.clone();
    let epochs = tokio::task::spawn_blocking(move || publish::epochs(&folder)).await;
    match epochs {
        Ok(Ok(epochs)) => Ok(Json(Epochs { epochs })),
        _ => Err(GatewayError::NoBundle),
    }
}

pub(super) async fn file(
    Handed(state): Handed<Arc<State>>,
    Path((epoch, name)): Path<(u64, String)>,
    headers: HeaderMap,
) -> Result<Response, GatewayError> {
    files::tempo_file(&state.bundles, (epoch, &name), &headers).await
}

/// Leaves of one hour and miner, which several tempos' bundles share.
pub(super) async fn part(
    handed: Handed<Arc<State>>,
    Path((hour, miner, name)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, GatewayError> {
    part_of_shard(handed, Path((0, hour, miner, name)), headers).await
}

/// The same of another shard.
pub(super) async fn part_of_shard(
    Handed(state): Handed<Arc<State>>,
    Path((shard, hour, miner, name)): Path<(u8, String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, GatewayError> {
    files::part(&state.bundles, (shard, [&hour, &miner, &name]), &headers).await
}

/// What the gateway of another shard wrote of it last, beside its parts.
pub(super) async fn shard_file(
    Handed(state): Handed<Arc<State>>,
    Path((shard, name)): Path<(u8, String)>,
    headers: HeaderMap,
) -> Result<Response, GatewayError> {
    files::shard_file(&state.bundles, (shard, &name), &headers).await
}

//! `GET /v1/models` and `GET /v1/models/{id}`: the catalogue, hot or not.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State as Handed};
use protocol::openai::{ModelList, ModelObject};
use protocol::ticket::ModelId;

use super::State;
use super::error::GatewayError;

pub(super) async fn list(Handed(state): Handed<Arc<State>>) -> Json<ModelList> {
    Json(ModelList::new(state.fleet.catalogue().iter().map(|model| object(&state, &model.id)).collect()))
}

pub(super) async fn one(
    Handed(state): Handed<Arc<State>>,
    Path(id): Path<String>,
) -> Result<Json<ModelObject>, GatewayError> {
    let known = ModelId::try_from(id.as_str()).ok().and_then(|id| state.fleet.catalogue().get(&id));
    let model = known.ok_or(GatewayError::UnknownModel { model: id })?;
    Ok(Json(object(&state, &model.id)))
}

fn object(state: &State, id: &ModelId) -> ModelObject {
    ModelObject::new(id.as_str(), state.started_at_s, "subnet")
}

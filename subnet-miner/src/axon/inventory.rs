//! `GET /inventory`: what this miner serves right now, signed. Public, as the chain is.

use axum::Json;
use axum::extract::State;
use protocol::inventory::{HotModel, Inventory, MODELS_MAX, SignedInventory};

use super::AxonState;
use crate::clock;

pub(super) async fn show(State(state): State<AxonState>) -> Json<SignedInventory> {
    let inner = &state.0;
    let models = inner.models.all().into_iter().take(MODELS_MAX).map(|(id, model)| HotModel {
        id,
        weights_digest: model.weights_digest(),
        context_tokens: model.context_tokens(),
        slots: model.slots(),
        in_flight: model.in_flight(),
    });
    let inventory = Inventory {
        netuid: inner.netuid,
        miner: inner.hotkey.public(),
        issued_at_ms: clock::unix_ms(),
        device: inner.device.name.clone(),
        memory_bytes: inner.device.memory_bytes,
        models: models.collect(),
    };
    Json(inventory.sign(&inner.hotkey))
}

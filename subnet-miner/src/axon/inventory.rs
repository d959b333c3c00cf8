//! `GET /inventory`: what this miner serves right now, signed. Public, as the chain is.

use axum::Json;
use axum::extract::State;
use protocol::inventory::{HotModel, Inventory, MODELS_MAX, SignedInventory};

use super::{AxonState, Inner};
use crate::clock;

pub(super) async fn show(State(state): State<AxonState>) -> Json<SignedInventory> {
    Json(make(&state.0))
}

/// The inventory as of now.
pub(super) fn make(inner: &Inner) -> SignedInventory {
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
    inventory.sign(&inner.hotkey)
}

//! Every path of the gateway, in one table: the router is made from it, and a test holds the OpenAPI document to it.

use std::sync::Arc;

use axum::routing::{MethodRouter, get, post};
use protocol::openai::Endpoint;

use super::{
    State, bundles, calls, catalogue, demand, messages, models, openapi, operations, responses, usage,
};

/// Who may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Anybody.
    Open,
    /// Whoever has a key.
    Key,
}

/// One path.
pub(super) struct Route {
    /// As axum writes it.
    pub path: &'static str,
    /// In lower case.
    pub method: &'static str,
    pub access: Access,
    pub handler: MethodRouter<Arc<State>>,
}

/// All of them.
pub(super) fn all() -> Vec<Route> {
    let open_get = |path, handler| Route { path, method: "get", access: Access::Open, handler };
    let key_get = |path, handler| Route { path, method: "get", access: Access::Key, handler };
    let key_post = |path, handler| Route { path, method: "post", access: Access::Key, handler };
    vec![
        key_get("/v1/models", get(models::list)),
        key_get("/v1/models/{*id}", get(models::one)),
        key_post(Endpoint::Chat.path(), post(calls::chat)),
        key_post(Endpoint::Completion.path(), post(calls::completion)),
        key_post(Endpoint::Embedding.path(), post(calls::embedding)),
        key_post(Endpoint::Tokenize.path(), post(calls::tokenize)),
        key_post(Endpoint::Detokenize.path(), post(calls::detokenize)),
        key_post("/v1/responses", post(responses::create)),
        key_post("/v1/messages", post(messages::create)),
        key_post("/v1/messages/count_tokens", post(messages::count_tokens)),
        key_post("/v1/warmup", post(demand::warm_up)),
        key_get("/v1/usage", get(usage::own)),
        key_get("/v1/admin/usage", get(usage::all)),
        open_get(protocol::catalogue_document::TARGET, get(catalogue::show)),
        open_get(protocol::demand::EVENTS_TARGET, get(demand::events)),
        Route {
            path: protocol::demand::INVENTORY_TARGET,
            method: "post",
            access: Access::Open,
            handler: post(demand::inventory),
        },
        open_get("/audit/v1/epochs", get(bundles::list)),
        open_get("/audit/v1/epochs/{epoch}/{file}", get(bundles::file)),
        open_get("/audit/v1/parts/{hour}/{miner}/{file}", get(bundles::part)),
        open_get("/audit/v1/shards/{shard}/{file}", get(bundles::shard_file)),
        open_get("/audit/v1/shards/{shard}/parts/{hour}/{miner}/{file}", get(bundles::part_of_shard)),
        open_get("/health", get(operations::health)),
        open_get("/metrics", get(operations::metrics)),
        open_get("/openapi.json", get(openapi::document)),
    ]
}

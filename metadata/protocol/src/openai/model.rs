//! `GET /v1/models`.

use serde::{Deserialize, Serialize};

/// The models on offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelList {
    /// Always `list`.
    pub object: String,
    /// The models.
    pub data: Vec<ModelObject>,
}

/// One model on offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelObject {
    /// The name to put into a request.
    pub id: String,
    /// Always `model`.
    pub object: String,
    /// Unix time in seconds.
    pub created: u64,
    /// Who offers it.
    pub owned_by: String,
}

impl ModelList {
    /// A list of these models.
    pub fn new(data: Vec<ModelObject>) -> Self {
        Self { object: "list".to_owned(), data }
    }
}

impl ModelObject {
    /// A model by its name.
    pub fn new(id: impl Into<String>, created: u64, owned_by: impl Into<String>) -> Self {
        Self { id: id.into(), object: "model".to_owned(), created, owned_by: owned_by.into() }
    }
}

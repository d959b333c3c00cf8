//! The `model` field of every kind of request, before the rest of the request is looked at.

use super::State;
use super::error::GatewayError;
use crate::fleet::selector::Selection;

/// Reads the field, and puts the preferred model's own name in its place, as which the request is then validated.
pub(super) fn take(state: &State, field: &mut String) -> Result<Selection, GatewayError> {
    let models = state.fleet.select(field).map_err(GatewayError::Model)?;
    *field = models.first().model.to_string();
    Ok(models)
}

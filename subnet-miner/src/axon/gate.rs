//! The axon's admission without the wire, for `scripts/bench-axon`.

use std::sync::Arc;

use http::request::Parts;
use protocol::digest::Digest;
use protocol::ticket::ValidTicket;

use super::admission::Admission;
use super::error::AxonError;

/// What lets requests in. It shares the axon's memory of nonces, rates and sequence numbers.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Admission>);

/// The request is refused, for the reason that its sender would be told.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct NotAdmitted(AxonError);

impl Gate {
    pub(super) fn new(admission: &Arc<Admission>) -> Self {
        Self(Arc::clone(admission))
    }

    /// Admits a request as the axon does, and uses its ticket up.
    pub async fn admit(&self, parts: &Parts, body: &[u8]) -> Result<ValidTicket, NotAdmitted> {
        let raw = self.0.headers(&parts.headers).map_err(NotAdmitted)?;
        let ticket = self.0.order(&raw, parts, Digest::of(body)).await.map_err(NotAdmitted)?;
        self.0.use_up(&ticket).map_err(NotAdmitted)?;
        Ok(ticket)
    }
}

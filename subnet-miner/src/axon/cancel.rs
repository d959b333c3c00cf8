//! `POST /v1/cancel`: the validator's user left. The answer ends with a receipt for what was sent, instead of with the connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Request, State};
use protocol::account::AccountId;
use protocol::cancel::CancelRequest;
use protocol::digest::Digest;
use protocol::ticket::ValidTicket;
use tokio_util::sync::CancellationToken;

use super::AxonState;
use super::error::AxonError;

/// The answers in the making, by the hash of their ticket. As many as there are open requests. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub(super) struct Running(Arc<Mutex<HashMap<Digest, Entry>>>);

#[derive(Debug)]
struct Entry {
    validator: AccountId,
    cancelled: CancellationToken,
}

/// An answer that can be cancelled until this is dropped.
#[derive(Debug)]
pub(super) struct Cancellable {
    ticket_hash: Digest,
    cancelled: CancellationToken,
    running: Running,
}

impl Running {
    /// Makes the answer to this ticket one that its validator can cancel.
    pub fn register(&self, ticket: &ValidTicket) -> Cancellable {
        let (ticket_hash, cancelled) = (ticket.hash(), CancellationToken::new());
        let entry = Entry { validator: ticket.validator, cancelled: cancelled.clone() };
        // A ticket sent twice is refused later; the first one keeps its place here.
        self.lock().entry(ticket_hash).or_insert(entry);
        Cancellable { ticket_hash, cancelled, running: self.clone() }
    }

    /// Cancels an answer of this validator's. `false` if there is none.
    fn cancel(&self, validator: AccountId, ticket_hash: &Digest) -> bool {
        let running = self.lock();
        let entry = running.get(ticket_hash).filter(|entry| entry.validator == validator);
        if let Some(entry) = entry {
            entry.cancelled.cancel();
        }
        entry.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cancellable {
    /// Ends when the validator cancels.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }
}

impl Drop for Cancellable {
    fn drop(&mut self) {
        let mut running = self.running.lock();
        // Not the entry of another request with the same ticket.
        let own = running.get(&self.ticket_hash).is_some_and(|entry| entry.cancelled == self.cancelled);
        if own {
            running.remove(&self.ticket_hash);
        }
    }
}

pub(super) async fn cancel(State(state): State<AxonState>, request: Request) -> Result<(), AxonError> {
    let inner = &state.0;
    let (parts, body) = request.into_parts();
    let raw = inner.admission.headers(&parts.headers)?;
    let body = inner.bodies.read(&parts.headers, body).await?;
    let caller = inner.admission.admit(&raw, &parts, Digest::of(&body.bytes)).await?;
    let cancel: CancelRequest = serde_json::from_slice(&body.bytes).map_err(AxonError::NotJson)?;
    if inner.running.cancel(caller.hotkey(), &cancel.ticket_hash) {
        Ok(())
    } else {
        Err(AxonError::NoSuchAnswer)
    }
}

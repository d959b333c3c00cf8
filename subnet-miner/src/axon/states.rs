//! The output fingerprint of one answer, made while it is generated.
//!
//! On the thread that tells the model's states each of them is only rounded and compared with the greatest values so far. The proofs are made
//! where the answer is read, one for each chunk that has been closed, so that nothing is left to do at the end but the last of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model_runtime::HiddenSink;
use protocol::fingerprint::{Chunk, Fingerprint, FingerprintBuilder, Proof, bfloat16_bits};

/// Listens to the model's states and to the answer's tokens.
#[derive(Debug, Default)]
pub(super) struct States {
    builder: Arc<Mutex<FingerprintBuilder>>,
    tokens: Vec<u32>,
    proofs: Vec<Option<Proof>>,
}

impl States {
    /// What the model is to tell its states.
    pub fn sink(&self) -> HiddenSink {
        let builder = Arc::clone(&self.builder);
        HiddenSink::new(move |_, state| {
            lock(&builder).push(state.iter().map(|value| bfloat16_bits(value.to_bits())));
        })
    }

    /// Takes the answer's next token.
    pub fn token(&mut self, id: u32) {
        self.tokens.push(id);
        let closed = lock(&self.builder).take_closed();
        self.prove(&closed);
    }

    /// The fingerprint of all tokens taken. `None` if the model has no states, or did not end with the answer.
    pub fn finish(mut self) -> Option<Fingerprint> {
        let closed = lock(&self.builder).take_last();
        self.prove(&closed);
        let proofs = self.proofs.into_iter().collect::<Option<Vec<_>>>()?;
        Fingerprint::new(self.tokens, proofs).ok().filter(|fingerprint| !fingerprint.proofs().is_empty())
    }

    fn prove(&mut self, closed: &[Chunk]) {
        self.proofs.extend(closed.iter().map(Chunk::prove));
    }
}

/// Nothing panics while it holds the lock, and a builder stays whole if it did.
fn lock(builder: &Mutex<FingerprintBuilder>) -> MutexGuard<'_, FingerprintBuilder> {
    builder.lock().unwrap_or_else(PoisonError::into_inner)
}

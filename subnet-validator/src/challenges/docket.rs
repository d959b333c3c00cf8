//! Where findings become signed evidence in the ledger: a bounded number a day against each miner, since a few convict as well as many.

use std::sync::{Arc, Mutex, PoisonError};

use protocol::account::AccountId;
use protocol::evidence::limit::DayLimit;
use protocol::evidence::{Evidence, Finding};
use protocol::receipt::Countersigned;
use protocol::signing::Keypair;

use crate::clock::Clock;
use crate::ledger::Ledger;

/// How long counts are kept: what is found is hours old at most.
const KEPT_MS: u64 = 2 * 24 * 3_600_000;

/// What a finding is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    pub(super) netuid: u16,
    pub(super) miner: AccountId,
    /// Unix time of the call, or of the challenge.
    pub(super) at_ms: u64,
}

impl From<&Countersigned> for About {
    fn from(call: &Countersigned) -> Self {
        let ticket = call.ticket();
        Self { netuid: ticket.netuid, miner: ticket.miner, at_ms: ticket.issued_at_ms }
    }
}

/// Signs findings and keeps them.
pub(super) struct Docket {
    ledger: Ledger,
    hotkey: Keypair,
    clock: Arc<Clock>,
    kept: Mutex<DayLimit>,
}

impl Docket {
    pub(super) fn new(ledger: Ledger, hotkey: Keypair, clock: Arc<Clock>) -> Self {
        Self { ledger, hotkey, clock, kept: Mutex::default() }
    }

    /// Keeps a finding.
    pub(super) async fn record(&self, about: About, finding: Finding) {
        let About { netuid, miner, at_ms } = about;
        if !self.has_room(miner, finding.is_doubt(), at_ms) {
            return tracing::debug!(%miner, "there is evidence enough of this day");
        }
        let evidence = Evidence {
            netuid,
            validator: self.hotkey.public(),
            miner,
            observed_at_ms: self.clock.now_ms(),
            finding,
        };
        let digest = evidence.digest();
        match evidence.sign(&self.hotkey).verify() {
            Ok(valid) => match self.ledger.put_evidence(valid).await {
                Ok(()) => tracing::warn!(%miner, %digest, "evidence is kept"),
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "evidence was not kept");
                }
            },
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "what was found proves nothing");
            }
        }
    }

    fn has_room(&self, miner: AccountId, is_doubt: bool, at_ms: u64) -> bool {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.forget_before(self.clock.now_ms().saturating_sub(KEPT_MS));
        kept.take(miner, is_doubt, at_ms)
    }
}

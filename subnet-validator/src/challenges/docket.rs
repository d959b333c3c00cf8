//! Where findings become signed evidence in the ledger: a bounded number a day against each miner, since a few convict as well as many, and
//! auditors refuse more ([`protocol::evidence::check_volume`]). What the ledger holds of a day counts, also from before a restart.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::account::AccountId;
use protocol::evidence::{Class, Evidence, Finding, RECORDS_PER_DAY_MAX};
use protocol::receipt::Countersigned;
use protocol::signing::Keypair;

use crate::clock::Clock;
use crate::ledger::{Ledger, ReadError};

const DAY_MS: u64 = 24 * 3_600_000;

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
    /// By miner and class: the day of what it did, and how many records it has.
    kept: Mutex<BTreeMap<(AccountId, Class), (u64, u32)>>,
}

impl Docket {
    pub(super) fn new(ledger: Ledger, hotkey: Keypair, clock: Arc<Clock>) -> Self {
        Self { ledger, hotkey, clock, kept: Mutex::default() }
    }

    /// Keeps a finding.
    pub(super) async fn record(&self, about: About, finding: Finding) {
        let About { netuid, miner, at_ms } = about;
        match self.takes(miner, finding.class(), at_ms / DAY_MS).await {
            Ok(true) => {}
            Ok(false) => return tracing::debug!(%miner, "there is evidence enough of this day"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                return tracing::error!(error, "evidence was not kept: the ledger cannot be read");
            }
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

    /// Takes one of the places of this day, if one is left.
    async fn takes(&self, miner: AccountId, class: Class, day: u64) -> Result<bool, ReadError> {
        if self.lock().get(&(miner, class)).is_none_or(|(of, _)| *of != day) {
            let held = self.held(miner, class, day).await?;
            // Another finding of the same miner may have been quicker.
            let mut kept = self.lock();
            let entry = kept.entry((miner, class)).or_insert((day, held));
            if entry.0 != day {
                *entry = (day, held);
            }
        }
        let mut kept = self.lock();
        let Some((_, count)) = kept.get_mut(&(miner, class)) else { return Ok(false) };
        *count = count.saturating_add(1);
        Ok(*count <= RECORDS_PER_DAY_MAX)
    }

    /// How many records of that day are in the ledger.
    async fn held(&self, miner: AccountId, class: Class, day: u64) -> Result<u32, ReadError> {
        let day_ms = day.saturating_mul(DAY_MS)..day.saturating_add(1).saturating_mul(DAY_MS);
        let found = self.ledger.read(move |reader| reader.evidence(day_ms)).await?;
        let same = found.iter().map(|valid| &valid.signed().evidence);
        let same = same.filter(|evidence| evidence.miner == miner && evidence.finding.class() == class);
        Ok(u32::try_from(same.count()).unwrap_or(u32::MAX))
    }

    /// Nothing here panics while holding the lock, and every count in it is whole.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(AccountId, Class), (u64, u32)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Miners as callers: who may read the demand log, and inventories that miners send by themselves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use protocol::account::AccountId;
use protocol::btauth::{self, AuthError, Freshness, RawHeaders, ReplayError, ReplayGuard, RequestParts};
use protocol::demand::{Cursor, DemandEvent, DemandState};
use protocol::digest::Digest;
use protocol::inventory::{self, SignedInventory};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Fleet;
use crate::demand::DemandConfig;
use crate::demand::log::Gone;

/// Nonces remembered at once.
const NONCES_MAX: usize = 65_536;
/// How long each is remembered: more than twice the window in which a request is fresh.
const NONCE_RETENTION_MS: u64 = 60_000;
/// Events handed to one reader at a time.
const BATCH_EVENTS_MAX: usize = 256;

/// A miner that is not let in.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// It did not prove who it is.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// It is no miner of this subnet, as far as this validator has seen.
    #[error("no miner of this subnet has this hotkey and a published axon")]
    NotAMiner,
    /// Too many read the log already.
    #[error("too many connections read the demand log")]
    Full,
    /// Too many requests to remember.
    #[error("too many requests at the moment")]
    Busy,
    /// The inventory does not hold.
    #[error("the inventory is refused: {0}")]
    Inventory(#[source] inventory::InventoryError),
    /// It is for another subnet.
    #[error("the inventory is for subnet {netuid}")]
    OtherSubnet {
        /// The one it names.
        netuid: u16,
    },
}

/// What is remembered of callers.
#[derive(Debug)]
pub(super) struct Door {
    replays: Mutex<ReplayGuard>,
    readers: Arc<Mutex<HashMap<AccountId, usize>>>,
    readers_max: usize,
    readers_per_miner_max: usize,
}

/// A miner's connection that reads the log. Dropping it makes room for another.
#[derive(Debug)]
pub struct Reader {
    fleet: Fleet,
    miner: AccountId,
    cursor: Option<Cursor>,
    newest: watch::Receiver<u64>,
    readers: Arc<Mutex<HashMap<AccountId, usize>>>,
}

/// What a reader gets next.
#[derive(Debug)]
pub enum Piece {
    /// The whole state, at this place.
    State(Cursor, Box<DemandState>),
    /// The next events.
    Events(u64, Vec<DemandEvent>),
}

impl Door {
    pub(super) fn new(config: &DemandConfig) -> Self {
        Self {
            replays: Mutex::new(ReplayGuard::new(NONCES_MAX, NONCE_RETENTION_MS)),
            readers: Arc::default(),
            readers_max: config.streams_max,
            readers_per_miner_max: config.streams_per_miner_max,
        }
    }
}

impl Fleet {
    /// This validator's hotkey.
    #[must_use]
    pub fn hotkey(&self) -> AccountId {
        self.shared.hotkey.public()
    }

    /// Ends when the validator stops.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.shared.stopping.clone()
    }

    /// Lets a miner in that signed a `GET` of `target`, to read the log from a place, or from its state.
    pub fn admit_reader(
        &self,
        headers: &HeaderMap,
        target: &str,
        cursor: Option<Cursor>,
    ) -> Result<Reader, DoorError> {
        let raw = RawHeaders::collect(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))?;
        let parts = RequestParts { method: "GET", target, body_sha256: Digest::of(b"") };
        let now_ns = self.shared.clock.now_ms().saturating_mul(1_000_000);
        let caller = btauth::verify(&raw, &parts, &self.hotkey(), now_ns, &Freshness::default())?;
        let miner = caller.hotkey;
        if !self.is_miner(&miner) {
            return Err(DoorError::NotAMiner);
        }
        let door = &self.shared.door;
        lock(&door.replays).admit(&caller, now_ns).map_err(|error| match error {
            ReplayError::Replayed => DoorError::Auth(AuthError::Replayed),
            ReplayError::Full | ReplayError::ClockWentBack => DoorError::Busy,
        })?;
        let mut readers = lock(&door.readers);
        let all: usize = readers.values().sum();
        let own = readers.entry(miner).or_default();
        if all >= door.readers_max || *own >= door.readers_per_miner_max {
            return Err(DoorError::Full);
        }
        *own += 1;
        let (newest, readers) = (self.shared.demand.log.newest(), Arc::clone(&door.readers));
        Ok(Reader { fleet: self.clone(), miner, cursor, newest, readers })
    }

    /// Takes an inventory that a miner sent by itself. It is signed and dated, so it needs no other proof. Says whether it was
    /// news.
    pub fn push_inventory(&self, signed: SignedInventory) -> Result<bool, DoorError> {
        let miner = signed.inventory.miner;
        if !self.is_miner(&miner) {
            return Err(DoorError::NotAMiner);
        }
        let age_ms_max = self.shared.limits.inventory_max_age_ms;
        let inventory =
            signed.verify(self.shared.clock.now_ms(), age_ms_max, &miner).map_err(DoorError::Inventory)?;
        if inventory.netuid != self.shared.netuid {
            return Err(DoorError::OtherSubnet { netuid: inventory.netuid });
        }
        Ok(self.take_inventory(inventory))
    }

    /// Largest inventory, in bytes.
    #[must_use]
    pub fn inventory_bytes_max(&self) -> usize {
        self.shared.limits.inventory_bytes_max
    }

    fn is_miner(&self, hotkey: &AccountId) -> bool {
        self.shared.view.borrow().miners.contains_key(hotkey)
    }
}

impl Reader {
    /// What comes next in the log; waits for it. The whole state comes first where no place was given.
    pub async fn next(&mut self) -> Result<Piece, Gone> {
        let log = &self.fleet.shared.demand.log;
        loop {
            self.newest.mark_unchanged();
            let Some(cursor) = self.cursor else {
                let (cursor, book) = log.state();
                self.cursor = Some(cursor);
                let at_ms = self.fleet.shared.clock.now_ms();
                let state = DemandState { validator: self.fleet.hotkey(), at_ms, book };
                return Ok(Piece::State(cursor, Box::new(state)));
            };
            let events = log.after(cursor, BATCH_EVENTS_MAX)?;
            if let Some(last) = events.last() {
                self.cursor = Some(Cursor { sequence: last.sequence, ..cursor });
                return Ok(Piece::Events(cursor.log, events));
            }
            if self.newest.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Refuses a place that the log does not reach back to, before an answer begins.
    pub fn check(&self) -> Result<(), Gone> {
        let log = &self.fleet.shared.demand.log;
        self.cursor.map_or(Ok(()), |cursor| log.after(cursor, 0).map(drop))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut readers = lock(&self.readers);
        if let Some(count) = readers.get_mut(&self.miner) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                readers.remove(&self.miner);
            }
        }
    }
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fleet").field("hotkey", &self.hotkey()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing can panic between two states of these tables, so a poisoned lock still guards a whole one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

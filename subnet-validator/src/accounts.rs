//! Accounts: who may call the gateway, what they may use, and what they have used.
//!
//! An account is an API key or a hotkey that signs its requests. Each has scopes (models, endpoints, administration), limits
//! a minute (token buckets), quotas a day and a month, and an end, all of them optional. The file of accounts ([`keys`]) is
//! written by `subnet-validator keys` and read again when it changes. What an account has used ([`usage`]) follows from the
//! receipt ledger alone.
//!
//! Tokens are charged when a call's receipt is stored. An account can therefore exceed a limit by what its calls in progress
//! use; the excess of a minute is waited for, that of a quota is not taken back. `calls_in_flight_max` bounds it.
//!
//! Deliberately absent: prices and payments (a quota is set by hand), and a limit on attempts with wrong keys, which have
//! 256 bits.

pub mod bucket;
pub mod calendar;
pub mod config;
pub mod keys;
pub mod meter;
pub mod rights;
pub mod signed;
pub mod usage;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use protocol::account::AccountId;
use protocol::catalogue::Catalogue;
use protocol::digest::{Digest, Hasher};
use tokio_util::sync::CancellationToken;

use self::config::AccountsConfig;
use self::keys::{ApiKey, ApiKeys};
use self::meter::{Exceeded, Left, Meter};
use self::rights::Allowance;
use self::signed::SignedRequests;
use self::usage::{Charge, LEAVES_AT_ONCE, Tally, Usage};
use crate::clock::Clock;
use crate::ledger::Ledger;

/// Meters kept before idle ones are forgotten.
const METERS_MAX: usize = 4_096;

/// Least time between two reads of new receipts.
const FOLLOW_PAUSE: Duration = Duration::from_millis(20);

/// What accounts are built from.
pub struct AccountsParts {
    /// The defaults.
    pub config: AccountsConfig,
    /// The file of accounts.
    pub keys: ApiKeys,
    /// The file of usage.
    pub usage: PathBuf,
    /// Whom signed requests must be addressed to.
    pub hotkey: AccountId,
    /// Keeps payers' hashes from being guessed; the same as the fleet's.
    pub payer_salt: [u8; 32],
    /// What tokens are worth.
    pub catalogue: Arc<Catalogue>,
    /// What was used.
    pub ledger: Ledger,
    /// The clock.
    pub clock: Arc<Clock>,
}

/// Who may call, and what they have used.
pub struct Accounts {
    keys: ApiKeys,
    signed: SignedRequests,
    default: RwLock<Allowance>,
    meters: Mutex<HashMap<Digest, Meter>>,
    usage: Mutex<Usage>,
    usage_path: PathBuf,
    usage_write: Duration,
    payer_salt: [u8; 32],
    catalogue: Arc<Catalogue>,
    ledger: Ledger,
    clock: Arc<Clock>,
}

/// A call that counts as in progress until this is dropped.
pub struct Open {
    accounts: Arc<Accounts>,
    payer: Digest,
}

/// What one account has used, and may use.
#[derive(Debug, Clone, Copy)]
pub struct Account {
    /// Used on this day (UTC).
    pub today: Tally,
    /// Used in this month (UTC).
    pub month: Tally,
    /// The limits in force.
    pub allowance: Allowance,
}

impl Accounts {
    /// Reads the usage file; what the ledger holds beyond it is counted by [`Accounts::follow`].
    pub fn open(parts: AccountsParts) -> io::Result<Arc<Self>> {
        let AccountsParts { config, keys, usage, hotkey, payer_salt, catalogue, ledger, clock } = parts;
        Ok(Arc::new(Self {
            keys,
            signed: SignedRequests::new(hotkey, &config, clock.now_ms()),
            default: RwLock::new(config.allowance()),
            meters: Mutex::default(),
            usage: Mutex::new(Usage::load(&usage)?),
            usage_path: usage,
            usage_write: Duration::from_millis(config.usage_write_ms),
            payer_salt,
            catalogue,
            ledger,
            clock,
        }))
    }

    /// The file of accounts.
    #[must_use]
    pub fn keys(&self) -> &ApiKeys {
        &self.keys
    }

    /// Checks requests that a hotkey signed.
    #[must_use]
    pub fn signed(&self) -> &SignedRequests {
        &self.signed
    }

    /// Puts other defaults in force and reads the file of accounts again. Returns how many accounts there are.
    pub fn reload(&self, config: &AccountsConfig) -> io::Result<usize> {
        *self.default.write().unwrap_or_else(PoisonError::into_inner) = config.allowance();
        self.keys.reload()
    }

    /// The limits in force for an account.
    #[must_use]
    pub fn allowance(&self, key: &ApiKey) -> Allowance {
        key.limits.over(&self.default.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The hash under which tickets name a payer.
    #[must_use]
    pub fn payer(&self, id: &str) -> Digest {
        payer(&self.payer_salt, id)
    }

    /// The accounts that sign with a hotkey, revoked ones too, with the hash under which tickets name them.
    ///
    /// # Errors
    /// When the file of accounts cannot be read.
    pub fn signing_payers(&self) -> io::Result<Vec<(AccountId, Digest)>> {
        let keys = self.keys.list()?;
        Ok(keys.iter().filter_map(|key| Some((key.hotkey?, self.payer(&key.id)))).collect())
    }

    /// Lets a call of this account begin. It is in progress until the result is dropped.
    pub fn begin(self: &Arc<Self>, key: &ApiKey) -> Result<Open, Exceeded> {
        let (now_ms, payer) = (self.clock.now_ms(), self.payer(&key.id));
        let Account { today, month, allowance } = self.account(key, now_ms);
        self.meter(payer, now_ms, |meter| meter.begin(&allowance, &today, &month, now_ms))?;
        Ok(Open { accounts: Arc::clone(self), payer })
    }

    /// Takes a request that is no call.
    pub fn request(&self, key: &ApiKey) -> Result<(), Exceeded> {
        let (now_ms, allowance) = (self.clock.now_ms(), self.allowance(key));
        self.meter(self.payer(&key.id), now_ms, |meter| meter.request(&allowance, now_ms))
    }

    /// What an account has left this minute: of requests and of tokens.
    #[must_use]
    pub fn left(&self, key: &ApiKey) -> (Option<Left>, Option<Left>) {
        let now_ms = self.clock.now_ms();
        self.meter(self.payer(&key.id), now_ms, |meter| meter.left(now_ms))
    }

    /// What an account has used and may use.
    #[must_use]
    pub fn account(&self, key: &ApiKey, now_ms: u64) -> Account {
        let payer = self.payer(&key.id);
        let usage = lock(&self.usage);
        let (today, month) = (usage.today(&payer, now_ms), usage.this_month(&payer, now_ms));
        Account { today, month, allowance: self.allowance(key) }
    }

    /// Counts every receipt that is stored from now on, and writes the usage file, until stopped.
    pub async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut head = self.ledger.head_changes();
        let mut write = tokio::time::interval(self.usage_write.max(Duration::from_millis(100)));
        let mut written = lock(&self.usage).leaves();
        // What was used before the start is no use of this minute.
        lock(&self.usage).not_beyond(self.ledger.head().size);
        self.count_new(false).await;
        loop {
            let more = tokio::select! {
                () = stop.cancelled() => break,
                changed = head.changed() => changed.is_ok(),
                _ = write.tick() => {
                    written = self.store(written).await;
                    true
                }
            };
            if !more {
                break;
            }
            self.count_new(true).await;
            // So many small reads as there are groups would cost more than they are worth.
            tokio::time::sleep(FOLLOW_PAUSE).await;
        }
        self.count_new(true).await;
        self.store(written).await;
    }

    async fn count_new(&self, charged: bool) {
        loop {
            let next = lock(&self.usage).leaves();
            let leaves = self.ledger.read(move |reader| reader.metered_from(next, LEAVES_AT_ONCE)).await;
            match leaves {
                Ok(leaves) if leaves.is_empty() => return,
                Ok(leaves) => {
                    let charges = lock(&self.usage).count(&leaves, &self.catalogue);
                    if charged {
                        self.charge(&charges);
                    }
                }
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "cannot count what accounts use"
                    );
                    return;
                }
            }
        }
    }

    /// Takes what calls turned out to use out of this minute's allowance.
    fn charge(&self, charges: &[Charge]) {
        let now_ms = self.clock.now_ms();
        let mut meters = lock(&self.meters);
        for charge in charges {
            if let Some(meter) = meters.get_mut(&charge.payer) {
                meter.charge(charge.tally.tokens(), now_ms);
            }
        }
    }

    async fn store(self: &Arc<Self>, written: u64) -> u64 {
        let accounts = Arc::clone(self);
        let stored = tokio::task::spawn_blocking(move || {
            let usage = lock(&accounts.usage).clone();
            if usage.leaves() == written {
                return Ok(written);
            }
            usage.store(&accounts.usage_path).map(|()| usage.leaves())
        });
        match stored.await {
            Ok(Ok(leaves)) => leaves,
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(
                    error,
                    "cannot write the usage file; it will be counted again from the ledger"
                );
                written
            }
            Err(_) => written,
        }
    }

    fn meter<T>(&self, payer: Digest, now_ms: u64, work: impl FnOnce(&mut Meter) -> T) -> T {
        let mut meters = lock(&self.meters);
        if meters.len() >= METERS_MAX && !meters.contains_key(&payer) {
            meters.retain(|_, meter| !meter.is_idle(now_ms));
        }
        work(meters.entry(payer).or_default())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(meter) = lock(&self.accounts.meters).get_mut(&self.payer) {
            meter.end();
        }
    }
}

/// The hash under which tickets name a payer.
#[must_use]
pub fn payer(salt: &[u8; 32], id: &str) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(salt);
    hasher.update(id.as_bytes());
    hasher.finish()
}

/// Nothing here panics while holding a lock, and the values stay whole if it did.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Settings of accounts.

use serde::{Deserialize, Serialize};

use super::rights::Allowance;

/// What an account may use that has no limits of its own, and how requests signed by a hotkey are checked. In limits, 0 is
/// none. All of it is read again on SIGHUP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountsConfig {
    /// Requests a minute. Default 0.
    pub requests_per_minute: u64,
    /// Prompt and completion tokens a minute; what the last call used beyond is waited for. Default 0.
    pub tokens_per_minute: u64,
    /// Calls in progress at once. Default 0.
    pub calls_in_flight_max: u64,
    /// Prompt and completion tokens a day (UTC). Default 0.
    pub tokens_per_day: u64,
    /// Prompt and completion tokens a calendar month (UTC). Default 0.
    pub tokens_per_month: u64,
    /// Compute units a day (UTC). Default 0.
    pub units_per_day: u64,
    /// Compute units a calendar month (UTC). Default 0.
    pub units_per_month: u64,
    /// How old a signed request may be, in milliseconds. Default 10000.
    pub signature_age_ms_max: u64,
    /// How far ahead of our clock a signed request may be, in milliseconds. Default 2000.
    pub signature_ahead_ms_max: u64,
    /// How long a used nonce is remembered, in milliseconds; at least twice the two limits above together. Default 60000.
    pub nonce_retention_ms: u64,
    /// Nonces remembered at once; beyond that signed requests get 503. Default 262144.
    pub nonces_max: usize,
    /// Time between two writes of the usage file, in milliseconds. A crash loses nothing: what is not in the file is counted
    /// again from the ledger. Default 10000.
    pub usage_write_ms: u64,
}

impl Default for AccountsConfig {
    fn default() -> Self {
        Self {
            requests_per_minute: 0,
            tokens_per_minute: 0,
            calls_in_flight_max: 0,
            tokens_per_day: 0,
            tokens_per_month: 0,
            units_per_day: 0,
            units_per_month: 0,
            signature_age_ms_max: 10_000,
            signature_ahead_ms_max: 2_000,
            nonce_retention_ms: 60_000,
            nonces_max: 262_144,
            usage_write_ms: 10_000,
        }
    }
}

impl AccountsConfig {
    /// What holds for an account without limits of its own.
    #[must_use]
    pub fn allowance(&self) -> Allowance {
        Allowance {
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            calls_in_flight_max: self.calls_in_flight_max,
            tokens_per_day: self.tokens_per_day,
            tokens_per_month: self.tokens_per_month,
            units_per_day: self.units_per_day,
            units_per_month: self.units_per_month,
        }
    }

    /// The least nonce retention with which no fresh nonce is forgotten.
    #[must_use]
    pub fn retention_ms_min(&self) -> u64 {
        self.signature_age_ms_max.saturating_add(self.signature_ahead_ms_max).saturating_mul(2)
    }
}

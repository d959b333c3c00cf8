//! Flags of `keys`.

use chain_client::cli::Output;
use clap::{Args, Subcommand};
use protocol::account::AccountId;
use protocol::ticket::ModelId;

use crate::accounts::calendar;
use crate::accounts::keys::NewAccount;
use crate::accounts::rights::{Limits, Scopes};

/// Commands about accounts: API keys, and hotkeys that sign their requests. A running validator notices changes by itself.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Make a key and show it: the only time it can be seen.
    Create(Box<CreateKey>),
    /// List accounts; secrets are not stored.
    List(Output),
    /// Revoke an account by its id.
    Revoke {
        /// The id that `list` shows.
        id: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// What accounts have used today, this month and on each day before. The validator may be running.
    Usage {
        /// Only this account.
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// Flags of `keys create`. Limits that are not given follow `[gateway.accounts]` of the configuration; 0 lifts one.
#[derive(Debug, Default, Args)]
pub struct CreateKey {
    /// What to call it.
    #[arg(long, default_value = "")]
    pub name: String,
    /// Make an account for this hotkey, which signs its requests (btauth/1), instead of a key.
    #[arg(long = "for-hotkey", value_name = "SS58")]
    pub for_hotkey: Option<AccountId>,
    /// Days until it expires. Default: never.
    #[arg(long, value_name = "DAYS")]
    pub expires_in_days: Option<u64>,
    /// A model it may use. May be given several times. Default: all.
    #[arg(long = "model", value_name = "ID")]
    pub models: Vec<ModelId>,
    /// A path below /v1/ that it may use, such as chat/completions. May be given several times. Default: all but admin.
    #[arg(long = "endpoint", value_name = "PATH")]
    pub endpoints: Vec<String>,
    /// Let it use what is below /v1/admin/, such as the usage of all accounts.
    #[arg(long)]
    pub admin: bool,
    /// Requests a minute.
    #[arg(long, value_name = "REQUESTS")]
    pub requests_per_minute: Option<u64>,
    /// Prompt and completion tokens a minute.
    #[arg(long, value_name = "TOKENS")]
    pub tokens_per_minute: Option<u64>,
    /// Calls in progress at once.
    #[arg(long, value_name = "CALLS")]
    pub calls_in_flight_max: Option<u64>,
    /// Prompt and completion tokens a day (UTC).
    #[arg(long, value_name = "TOKENS")]
    pub tokens_per_day: Option<u64>,
    /// Prompt and completion tokens a calendar month (UTC).
    #[arg(long, value_name = "TOKENS")]
    pub tokens_per_month: Option<u64>,
    /// Compute units a day (UTC).
    #[arg(long, value_name = "UNITS")]
    pub units_per_day: Option<u64>,
    /// Compute units a calendar month (UTC).
    #[arg(long, value_name = "UNITS")]
    pub units_per_month: Option<u64>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

impl CreateKey {
    /// The account that these flags describe, made at `now_ms`.
    #[must_use]
    pub fn account(&self, now_ms: u64) -> NewAccount {
        let expires_at_ms =
            self.expires_in_days.map(|days| now_ms.saturating_add(days.saturating_mul(calendar::DAY_MS)));
        NewAccount {
            name: self.name.clone(),
            expires_at_ms,
            scopes: Scopes {
                models: self.models.clone(),
                endpoints: self.endpoints.clone(),
                admin: self.admin,
            },
            limits: Limits {
                requests_per_minute: self.requests_per_minute,
                tokens_per_minute: self.tokens_per_minute,
                calls_in_flight_max: self.calls_in_flight_max,
                tokens_per_day: self.tokens_per_day,
                tokens_per_month: self.tokens_per_month,
                units_per_day: self.units_per_day,
                units_per_month: self.units_per_month,
            },
        }
    }
}

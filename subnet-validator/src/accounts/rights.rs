//! What an account may do, and how much of it.

use protocol::ticket::ModelId;
use serde::{Deserialize, Serialize};

use crate::fleet::selector;

/// What an account may use. Empty lists restrict nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scopes {
    /// Models by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelId>,
    /// Paths below `/v1/`, such as `chat/completions` or `models`; each stands for everything below it too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<String>,
    /// Whether it may use what is below `/v1/admin/`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub admin: bool,
}

/// How much an account may use. What is absent follows the configuration's default; 0 lifts that limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    /// Prompt and completion tokens a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
    /// Calls in progress at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_in_flight_max: Option<u64>,
    /// Prompt and completion tokens a day (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<u64>,
    /// Prompt and completion tokens a calendar month (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_month: Option<u64>,
    /// Compute units a day (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units_per_day: Option<u64>,
    /// Compute units a calendar month (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units_per_month: Option<u64>,
}

/// The limits in force for one account: 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowance {
    pub(crate) requests_per_minute: u64,
    pub(crate) tokens_per_minute: u64,
    pub(crate) calls_in_flight_max: u64,
    pub(crate) tokens_per_day: u64,
    pub(crate) tokens_per_month: u64,
    pub(crate) units_per_day: u64,
    pub(crate) units_per_month: u64,
}

impl Scopes {
    /// Whether `path` (without `/v1/` before it) may be used.
    #[must_use]
    pub fn allow_endpoint(&self, path: &str) -> bool {
        if is_below(path, "admin") {
            return self.admin;
        }
        self.endpoints.is_empty() || self.endpoints.iter().any(|allowed| is_below(path, allowed))
    }

    /// Whether every model that `model` of a request can mean may be used. It may be a list for failover, each with a
    /// selector such as `:latency` after its name. Names have colons too, so nothing else after one is taken for a selector.
    #[must_use]
    pub fn allow_model(&self, model: &str) -> bool {
        let allowed = |name: &str| self.models.iter().any(|allowed| allowed.as_str() == name);
        self.models.is_empty()
            || model.split(',').map(str::trim).all(|one| {
                let selected = one.rsplit_once(':').filter(|(_, wish)| selector::is_goal(wish));
                allowed(one) || selected.is_some_and(|(name, _)| allowed(name))
            })
    }

    /// Whether the request's body must be looked at.
    #[must_use]
    pub fn restricts_models(&self) -> bool {
        !self.models.is_empty()
    }
}

impl Limits {
    /// These limits over the defaults.
    #[must_use]
    pub fn over(&self, default: &Allowance) -> Allowance {
        Allowance {
            requests_per_minute: self.requests_per_minute.unwrap_or(default.requests_per_minute),
            tokens_per_minute: self.tokens_per_minute.unwrap_or(default.tokens_per_minute),
            calls_in_flight_max: self.calls_in_flight_max.unwrap_or(default.calls_in_flight_max),
            tokens_per_day: self.tokens_per_day.unwrap_or(default.tokens_per_day),
            tokens_per_month: self.tokens_per_month.unwrap_or(default.tokens_per_month),
            units_per_day: self.units_per_day.unwrap_or(default.units_per_day),
            units_per_month: self.units_per_month.unwrap_or(default.units_per_month),
        }
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder.trim_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::{Allowance, Limits, Scopes};

    #[test]
    fn an_endpoint_stands_for_what_is_below_it_and_for_nothing_that_only_begins_like_it() {
        let scopes =
            Scopes { endpoints: vec!["chat/completions".into(), "models".into()], ..Scopes::default() };
        for (path, expected) in [
            ("chat/completions", true),
            ("models", true),
            ("models/org/name", true),
            ("modelsx", false),
            ("completions", false),
            ("embeddings", false),
        ] {
            assert_eq!(scopes.allow_endpoint(path), expected, "{path}");
        }
        assert!(Scopes::default().allow_endpoint("embeddings"));
    }

    #[test]
    fn administration_is_never_part_of_everything() {
        assert!(!Scopes::default().allow_endpoint("admin/usage"));
        let listed = Scopes { endpoints: vec!["admin".into()], ..Scopes::default() };
        assert!(!listed.allow_endpoint("admin/usage"));
        assert!(Scopes { admin: true, ..Scopes::default() }.allow_endpoint("admin/usage"));
    }

    #[test]
    fn every_model_of_a_failover_list_must_be_allowed() {
        let scopes =
            Scopes { models: vec!["a/b".parse().unwrap(), "c".parse().unwrap()], ..Scopes::default() };
        for (model, expected) in [
            ("a/b", true),
            ("a/b:latency", true),
            ("a/b:latency, c", true),
            ("a/b,d", false),
            ("a", false),
            ("", false),
            ("d:c", false),
            // A name with a colon is another model.
            ("c:70b", false),
            ("c:throughput", true),
        ] {
            assert_eq!(scopes.allow_model(model), expected, "{model}");
        }
    }

    #[test]
    fn an_accounts_own_limit_wins_and_zero_lifts_the_default() {
        let default = Allowance { requests_per_minute: 10, tokens_per_day: 5, ..Allowance::default() };
        let limits = Limits { requests_per_minute: Some(0), units_per_day: Some(7), ..Limits::default() };
        let expected =
            Allowance { requests_per_minute: 0, tokens_per_day: 5, units_per_day: 7, ..Allowance::default() };
        assert_eq!(limits.over(&default), expected);
    }
}

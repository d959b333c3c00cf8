//! `doctor`: looks at everything a miner needs, one line each, with what to do beside each failure.
//!
//! Every check tells what it found. A failure means that the miner would not start or not be reached; a warning, that it would earn
//! less than it could.

mod chain;
mod machine;
mod network;

use std::path::Path;

use chain_client::wallet;
use serde::Serialize;

use crate::config::Config;
use crate::models::{ModelLocation, Models};

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// The miner runs, but not as well as it could.
    Warning,
    /// The miner would not run, or not be reached.
    Failed,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it went.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, found: found.into(), fix: None }
    }

    fn warning(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Warning, found: found.into(), fix: Some(fix.into()) }
    }

    fn failed(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Failed, found: found.into(), fix: Some(fix.into()) }
    }
}

/// Looks at everything. The chain and the network are asked; nothing is changed.
pub async fn examine(config: &Config) -> Vec<Check> {
    let mut checks = vec![hotkey(config), coldkey(config), state(config)];
    checks.extend(models(config));
    checks.push(machine::processor());
    checks.push(machine::accelerator());
    checks.push(machine::models_device(config));
    checks.push(machine::disk(config).await);
    checks.extend(chain::examine(config).await);
    checks.extend(network::examine(config).await);
    checks
}

fn hotkey(config: &Config) -> Check {
    match wallet::load_hotkey(&config.wallet()) {
        Ok(key) => Check::ok("hotkey", format!("{}, readable by you alone", key.public())),
        Err(error) => Check::failed("hotkey", with_causes(&error), error.hint()),
    }
}

fn coldkey(config: &Config) -> Check {
    match wallet::refuse_open_coldkey(&config.wallet()) {
        Ok(()) => Check::ok("coldkey", "no unencrypted coldkey lies beside the hotkey"),
        Err(error) if config.allow_coldkey_present => {
            Check::warning("coldkey", error.to_string(), error.hint())
        }
        Err(error) => Check::failed("coldkey", error.to_string(), error.hint()),
    }
}

fn state(config: &Config) -> Check {
    let path = &config.state_path;
    let probe = path.join(".doctor");
    let written = std::fs::create_dir_all(path)
        .and_then(|()| std::fs::write(&probe, b""))
        .and_then(|()| std::fs::remove_file(&probe));
    match written {
        Ok(()) => Check::ok("state folder", format!("{} can be written", path.display())),
        Err(error) => Check::failed(
            "state folder",
            format!("{}: {error}", path.display()),
            "make the folder writable, or pass another with --state",
        ),
    }
}

fn models(config: &Config) -> Vec<Check> {
    if config.models.is_empty() {
        return vec![if config.finds_models() {
            Check::ok("models", "none named; the strategist will choose from the catalogues of validators")
        } else {
            Check::failed(
                "models",
                "none named, and no validator whose catalogue the strategist could choose from",
                "pass --model ID=PATH (scripts/get-model fetches one), or turn on the strategist and demand.follow_announced",
            )
        }];
    }
    if let Err(error) = Models::check(&config.models) {
        let fix = "download it with scripts/get-model, or correct the path after --model";
        return vec![Check::failed("models", with_causes(&error), fix)];
    }
    let checks = config.models.iter().map(|(id, location)| match location {
        ModelLocation::Echo => Check::ok("model", format!("{id} is the echo model")),
        ModelLocation::Gguf(path) => model(id.as_str(), path),
    });
    checks.collect()
}

fn model(id: &str, path: &Path) -> Check {
    match model_runtime::checkpoint::Checkpoint::open(path) {
        Ok(files) => {
            Check::ok("model", format!("{id} has {} weights in {}", files.parameters(), path.display()))
        }
        Err(error) => Check::failed(
            "model",
            format!("{id}: {}", with_causes(&error)),
            "the file may be damaged: download it again, and look with `model-runtime inspect`",
        ),
    }
}

/// An error and its causes in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;

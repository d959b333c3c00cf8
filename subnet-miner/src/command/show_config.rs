//! `config`: the configuration in force, the documented default file, or what is wrong with it.

use std::io::Write;

use chain_client::cli::tls::Tls;
use chain_client::cli::{ConfigAction, ShowConfig};
use serde_json::json;

use super::{CommandError, print_json};
use crate::axon::{self, AxonBindError};
use crate::config::{Config, DEFAULT_FILE};
use crate::miner::StartError;
use crate::models::Models;

pub(super) fn run(config: &Config, flags: &ShowConfig, out: &mut impl Write) -> Result<(), CommandError> {
    if let Some(ConfigAction::Check(output)) = &flags.action {
        check(config)?;
        if output.json {
            return print_json(out, &json!({ "ok": true }));
        }
        return writeln!(out, "the configuration is in order").map_err(CommandError::Output);
    }
    let text = if flags.print_default {
        DEFAULT_FILE.to_owned()
    } else {
        toml::to_string_pretty(config).map_err(CommandError::ShowConfig)?
    };
    out.write_all(text.as_bytes()).map_err(CommandError::Output)
}

/// What `run` would refuse before it asks the chain or loads a model.
fn check(config: &Config) -> Result<(), CommandError> {
    let refused = |error| CommandError::Check(Box::new(error));
    axon::check(&config.axon.limits).map_err(|error| refused(StartError::Axon(error)))?;
    let tls = |error| refused(StartError::Axon(AxonBindError::Tls(error)));
    Tls::load(&config.axon.tls).map_err(tls)?;
    if !config.models.is_empty() {
        Models::check(&config.models).map_err(|error| refused(StartError::Model(error)))?;
    }
    Ok(())
}

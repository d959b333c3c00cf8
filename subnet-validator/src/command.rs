//! The commands, one file each. Results go to standard output, everything else to standard error.

mod audit;
mod catalogue;
mod error;
mod keys;
mod ledger;
mod place;
mod receipts;
mod run;
mod stake;
mod status;

use std::io::Write;

use chain_client::cli::logging::{self, Wanted};
use chain_client::cli::{ConfigAction, ShowConfig};
use chain_client::command as shared;
use clap::CommandFactory;

pub use self::error::CommandError;
use self::place::Place;
pub use self::receipts::ProofError;
use crate::cli::{Cli, Command, Global};
use crate::config::{self, Config};
use crate::tls::Tls;

/// Runs the command to its end.
pub async fn run(cli: Cli, out: &mut (impl Write + Send)) -> Result<(), CommandError> {
    let Cli { global, command } = cli;
    let config = configured(&global, &command)?;
    let wanted = Wanted {
        program: "subnet-validator",
        level: &config.log_level,
        json: config.json_logs,
        telemetry: &config.telemetry,
    };
    let logging = logging::start(wanted).map_err(CommandError::Logging)?;
    let place = Place::new(config, global.chain.clone());
    match command {
        Command::Run(_) => run::run(place, logging, || configured(&global, &command)).await,
        Command::Register(flags) => Ok(shared::register(&place.site, &flags, out).await?),
        Command::Stake(flags) => stake::run(&place, &flags, out).await,
        Command::Status(output) => status::run(&place, output, out).await,
        Command::Keys(command) => keys::run(&place, &command, out),
        Command::Ledger(command) => ledger::run(&place, &command, out).await,
        Command::Catalogue(command) => catalogue::run(&place, command, out).await,
        Command::Receipts(command) => receipts::run(&command, out),
        Command::Audit(command) => audit::run(&place, command, out).await,
        Command::Chain(command) => Ok(shared::chain(&place.site, &command, out).await?),
        Command::Wallet(command) => Ok(shared::wallet(&place.site, &command, out)?),
        Command::Config(flags) => show_config(&place, &flags, out),
        Command::Generate(what) => {
            what.run(Cli::command(), config::DEFAULT_TOML, out).map_err(CommandError::Output)
        }
    }
}

/// The file, under environment and flags.
fn configured(global: &Global, command: &Command) -> Result<Config, CommandError> {
    let config = match &global.config {
        Some(path) => Config::load(path).map_err(CommandError::Config)?,
        None => Config::default(),
    };
    let mut config = config.under_environment().map_err(CommandError::Config)?;
    global.apply(&mut config);
    if let Command::Run(flags) = command {
        flags.apply(&mut config);
    }
    config.check().map_err(CommandError::Config)?;
    Ok(config)
}

fn show_config(place: &Place, flags: &ShowConfig, out: &mut impl Write) -> Result<(), CommandError> {
    if let Some(ConfigAction::Check(output)) = &flags.action {
        // What `run` would refuse before it asks the chain.
        place.listed()?;
        Tls::load(&place.config.gateway.tls).map_err(CommandError::Tls)?;
        if output.json {
            return print_json(out, &serde_json::json!({ "ok": true }));
        }
        return print_lines(out, &["the configuration is in order".to_owned()]);
    }
    let text = if flags.print_default {
        config::DEFAULT_TOML.to_owned()
    } else {
        toml::to_string(&place.config).map_err(CommandError::ShowConfig)?
    };
    write!(out, "{text}").map_err(CommandError::Output)
}

/// One JSON value on one line.
fn print_json(out: &mut impl Write, value: &serde_json::Value) -> Result<(), CommandError> {
    writeln!(out, "{value}").map_err(CommandError::Output)
}

/// Lines of text.
fn print_lines(out: &mut impl Write, lines: &[String]) -> Result<(), CommandError> {
    lines.iter().try_for_each(|line| writeln!(out, "{line}")).map_err(CommandError::Output)
}

//! The commands, one file each. Results go to standard output, everything else to standard error.

mod audit;
mod catalogue;
mod error;
mod keys;
mod ledger;
mod place;
mod run;
mod stake;
mod status;

use std::io::Write;

use chain_client::command as shared;

pub use self::error::CommandError;
use self::place::Place;
use crate::cli::{Cli, Command, Global, ShowConfig};
use crate::config::{self, Config};
use crate::logging;

/// Runs the command to its end.
pub async fn run(cli: Cli, out: &mut (impl Write + Send)) -> Result<(), CommandError> {
    let Cli { global, command } = cli;
    let config = configured(&global, &command)?;
    logging::start(&config.log_level, config.json_logs).map_err(CommandError::LogLevel)?;
    let place = Place::new(config, global.chain.clone());
    match command {
        Command::Run(_) => run::run(place, || configured(&global, &command)).await,
        Command::Register(flags) => Ok(shared::register(&place.site, &flags, out).await?),
        Command::Stake(flags) => stake::run(&place, &flags, out).await,
        Command::Status(output) => status::run(&place, output, out).await,
        Command::Keys(command) => keys::run(&place, &command, out),
        Command::Ledger(command) => ledger::run(&place, &command, out),
        Command::Catalogue(command) => catalogue::run(&place, command, out).await,
        Command::Audit(command) => audit::run(&place, command, out).await,
        Command::Chain(command) => Ok(shared::chain(&place.site, &command, out).await?),
        Command::Wallet(command) => Ok(shared::wallet(&place.site, &command, out)?),
        Command::Config(flags) => show_config(&place.config, &flags, out),
    }
}

/// The file, under environment and flags.
fn configured(global: &Global, command: &Command) -> Result<Config, CommandError> {
    let mut config = match &global.config {
        Some(path) => Config::load(path).map_err(CommandError::Config)?,
        None => Config::default(),
    };
    global.apply(&mut config);
    if let Command::Run(flags) = command {
        flags.apply(&mut config);
    }
    config.check().map_err(CommandError::Config)?;
    Ok(config)
}

fn show_config(config: &Config, flags: &ShowConfig, out: &mut impl Write) -> Result<(), CommandError> {
    let text = if flags.print_default {
        config::DEFAULT_TOML.to_owned()
    } else {
        toml::to_string(config).map_err(CommandError::ShowConfig)?
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

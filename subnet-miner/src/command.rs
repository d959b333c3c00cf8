//! The commands, one file each. Results go to standard output, everything else to standard error.

mod doctor;
mod error;
mod receipts;
mod run;
mod show_config;
mod simulate;
mod status;
mod top;

use std::io::Write;

use chain_client::cli::logging::{self, Wanted};
use chain_client::command as shared;
use chain_client::command::Site;
use clap::CommandFactory;

pub use self::error::CommandError;
use crate::cli::{Cli, Command, Global};
use crate::config::{self, Config};

/// Runs the command to its end.
pub async fn run(cli: Cli, out: &mut (impl Write + Send)) -> Result<(), CommandError> {
    let Cli { global, command } = cli;
    let config = configured(&global, &command)?;
    let site = Site { password_file: global.chain.wallet_password_file.clone(), ..config.site() };
    // A command that prints its result and ends has nothing to tell beside it, unless asked to.
    let quiet = !matches!(command, Command::Run(_)) && config.log_level == Config::default().log_level;
    let level = if quiet { "warn" } else { &config.log_level };
    let wanted =
        Wanted { program: "subnet-miner", level, json: config.json_logs, telemetry: &config.telemetry };
    let logging = logging::start(wanted).map_err(CommandError::Logging)?;
    match command {
        Command::Run(_) => run::run(config, logging, || configured(&global, &command)).await,
        Command::Register(flags) => Ok(shared::register(&site, &flags, out).await?),
        Command::Status(output) => status::run(&site, output, out).await,
        Command::Chain(command) => Ok(shared::chain(&site, &command, out).await?),
        Command::Wallet(command) => Ok(shared::wallet(&site, &command, out)?),
        Command::Doctor(output) => doctor::run(&config, output, out).await,
        Command::Top(flags) => top::run(&config, &flags, out).await,
        Command::Simulate(flags) => simulate::run(&config.strategist.policy, &flags, out),
        Command::Receipts(command) => receipts::run(&config, &command, out),
        Command::Config(flags) => show_config::run(&config, &flags, out),
        Command::Generate(what) => {
            what.run(Cli::command(), config::DEFAULT_FILE, out).map_err(CommandError::Output)
        }
    }
}

/// The file, under the environment and flags.
fn configured(global: &Global, command: &Command) -> Result<Config, CommandError> {
    let config = Config::load(global.config.as_deref()).map_err(CommandError::Config)?;
    let mut config = config.under_environment().map_err(CommandError::Config)?;
    global.apply(&mut config);
    if let Command::Run(flags) = command {
        flags.apply(&mut config);
    }
    Ok(config.at_home(std::env::home_dir().as_deref()))
}

/// One JSON object on one line.
fn print_json(out: &mut impl Write, value: &serde_json::Value) -> Result<(), CommandError> {
    writeln!(out, "{value}").map_err(CommandError::Output)
}

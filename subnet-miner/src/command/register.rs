//! `register`: burn TAO of the coldkey for a uid of the hotkey.

use std::io::{BufRead, IsTerminal, Write};

use chain_client::wallet;
use serde_json::json;

use super::wallet::coldkey;
use super::{CommandError, print_json};
use crate::cli::Register;
use crate::config::Config;
use crate::miner;
use crate::registration::{self, Quote};

/// Rao in one TAO.
const TAO: u64 = 1_000_000_000;

pub(super) async fn run(config: &Config, flags: &Register, out: &mut impl Write) -> Result<(), CommandError> {
    let paths = config.wallet();
    let hotkey = wallet::load_hotkey(&paths).map_err(CommandError::Wallet)?.public();
    let payer = coldkey(&paths).map_err(CommandError::Wallet)?;
    let client = miner::connect(&config.network, config.local_endpoint.as_deref(), &config.chain)
        .await
        .map_err(CommandError::Start)?;
    let quote =
        registration::quote(&client, config.netuid, hotkey, payer).await.map_err(CommandError::Chain)?;
    if let Some(uid) = quote.uid {
        return report(&quote, Some(uid), "already registered", flags, out);
    }
    // A dry run shows the price also where it cannot be paid.
    let obstacle = quote.obstacle(flags.burn_max_rao);
    if flags.dry_run {
        let outcome =
            obstacle.map_or("would register".to_owned(), |obstacle| format!("would fail: {obstacle}"));
        return report(&quote, None, &outcome, flags, out);
    }
    if let Some(obstacle) = obstacle {
        return Err(CommandError::Obstacle(obstacle));
    }
    if !flags.yes {
        confirm(&quote)?;
    }
    let coldkey = wallet::load_coldkey(&paths).map_err(CommandError::Wallet)?;
    let uid = registration::register(&client, &coldkey, &hotkey, config.netuid)
        .await
        .map_err(CommandError::Submit)?;
    report(&quote, Some(uid), "registered", flags, out)
}

fn report(
    quote: &Quote,
    uid: Option<u16>,
    outcome: &str,
    flags: &Register,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let Quote { netuid, hotkey, coldkey, burn_rao, balance_rao, .. } = quote;
    if flags.output.json {
        let amount = |rao: &u64| rao.to_string();
        return print_json(
            out,
            &json!({
                "outcome": outcome, "netuid": netuid, "hotkey": hotkey, "coldkey": coldkey, "uid": uid,
                "burn_rao": amount(burn_rao), "balance_rao": amount(balance_rao), "dry_run": flags.dry_run,
            }),
        );
    }
    let uid = uid.map_or_else(String::new, |uid| format!(", uid {uid}"));
    writeln!(out, "{outcome}: hotkey {hotkey} on subnet {netuid}{uid}")
        .and_then(|()| writeln!(out, "price {}, coldkey {coldkey} has {}", tao(*burn_rao), tao(*balance_rao)))
        .map_err(CommandError::Output)
}

/// Asks on the terminal. Standard output stays free for the result.
fn confirm(quote: &Quote) -> Result<(), CommandError> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(CommandError::NotConfirmed { reason: "there is no terminal to ask on" });
    }
    let mut err = std::io::stderr();
    let Quote { netuid, hotkey, coldkey, burn_rao, .. } = quote;
    write!(err, "Burn {} of {coldkey} to register {hotkey} on subnet {netuid}? [y/N] ", tao(*burn_rao))
        .and_then(|()| err.flush())
        .map_err(CommandError::Output)?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).map_err(CommandError::Output)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(CommandError::NotConfirmed { reason: "the answer was no" }),
    }
}

fn tao(rao: u64) -> String {
    format!("{}.{:09} TAO", rao / TAO, rao % TAO)
}

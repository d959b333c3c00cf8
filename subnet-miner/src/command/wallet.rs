//! `wallet new|show`: keys in btcli's layout.

use std::io::Write;

use chain_client::wallet::{self, Created, KeySource, Role, WalletError, WalletPath};
use protocol::account::AccountId;
use serde_json::json;

use super::{CommandError, print_json};
use crate::cli::{Output, Wallet};
use crate::config::Config;

/// The keys of a wallet that was just made.
pub struct Made {
    /// The coldkey, unless there was one already.
    pub coldkey: Option<Created>,
    /// The hotkey.
    pub hotkey: Created,
}

pub(super) fn run(config: &Config, command: &Wallet, out: &mut impl Write) -> Result<(), CommandError> {
    let paths = config.wallet();
    let (output, made) = match command {
        Wallet::New(output) => (*output, Some(make(&paths).map_err(CommandError::Wallet)?)),
        Wallet::Show(output) => (*output, None),
    };
    let hotkey = wallet::load_public(&paths, Role::Hotkey)
        .or_else(|_| wallet::load_hotkey(&paths).map(|key| key.public()));
    let hotkey = hotkey.map_err(CommandError::Wallet)?;
    // A miner's machine should not have the coldkey, so it may be missing.
    let coldkey = coldkey(&paths).ok();
    show(config, output, hotkey, coldkey, out)?;
    match made {
        Some(made) if !output.json => advise(&made, out),
        _ => Ok(()),
    }
}

/// Makes a hotkey, and a coldkey too unless there is one. Overwrites nothing.
pub fn make(paths: &WalletPath) -> Result<Made, WalletError> {
    let file = paths.file(Role::Hotkey)?;
    if file.exists() {
        return Err(WalletError::AlreadyExists { path: file });
    }
    let coldkey = match coldkey(paths) {
        Ok(_) => None,
        Err(_) => Some(wallet::create(paths, Role::Coldkey, KeySource::Generate)?),
    };
    Ok(Made { coldkey, hotkey: wallet::create(paths, Role::Hotkey, KeySource::Generate)? })
}

/// The coldkey's account, from its public file if there is one.
pub(super) fn coldkey(paths: &WalletPath) -> Result<AccountId, WalletError> {
    wallet::load_public(paths, Role::Coldkey).or_else(|_| wallet::load_coldkey(paths).map(|key| key.public()))
}

fn show(
    config: &Config,
    output: Output,
    hotkey: AccountId,
    coldkey: Option<AccountId>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let Config { wallet, wallet_hotkey, wallet_path, .. } = config;
    if output.json {
        return print_json(
            out,
            &json!({
                "wallet": wallet, "wallet_hotkey": wallet_hotkey, "wallet_path": wallet_path,
                "hotkey": hotkey, "coldkey": coldkey,
            }),
        );
    }
    let coldkey = coldkey.map_or_else(|| "not on this machine".to_owned(), |key| key.to_string());
    writeln!(
        out,
        "wallet   {wallet} in {}\ncoldkey  {coldkey}\nhotkey   {hotkey} ({wallet_hotkey})",
        wallet_path.display()
    )
    .map_err(CommandError::Output)
}

/// Shows the phrases once, as btcli does: whoever made the keys must be able to back them up.
fn advise(made: &Made, out: &mut impl Write) -> Result<(), CommandError> {
    let Made { coldkey, hotkey } = made;
    let keys = [("coldkey", coldkey.as_ref()), ("hotkey", Some(hotkey))];
    for (name, created) in keys {
        if let Some(phrase) = created.and_then(|created| created.phrase.as_ref()) {
            writeln!(out, "{name} phrase, write it down and keep it secret: {}", phrase.as_str())
                .map_err(CommandError::Output)?;
        }
    }
    if coldkey.is_some() {
        writeln!(out, "The coldkey is not encrypted. Keep it off the machine that runs the miner.")
            .map_err(CommandError::Output)?;
    }
    Ok(())
}

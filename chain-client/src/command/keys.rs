//! `wallet new|show|sign|verify`: keys in btcli's layout.

use std::io::Write;

use protocol::AccountId;
use serde_json::json;

use super::table::pairs;
use super::{CommandError, Site, print_json, print_lines, tell};
use crate::cli::{Output, WalletNew, WalletSign, WalletVerify};
use crate::wallet::message::{sign_text, verify_text};
use crate::wallet::{self, Created, KeySource, Passwords, Role, WalletError};

const UNENCRYPTED: &str = "warning: the coldkey has no password; whoever can read its file owns its TAO. \
    Set BT_WALLET_PASSWORD or use a terminal to give it one, or keep it off every machine that runs a node";

/// Makes a hotkey, and a coldkey too unless there is one. The phrases are shown here and never again.
pub(super) fn new(site: &Site, flags: &WalletNew, out: &mut impl Write) -> Result<(), CommandError> {
    let path = &site.wallet;
    let hotkey_file = path.file(Role::Hotkey).map_err(CommandError::Wallet)?;
    if hotkey_file.exists() {
        return Err(CommandError::Wallet(WalletError::AlreadyExists { path: hotkey_file }));
    }
    let has_coldkey = [path.file(Role::Coldkey), path.public_file(Role::Coldkey)];
    let has_coldkey = has_coldkey.into_iter().any(|file| file.is_ok_and(|file| file.exists()));
    let made = if has_coldkey { None } else { Some(new_coldkey(site, flags)?) };
    let hotkey = match wallet::create(path, Role::Hotkey, KeySource::Generate) {
        Ok(hotkey) => hotkey,
        Err(error) => {
            // The next run finds this coldkey and makes none: its phrase is shown now or never.
            if let Some((coldkey, _)) = &made {
                show_orphan(coldkey, flags, out)?;
            }
            return Err(CommandError::Wallet(error));
        }
    };
    let coldkey = match &made {
        Some((coldkey, _)) => Some(coldkey.account),
        None => site.coldkey_account().ok(),
    };
    let phrase = |key: &Created| key.phrase.as_ref().map(|phrase| phrase.to_string());
    let coldkey_phrase = made.as_ref().and_then(|(coldkey, _)| phrase(coldkey));
    let encrypted = made.as_ref().map(|(_, encrypted)| *encrypted);
    if encrypted == Some(false) {
        tell(UNENCRYPTED)?;
    }
    if flags.output.json {
        return print_json(
            out,
            &json!({
                "wallet": path.wallet, "wallet_hotkey": path.hotkey, "wallet_path": path.root,
                "coldkey": coldkey, "coldkey_phrase": coldkey_phrase, "coldkey_encrypted": encrypted,
                "hotkey": hotkey.account, "hotkey_phrase": phrase(&hotkey),
            }),
        );
    }
    print_lines(out, &listing(site, coldkey, hotkey.account))?;
    let phrases = [("coldkey", coldkey_phrase), ("hotkey", phrase(&hotkey))];
    for (name, phrase) in phrases {
        if let Some(phrase) = phrase {
            print_lines(out, &[format!("{name} phrase, shown only now: {phrase}")])?;
        }
    }
    tell("Write the phrases down and keep them secret: they are the only way to get the keys back.")
}

/// A coldkey that was made although its hotkey could not be.
fn show_orphan(coldkey: &Created, flags: &WalletNew, out: &mut impl Write) -> Result<(), CommandError> {
    let Some(phrase) = &coldkey.phrase else {
        return Ok(());
    };
    let phrase = phrase.to_string();
    if flags.output.json {
        return print_json(out, &json!({ "coldkey": coldkey.account, "coldkey_phrase": phrase }));
    }
    let account = coldkey.account;
    print_lines(out, &[format!("coldkey {account}"), format!("coldkey phrase, shown only now: {phrase}")])
}

/// The coldkey and whether it is encrypted.
fn new_coldkey(site: &Site, flags: &WalletNew) -> Result<(Created, bool), CommandError> {
    let path = &site.wallet;
    let made = match flags.no_password {
        true => Ok(None),
        false => {
            let file = path.file(Role::Coldkey).map_err(CommandError::Wallet)?;
            Passwords::of_process(site.password_file.clone()).choose(&file)
        }
    };
    let made = made.and_then(|password| match password {
        Some(password) => {
            let created = wallet::create_encrypted(path, Role::Coldkey, KeySource::Generate, &password);
            created.map(|created| (created, true))
        }
        None => wallet::create(path, Role::Coldkey, KeySource::Generate).map(|created| (created, false)),
    });
    made.map_err(CommandError::Wallet)
}

/// Shows the wallet's addresses. No secret is read where public files are there.
pub(super) fn show(site: &Site, output: Output, out: &mut impl Write) -> Result<(), CommandError> {
    let hotkey = site.hotkey_account()?;
    // A node's machine should not have the coldkey, so it may be missing.
    let coldkey = site.coldkey_account().ok();
    if output.json {
        let path = &site.wallet;
        return print_json(
            out,
            &json!({
                "wallet": path.wallet, "wallet_hotkey": path.hotkey, "wallet_path": path.root,
                "hotkey": hotkey, "coldkey": coldkey,
            }),
        );
    }
    print_lines(out, &listing(site, coldkey, hotkey))
}

fn listing(site: &Site, coldkey: Option<AccountId>, hotkey: AccountId) -> Vec<String> {
    let path = &site.wallet;
    let coldkey = coldkey.map_or_else(|| "not on this machine".to_owned(), |key| key.to_string());
    pairs(&[
        ("wallet", format!("{} in {}", path.wallet, path.root.display())),
        ("coldkey", coldkey),
        ("hotkey", format!("{hotkey} ({})", path.hotkey)),
    ])
}

/// Signs a text.
pub(super) fn sign(site: &Site, flags: &WalletSign, out: &mut impl Write) -> Result<(), CommandError> {
    let (name, key) = match flags.use_coldkey {
        true => ("coldkey", site.coldkey()?),
        false => ("hotkey", site.hotkey()?),
    };
    let signature = sign_text(&key, &flags.message).map_err(CommandError::Message)?;
    let address = key.public();
    if flags.output.json {
        return print_json(
            out,
            &json!({
                "signature": signature, "address": address, "key": name, "crypto": "sr25519",
                "message": flags.message,
            }),
        );
    }
    print_lines(
        out,
        &pairs(&[("signature", signature.to_string()), ("address", format!("{address} ({name})"))]),
    )
}

/// Checks a text's signature. A signature that does not hold is told, and is a failure.
pub(super) fn verify(site: &Site, flags: &WalletVerify, out: &mut impl Write) -> Result<(), CommandError> {
    let address = match flags.address {
        Some(address) => address,
        None => site.hotkey_account()?,
    };
    let valid = verify_text(&address, &flags.message, &flags.signature).is_ok();
    match flags.output.json {
        true => print_json(out, &json!({ "valid": valid, "address": address }))?,
        false if valid => print_lines(out, &[format!("valid: {address} signed this message")])?,
        false => {}
    }
    if valid { Ok(()) } else { Err(CommandError::BadSignature { address }) }
}

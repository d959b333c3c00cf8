//! `wallet`: make or show one.

use std::io::Write;

use chain_client::wallet::{self, Created, KeySource, Role};
use serde_json::json;

use super::{CommandError, Place, print_json, print_lines};
use crate::cli::Wallet;

pub(super) fn run(place: &Place, command: &Wallet, out: &mut impl Write) -> Result<(), CommandError> {
    let path = place.wallet();
    match command {
        Wallet::New(output) => {
            let new = |role| wallet::create(&path, role, KeySource::Generate).map_err(CommandError::Wallet);
            let (coldkey, hotkey) = (new(Role::Coldkey)?, new(Role::Hotkey)?);
            let phrase = |key: &Created| key.phrase.as_ref().map(|phrase| phrase.to_string());
            if output.json {
                return print_json(
                    out,
                    &json!({
                        "coldkey": coldkey.account, "coldkey_phrase": phrase(&coldkey),
                        "hotkey": hotkey.account, "hotkey_phrase": phrase(&hotkey),
                    }),
                );
            }
            print_lines(
                out,
                &[
                    format!("coldkey {}: {}", coldkey.account, phrase(&coldkey).unwrap_or_default()),
                    format!("hotkey  {}: {}", hotkey.account, phrase(&hotkey).unwrap_or_default()),
                    "Write the phrases down: they are the only way to get the keys back.".into(),
                ],
            )
        }
        Wallet::Show(output) => {
            let account = |role| wallet::load_public(&path, role).map_err(CommandError::Wallet);
            let (coldkey, hotkey) = (account(Role::Coldkey)?, account(Role::Hotkey)?);
            if output.json {
                return print_json(out, &json!({ "coldkey": coldkey, "hotkey": hotkey }));
            }
            print_lines(out, &[format!("coldkey {coldkey}"), format!("hotkey  {hotkey}")])
        }
    }
}

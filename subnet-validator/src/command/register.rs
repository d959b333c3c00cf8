//! `register`: burn TAO of the coldkey for a uid of the hotkey.

use std::io::Write;

use chain_client::{Registration, wallet};
use serde_json::json;

use super::confirm::{confirm, tao};
use super::{CommandError, Place, print_json, print_lines};
use crate::cli::Register;

pub(super) async fn run(place: &Place, flags: &Register, out: &mut impl Write) -> Result<(), CommandError> {
    let netuid = place.config.netuid;
    let hotkey = place.hotkey_account()?;
    let coldkey = wallet::load_coldkey(&place.wallet()).map_err(CommandError::Wallet)?;
    let client = place.connect().await?;
    let block = client.finalized().await.map_err(CommandError::Chain)?;
    let price = client.hyperparameters(netuid, block).await.map_err(CommandError::Chain)?.burn_rao;
    let balance = client.balance_rao(&coldkey.public(), block).await.map_err(CommandError::Chain)?;
    let known = client.uid_of(netuid, &hotkey, block).await.map_err(CommandError::Chain)?;
    let (uid, outcome) = match known {
        Some(uid) => (Some(uid), "already registered"),
        None if flags.dry_run => (None, "would register"),
        None => {
            if !flags.yes {
                confirm(&format!("Burn {} to register {hotkey} on subnet {netuid}?", tao(price)))?;
            }
            let registration =
                client.register_burned(&coldkey, &hotkey, netuid).await.map_err(CommandError::Submit)?;
            let outcome = match registration {
                Registration::Registered { .. } => "registered",
                Registration::AlreadyRegistered { .. } => "already registered",
            };
            (Some(registration.uid()), outcome)
        }
    };
    if flags.output.json {
        return print_json(
            out,
            &json!({
                "outcome": outcome, "netuid": netuid, "hotkey": hotkey, "coldkey": coldkey.public(), "uid": uid,
                "burn_rao": price.to_string(), "balance_rao": balance.to_string(), "dry_run": flags.dry_run,
            }),
        );
    }
    let uid = uid.map_or_else(String::new, |uid| format!(", uid {uid}"));
    print_lines(
        out,
        &[
            format!("{outcome}: hotkey {hotkey} on subnet {netuid}{uid}"),
            format!("price {}, coldkey {} had {}", tao(price), coldkey.public(), tao(balance)),
        ],
    )
}

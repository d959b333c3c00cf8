//! `keys`: users' accounts.

use std::io::Write;

use protocol::account::AccountId;
use serde_json::{Value, json};

use super::{CommandError, Place, print_json, print_lines};
use crate::accounts::keys::{ApiKey, ApiKeys};
use crate::accounts::usage::{Tally, Usage};
use crate::accounts::{calendar, payer};
use crate::cli::{CreateKey, Keys};
use crate::clock::Clock;
use crate::ledger::{OpenError, Owner, Reader};
use crate::{state_dir, validator};

pub(super) fn run(place: &Place, command: &Keys, out: &mut impl Write) -> Result<(), CommandError> {
    let hotkey = place.site.hotkey_account()?;
    let folder = place.state(&hotkey);
    state_dir::create(&folder).map_err(CommandError::Keys)?;
    let keys = ApiKeys::new(&folder.join(validator::KEYS_FILE));
    let now_ms = Clock::new().now_ms();
    match command {
        Keys::Create(flags) => create(&keys, flags, now_ms, out),
        Keys::List(output) => {
            let all = keys.list().map_err(CommandError::Keys)?;
            if output.json {
                return print_json(out, &all.iter().map(|key| shown(key, now_ms)).collect());
            }
            let line = |key: &ApiKey| format!("{}  {:<7}  {}", key.id, state(key, now_ms), called(key));
            print_lines(out, &all.iter().map(line).collect::<Vec<_>>())
        }
        Keys::Revoke { id, output } => {
            if !keys.revoke(id, now_ms).map_err(CommandError::Keys)? {
                return Err(CommandError::NoSuchKey { id: id.clone() });
            }
            if output.json {
                return print_json(out, &json!({ "id": id, "revoked_at_ms": now_ms }));
            }
            print_lines(out, &[format!("revoked {id}")])
        }
        Keys::Usage { id, output } => {
            let mut all = keys.list().map_err(CommandError::Keys)?;
            if let Some(id) = id {
                all.retain(|key| key.id == *id);
                if all.is_empty() {
                    return Err(CommandError::NoSuchKey { id: id.clone() });
                }
            }
            let salt = state_dir::secret(&folder.join(validator::SALT_FILE)).map_err(CommandError::Keys)?;
            let usage = used(place, &hotkey)?;
            let of = |key: &ApiKey| (payer(&salt, &key.id), key.clone());
            let rows: Vec<_> = all.iter().map(of).collect();
            if output.json {
                let row = |(payer, key): &(_, ApiKey)| {
                    let days = usage.days(payer).into_iter();
                    let days: serde_json::Map<String, Value> =
                        days.map(|(day, used)| (calendar::date(day), tally(&used))).collect();
                    json!({
                        "id": key.id, "name": key.name, "state": state(key, now_ms),
                        "today": tally(&usage.today(payer, now_ms)), "month": tally(&usage.this_month(payer, now_ms)),
                        "days": days,
                    })
                };
                return print_json(out, &rows.iter().map(row).collect());
            }
            let mut lines = vec![format!(
                "{:<20}  {:<7}  {:>8}  {:>12}  {:>8}  {:>12}  {:>12}  NAME",
                "ID", "STATE", "REQ/DAY", "TOKENS/DAY", "REQ/MON", "TOKENS/MON", "UNITS/MON"
            )];
            lines.extend(rows.iter().map(|(payer, key)| {
                let (today, month) = (usage.today(payer, now_ms), usage.this_month(payer, now_ms));
                format!(
                    "{:<20}  {:<7}  {:>8}  {:>12}  {:>8}  {:>12}  {:>12}  {}",
                    key.id,
                    state(key, now_ms),
                    today.requests,
                    today.tokens(),
                    month.requests,
                    month.tokens(),
                    month.units(),
                    called(key)
                )
            }));
            print_lines(out, &lines)
        }
    }
}

fn create(keys: &ApiKeys, flags: &CreateKey, now_ms: u64, out: &mut impl Write) -> Result<(), CommandError> {
    let account = flags.account(now_ms);
    if let Some(hotkey) = flags.for_hotkey {
        let key = keys.create_for_hotkey(hotkey, account, now_ms).map_err(CommandError::Keys)?;
        if flags.output.json {
            return print_json(out, &json!({ "id": key.id, "name": key.name, "hotkey": hotkey }));
        }
        return print_lines(out, &[format!("{} may be used by requests that {hotkey} signs", key.id)]);
    }
    let new = keys.create_key(account, now_ms).map_err(CommandError::Keys)?;
    if flags.output.json {
        return print_json(out, &json!({ "id": new.key.id, "name": new.key.name, "key": new.secret }));
    }
    print_lines(out, &[new.secret])
}

/// The usage file and what the ledger holds beyond it. Neither is changed.
fn used(place: &Place, hotkey: &AccountId) -> Result<Usage, CommandError> {
    let folder = place.state(hotkey);
    let mut usage = Usage::load(&folder.join(validator::USAGE_FILE)).map_err(CommandError::Keys)?;
    let catalogue = place.listed()?.catalogue;
    let owner = Owner { shard: place.config.shards.own, ..Owner::single(*hotkey, place.config.netuid) };
    let path = folder.join(validator::LEDGER_DIR);
    if !path.exists() {
        return Ok(usage);
    }
    let reader = Reader::open(&path, owner).map_err(|error: OpenError| CommandError::OpenLedger(error))?;
    usage.catch_up(&reader, &catalogue).map_err(CommandError::ReadLedger)?;
    Ok(usage)
}

fn state(key: &ApiKey, now_ms: u64) -> &'static str {
    match key.revoked_at_ms {
        Some(_) => "revoked",
        None if key.is_valid(now_ms) => "valid",
        None => "expired",
    }
}

/// Its name, and the hotkey that signs for it.
fn called(key: &ApiKey) -> String {
    match key.hotkey {
        Some(hotkey) => format!("{} ({hotkey})", key.name),
        None => key.name.clone(),
    }
}

fn shown(key: &ApiKey, now_ms: u64) -> Value {
    json!({
        "id": key.id, "name": key.name, "hotkey": key.hotkey, "state": state(key, now_ms),
        "created_at_ms": key.created_at_ms, "expires_at_ms": key.expires_at_ms, "revoked_at_ms": key.revoked_at_ms,
        "scopes": key.scopes, "limits": key.limits,
    })
}

fn tally(used: &Tally) -> Value {
    json!({
        "requests": used.requests, "prompt_tokens": used.prompt_tokens,
        "completion_tokens": used.completion_tokens, "compute_units_milli": used.milli_units,
    })
}

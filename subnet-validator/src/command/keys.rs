//! `keys`: users' API keys.

use std::io::Write;

use serde_json::json;

use super::{CommandError, Place, print_json, print_lines};
use crate::cli::Keys;
use crate::clock::Clock;
use crate::gateway::access::{ApiKey, ApiKeys};
use crate::{state_dir, validator};

pub(super) fn run(place: &Place, command: &Keys, out: &mut impl Write) -> Result<(), CommandError> {
    let folder = place.state(&place.site.hotkey_account()?);
    state_dir::create(&folder).map_err(CommandError::Keys)?;
    let keys = ApiKeys::new(&folder.join(validator::KEYS_FILE));
    let now_ms = Clock::new().now_ms();
    match command {
        Keys::Create { name, output } => {
            let new = keys.create(name, now_ms).map_err(CommandError::Keys)?;
            if output.json {
                return print_json(
                    out,
                    &json!({ "id": new.key.id, "name": new.key.name, "key": new.secret }),
                );
            }
            print_lines(out, &[new.secret])
        }
        Keys::List(output) => {
            let all = keys.list().map_err(CommandError::Keys)?;
            if output.json {
                let shown = |key: &ApiKey| {
                    json!({
                        "id": key.id, "name": key.name,
                        "created_at_ms": key.created_at_ms, "revoked_at_ms": key.revoked_at_ms,
                    })
                };
                return print_json(out, &all.iter().map(shown).collect());
            }
            let line = |key: &ApiKey| {
                let state = if key.revoked_at_ms.is_some() { "revoked" } else { "valid" };
                format!("{}  {state:<7}  {}", key.id, key.name)
            };
            print_lines(out, &all.iter().map(line).collect::<Vec<_>>())
        }
        Keys::Revoke { id } => {
            if !keys.revoke(id, now_ms).map_err(CommandError::Keys)? {
                return Err(CommandError::NoSuchKey { id: id.clone() });
            }
            print_lines(out, &[format!("revoked {id}")])
        }
    }
}

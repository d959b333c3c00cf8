//! `stake`: add TAO of the coldkey to the hotkey's stake, which is what earns a validator permit.

use std::io::Write;

use chain_client::amount::tao;
use chain_client::command::{CommandError as SharedError, confirm};
use serde_json::json;

use super::{CommandError, Place, print_json, print_lines};
use crate::cli::Stake;

pub(super) async fn run(place: &Place, flags: &Stake, out: &mut impl Write) -> Result<(), CommandError> {
    let (netuid, amount_rao) = (place.config.netuid, flags.amount_rao);
    let hotkey = place.site.hotkey_account()?;
    let coldkey = place.site.coldkey()?;
    let client = place.site.connect().await?;
    let before = client.finalized().await.map_err(SharedError::Chain)?;
    let balance = client.balance_rao(&coldkey.public(), before).await.map_err(SharedError::Chain)?;
    let (block, outcome) = if flags.dry_run {
        (before, "would stake")
    } else {
        if !flags.yes {
            confirm(&format!("Stake {} to {hotkey} on subnet {netuid}?", tao(amount_rao)))?;
        }
        let staked = client.add_stake(&coldkey, &hotkey, netuid, amount_rao).await;
        (staked.map_err(SharedError::Submit)?, "staked")
    };
    if flags.output.json {
        return print_json(
            out,
            &json!({
                "outcome": outcome, "netuid": netuid, "hotkey": hotkey, "coldkey": coldkey.public(),
                "amount_rao": amount_rao.to_string(), "balance_before_rao": balance.to_string(),
                "block": block.number, "dry_run": flags.dry_run,
            }),
        );
    }
    print_lines(
        out,
        &[
            format!("{outcome} {} to {hotkey} on subnet {netuid}, block {}", tao(amount_rao), block.number),
            format!("coldkey {} had {}", coldkey.public(), tao(balance)),
            "the validator permit follows at the end of the tempo, if the stake is among the largest".into(),
        ],
    )
}

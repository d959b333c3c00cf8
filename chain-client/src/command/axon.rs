//! `chain axon`: where the hotkey is said to serve, and saying otherwise.

use std::io::Write;
use std::pin::pin;

use futures::StreamExt;
use serde_json::json;

use super::table::pairs;
use super::{CommandError, Site, pass_over, print_json, print_lines, tell};
use crate::cli::Axon;
use crate::{AnnounceError, Announced, Announcement, AxonState, ChainClient};

pub(super) async fn run(
    site: &Site,
    flags: &Axon,
    out: &mut (impl Write + Send),
) -> Result<(), CommandError> {
    let client = site.connect_to_submit(flags.waiting).await?;
    let hotkey = site.hotkey_account()?;
    let wanted = flags.wanted().map(|address| Announcement { address, tls_key: flags.tls_key.clone() });
    let block = client.finalized().await.map_err(CommandError::Chain)?;
    let state = client.axon(site.netuid, &hotkey, block).await.map_err(CommandError::Chain)?;
    if !state.registered {
        return Err(site.not_registered(hotkey));
    }
    let outcome = match &wanted {
        None => "shown".to_owned(),
        Some(wanted) => {
            wanted.check().map_err(CommandError::Axon)?;
            match state.record.as_ref().is_some_and(|record| wanted.is(record)) {
                true => "already announced".to_owned(),
                false if flags.dry_run => {
                    let early = state.next_block() > u64::from(block.number) + 1;
                    let early =
                        if early { format!(" from block {} on", state.next_block()) } else { String::new() };
                    format!("would announce {}{early}", wanted.address)
                }
                false => announce(site, &client, wanted, flags.wait_blocks).await?,
            }
        }
    };
    let block = client.finalized().await.map_err(CommandError::Chain)?;
    let state = client.axon(site.netuid, &hotkey, block).await.map_err(CommandError::Chain)?;
    show(&outcome, &hotkey.to_string(), &state, flags, out)
}

async fn announce(
    site: &Site,
    client: &ChainClient,
    wanted: &Announcement,
    wait_blocks: u32,
) -> Result<String, CommandError> {
    let hotkey = site.hotkey()?;
    let announced = match Box::pin(client.announce_axon(&hotkey, site.netuid, wanted)).await {
        Err(AnnounceError::TooEarly { since_block, at_block }) => {
            let head = client.best().await.map_err(CommandError::Chain)?;
            if at_block > u64::from(head.number.saturating_add(wait_blocks)) {
                return Err(CommandError::Axon(AnnounceError::TooEarly { since_block, at_block }));
            }
            tell(&format!("block {}: waiting for block {at_block}", head.number))?;
            let mut blocks = pin!(client.finalized_blocks());
            while let Some(block) = blocks.next().await {
                let block = match block {
                    Ok(block) => block,
                    Err(error) => {
                        pass_over(error)?;
                        continue;
                    }
                };
                // What lands in the next block may be submitted now.
                if u64::from(block.number).saturating_add(1) >= at_block {
                    break;
                }
            }
            Box::pin(client.announce_axon(&hotkey, site.netuid, wanted)).await
        }
        announced => announced,
    };
    Ok(match announced.map_err(CommandError::Axon)? {
        Announced::Now { block } => format!("announced in block {}", block.number),
        Announced::NotFinal { block } => format!("announced in block {}, not yet final", block.number),
        Announced::Already { .. } => "already announced".to_owned(),
    })
}

fn show(
    outcome: &str,
    hotkey: &str,
    state: &AxonState,
    flags: &Axon,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let record = state.record.as_ref();
    let address = record.and_then(|record| record.address);
    let tls_key = record.and_then(|record| record.tls_key.as_ref()).map(|key| key.to_string());
    let since = record.map(|record| record.announced_at);
    if flags.output.json {
        return print_json(
            out,
            &json!({
                "outcome": outcome, "hotkey": hotkey, "axon": address, "tls_key": tls_key, "announced_at": since,
                "next_block": state.next_block(), "serving_rate_limit": state.serving_rate_limit,
                "dry_run": flags.dry_run,
            }),
        );
    }
    let axon = address.map_or_else(|| "none".to_owned(), |address| address.to_string());
    print_lines(
        out,
        &pairs(&[
            ("outcome", outcome.to_owned()),
            ("hotkey", hotkey.to_owned()),
            ("axon", axon),
            ("TLS key", tls_key.unwrap_or_else(|| "none".to_owned())),
            ("announced", since.map_or_else(|| "never".to_owned(), |block| format!("in block {block}"))),
            (
                "next",
                format!("from block {} on (once in {} blocks)", state.next_block(), state.serving_rate_limit),
            ),
        ]),
    )
}

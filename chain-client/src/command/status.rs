//! `chain status`: the chain, the subnet and the hotkey at one finalised block.

use std::io::Write;

use serde_json::json;

use super::table::pairs;
use super::{CommandError, Site, print_json, print_lines};
use crate::amount::alpha;
use crate::cli::Output;

pub(super) async fn run(site: &Site, output: Output, out: &mut impl Write) -> Result<(), CommandError> {
    let netuid = site.netuid;
    // The chain can be looked at without keys.
    let hotkey = site.hotkey_account().ok();
    let client = site.connect().await?;
    let block = client.finalized().await.map_err(CommandError::Chain)?;
    let metagraph = client.metagraph(netuid, block).await.map_err(CommandError::Chain)?;
    let epoch = client.epoch(netuid, block).await.map_err(CommandError::Chain)?;
    let block_time_ms = client.block_time_ms().await.map_err(CommandError::Chain)?;
    let genesis = hex::encode(client.genesis_hash().await.map_err(CommandError::Chain)?);
    let url = client.url().await;
    let own = hotkey.as_ref().and_then(|hotkey| metagraph.by_hotkey(hotkey));
    let permits = metagraph.neurons.iter().filter(|neuron| neuron.validator_permit).count();
    let serving = metagraph.neurons.iter().filter(|neuron| neuron.axon.is_some()).count();
    let count_max = metagraph.hyperparameters.max_allowed_uids;
    if output.json {
        let own = own.map(super::metagraph::neuron_json);
        return print_json(
            out,
            &json!({
                "network": site.network, "endpoint": url, "genesis_hash": format!("0x{genesis}"),
                "block": block.number, "block_hash": format!("0x{}", hex::encode(block.hash)),
                "block_time_ms": block_time_ms, "netuid": netuid, "tempo": epoch.tempo,
                "epoch_index": epoch.epoch_index, "next_epoch_block": epoch.next_epoch_block,
                "neurons": metagraph.neurons.len(), "neurons_max": count_max,
                "validators_with_permit": permits, "axons": serving, "hotkey": hotkey, "neuron": own,
            }),
        );
    }
    let next = match epoch.next_epoch_block.zip(epoch.blocks_left()) {
        Some((next, left)) => format!("at block {next}, in {left} blocks"),
        None => "never".to_owned(),
    };
    let hotkey = match (hotkey, own) {
        (None, _) => "no key here".to_owned(),
        (Some(hotkey), None) => format!("{hotkey}, not registered"),
        (Some(hotkey), Some(own)) => {
            let permit = if own.validator_permit { "with" } else { "without" };
            format!("{hotkey}, uid {}, {}, {permit} validator permit", own.uid, alpha(own.stake_rao))
        }
    };
    let network = url.map_or_else(|| site.network.clone(), |url| format!("{} ({url})", site.network));
    print_lines(
        out,
        &pairs(&[
            ("network", network),
            ("genesis", format!("0x{genesis}")),
            ("finalised", format!("{block}, one block in {block_time_ms} ms")),
            ("subnet", format!("{netuid}, {} of {count_max} neurons", metagraph.neurons.len())),
            ("validators", format!("{permits} with a permit")),
            ("axons", format!("{serving} announced")),
            ("epoch", format!("{} have run, the next {next}", epoch.epoch_index)),
            ("hotkey", hotkey),
        ]),
    )
}

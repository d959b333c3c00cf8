//! `status`: what the chain knows of the hotkey.

use std::io::Write;

use chain_client::cli::Output;
use chain_client::command::CommandError as SharedError;
use serde_json::json;

use super::{CommandError, Place, print_json, print_lines};

pub(super) async fn run(place: &Place, output: Output, out: &mut impl Write) -> Result<(), CommandError> {
    let netuid = place.config.netuid;
    let hotkey = place.site.hotkey_account()?;
    let client = place.site.connect().await?;
    let block = client.finalized().await.map_err(SharedError::Chain)?;
    let metagraph = client.metagraph(netuid, block).await.map_err(SharedError::Chain)?;
    let epoch = client.epoch(netuid, block).await.map_err(SharedError::Chain)?;
    let Some(neuron) = metagraph.by_hotkey(&hotkey) else {
        let register = place.site.register_command();
        return Err(SharedError::NotRegistered { hotkey, netuid, register }.into());
    };
    let miners =
        metagraph.neurons.iter().filter(|other| other.axon.is_some() && other.hotkey != hotkey).count();
    if output.json {
        return print_json(
            out,
            &json!({
                "netuid": netuid, "block": block.number, "hotkey": hotkey, "coldkey": neuron.coldkey,
                "uid": neuron.uid, "validator_permit": neuron.validator_permit,
                "stake_rao": neuron.stake_rao.to_string(), "dividends": neuron.dividends,
                "validator_trust": neuron.validator_trust, "emission_rao": neuron.emission_rao.to_string(),
                "last_update": neuron.last_update, "next_epoch_block": epoch.next_epoch_block,
                "miners_with_axon": miners,
            }),
        );
    }
    let permit = if neuron.validator_permit { "yes" } else { "no: weights do not count yet" };
    let next = epoch.next_epoch_block.map_or_else(|| "never".into(), |block| block.to_string());
    print_lines(
        out,
        &[
            format!("hotkey      {hotkey}"),
            format!("subnet      {netuid}, uid {}, at finalised block {}", neuron.uid, block.number),
            format!("permit      {permit}"),
            format!("stake       {} rao", neuron.stake_rao),
            format!("dividends   {} of 65535", neuron.dividends),
            format!("last update block {}, next epoch at block {next}", neuron.last_update),
            format!("miners      {miners} with an axon"),
        ],
    )
}

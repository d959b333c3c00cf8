//! `status`: what the chain knows of the hotkey.

use std::io::Write;

use chain_client::cli::Output;
use chain_client::command::{CommandError as SharedError, Site};
use serde_json::json;

use super::{CommandError, print_json};

pub(super) async fn run(site: &Site, output: Output, out: &mut impl Write) -> Result<(), CommandError> {
    let hotkey = site.hotkey_account()?;
    let client = site.connect().await?;
    let netuid = site.netuid;
    let block = client.finalized().await.map_err(SharedError::Chain)?;
    let metagraph = client.metagraph(netuid, block).await.map_err(SharedError::Chain)?;
    let Some(neuron) = metagraph.by_hotkey(&hotkey) else {
        return Err(SharedError::NotRegistered { hotkey, netuid, register: site.register_command() }.into());
    };
    let validators = metagraph.neurons.iter().filter(|neuron| neuron.validator_permit).count();
    if output.json {
        return print_json(
            out,
            &json!({
                "netuid": netuid, "block": metagraph.block.number, "hotkey": hotkey, "coldkey": neuron.coldkey,
                "uid": neuron.uid, "axon": neuron.axon, "stake_rao": neuron.stake_rao.to_string(),
                "incentive": neuron.incentive, "emission_rao": neuron.emission_rao.to_string(),
                "registered_at": neuron.registered_at, "validators_with_permit": validators,
            }),
        );
    }
    let axon = neuron.axon.map_or_else(|| "not published".to_owned(), |axon| axon.to_string());
    let lines = [
        format!("hotkey      {hotkey}"),
        format!("subnet      {netuid}, uid {}, at finalised block {}", neuron.uid, metagraph.block.number),
        format!("axon        {axon}"),
        format!("incentive   {} of 65535", neuron.incentive),
        format!("emission    {} rao in the last epoch", neuron.emission_rao),
        format!("stake       {} rao", neuron.stake_rao),
        format!("validators  {validators} with a permit"),
    ];
    writeln!(out, "{}", lines.join("\n")).map_err(CommandError::Output)
}

//! `status`: what the chain knows of the hotkey.

use std::io::Write;

use chain_client::wallet;
use serde_json::json;

use super::{CommandError, print_json};
use crate::chain_watch;
use crate::cli::Output;
use crate::config::Config;
use crate::miner::{self, StartError};

pub(super) async fn run(config: &Config, output: Output, out: &mut impl Write) -> Result<(), CommandError> {
    let hotkey = wallet::load_hotkey(&config.wallet()).map_err(CommandError::Wallet)?.public();
    let client = miner::connect(&config.network, config.local_endpoint.as_deref(), &config.chain)
        .await
        .map_err(CommandError::Start)?;
    let netuid = config.netuid;
    let metagraph = chain_watch::look(&client, netuid).await.map_err(CommandError::Chain)?.metagraph;
    let Some(neuron) = metagraph.by_hotkey(&hotkey) else {
        let command = miner::register_command(config);
        return Err(CommandError::Start(StartError::NotRegistered { hotkey, netuid, command }));
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

//! `chain metagraph`: every neuron of the subnet.

use std::io::Write;

use serde_json::{Value, json};

use super::table::table;
use super::{CommandError, Site, print_json, print_lines};
use crate::amount::decimal;
use crate::cli::Output;
use crate::{Commitment, CommitmentField, Neuron};

pub(super) async fn run(site: &Site, output: Output, out: &mut impl Write) -> Result<(), CommandError> {
    let client = site.connect().await?;
    let block = client.finalized().await.map_err(CommandError::Chain)?;
    let metagraph = client.metagraph(site.netuid, block).await.map_err(CommandError::Chain)?;
    if output.json {
        let commitments = client.commitments(site.netuid, block).await.map_err(CommandError::Chain)?;
        let neurons = metagraph.neurons.iter().map(|neuron| {
            let mut row = neuron_json(neuron);
            row["commitment"] = commitments.get(&neuron.hotkey).map_or(Value::Null, commitment_json);
            row
        });
        return print_json(
            out,
            &json!({
                "netuid": metagraph.netuid, "block": block.number, "tempo": metagraph.tempo,
                "neurons": neurons.collect::<Vec<_>>(),
            }),
        );
    }
    let share = |share: u16| format!("{:.4}", f64::from(share) / f64::from(u16::MAX));
    let rows: Vec<_> = metagraph
        .neurons
        .iter()
        .map(|neuron| {
            vec![
                neuron.uid.to_string(),
                neuron.hotkey.to_string(),
                decimal(neuron.stake_rao),
                (if neuron.validator_permit { "yes" } else { "no" }).to_owned(),
                share(neuron.validator_trust),
                share(neuron.incentive),
                share(neuron.dividends),
                neuron.emission_rao.to_string(),
                neuron.last_update.to_string(),
                neuron.axon.map_or("-".to_owned(), |axon| axon.to_string()),
                (if neuron.tls_key.is_some() { "yes" } else { "no" }).to_owned(),
            ]
        })
        .collect();
    let head = [
        "uid",
        "hotkey",
        "stake",
        "permit",
        "vtrust",
        "incentive",
        "dividends",
        "emission",
        "updated",
        "axon",
        "tls",
    ];
    let mut lines = table(&head, &rows);
    lines.push(format!("{} neurons on subnet {} at block {block}", rows.len(), site.netuid));
    print_lines(out, &lines)
}

/// A neuron as JSON: amounts as texts, because they exceed what JSON's numbers hold.
pub(super) fn neuron_json(neuron: &Neuron) -> Value {
    json!({
        "uid": neuron.uid, "hotkey": neuron.hotkey, "coldkey": neuron.coldkey, "axon": neuron.axon,
        "axon_block": neuron.axon_block, "tls_key": neuron.tls_key.as_ref().map(|key| key.to_string()),
        "active": neuron.active, "validator_permit": neuron.validator_permit,
        "stake_rao": neuron.stake_rao.to_string(), "root_stake_rao": neuron.root_stake_rao.to_string(),
        "stake_weight_rao": neuron.stake_weight_rao.to_string(), "incentive": neuron.incentive,
        "dividends": neuron.dividends, "consensus": neuron.consensus, "validator_trust": neuron.validator_trust,
        "emission_rao": neuron.emission_rao.to_string(), "last_update": neuron.last_update,
        "registered_at": neuron.registered_at,
    })
}

fn commitment_json(commitment: &Commitment) -> Value {
    let fields = commitment.fields.iter().map(|field| {
        let (kind, bytes) = match field {
            CommitmentField::None => ("none", None),
            CommitmentField::Raw(bytes) => ("raw", Some(bytes.as_slice())),
            CommitmentField::BlakeTwo256(digest) => ("blake2_256", Some(&digest[..])),
            CommitmentField::Sha256(digest) => ("sha256", Some(&digest[..])),
            CommitmentField::Keccak256(digest) => ("keccak256", Some(&digest[..])),
            CommitmentField::ShaThree256(digest) => ("sha3_256", Some(&digest[..])),
            CommitmentField::TimelockEncrypted { encrypted, .. } => {
                ("timelocked", Some(encrypted.as_slice()))
            }
            CommitmentField::ResetBonds => ("reset_bonds", None),
            CommitmentField::TimelockRevealFailed { encrypted, .. } => {
                ("timelock_reveal_failed", Some(encrypted.as_slice()))
            }
        };
        json!({ "kind": kind, "hex": bytes.map(|bytes| format!("0x{}", hex::encode(bytes))) })
    });
    json!({ "block": commitment.block, "fields": fields.collect::<Vec<_>>() })
}

//! `chain weights`: who weighs whom.

use std::io::Write;

use serde_json::{Map, Value, json};

use super::table::table;
use super::{CommandError, Site, print_json, print_lines};
use crate::cli::Weights;

pub(super) async fn run(site: &Site, flags: &Weights, out: &mut impl Write) -> Result<(), CommandError> {
    let client = site.connect().await?;
    let block = client.finalized().await.map_err(CommandError::Chain)?;
    let metagraph = client.metagraph(site.netuid, block).await.map_err(CommandError::Chain)?;
    let mut weights = client.weights(site.netuid, block).await.map_err(CommandError::Chain)?;
    weights.retain(|uid, _| flags.uid.is_none_or(|only| only == *uid));
    if flags.output.json {
        let rows = weights.into_iter().map(|(uid, row)| {
            let neuron = metagraph.by_uid(uid);
            let row: Map<String, Value> =
                row.into_iter().map(|(uid, weight)| (uid.to_string(), json!(weight))).collect();
            json!({
                "uid": uid, "hotkey": neuron.map(|neuron| neuron.hotkey),
                "last_update": neuron.map(|neuron| neuron.last_update), "weights": row,
            })
        });
        let rows: Vec<_> = rows.collect();
        return print_json(out, &json!({ "netuid": site.netuid, "block": block.number, "validators": rows }));
    }
    let rows: Vec<_> = weights
        .iter()
        .flat_map(|(validator, row)| {
            let sum: u64 = row.iter().map(|(_, weight)| u64::from(*weight)).sum();
            row.iter().map(move |(uid, weight)| {
                let share = u64::from(*weight) as f64 / sum.max(1) as f64;
                vec![validator.to_string(), uid.to_string(), weight.to_string(), format!("{share:.4}")]
            })
        })
        .collect();
    let mut lines = table(&["validator", "uid", "weight", "share"], &rows);
    lines.push(format!(
        "{} validators have set weights on subnet {} at block {block}",
        weights.len(),
        site.netuid
    ));
    print_lines(out, &lines)
}

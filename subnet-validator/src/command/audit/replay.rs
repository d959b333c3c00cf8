//! `audit replay`: the weights that several validators' bundles give together.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use chain_client::command::CommandError as SharedError;
use protocol::account::AccountId;
use serde_json::json;

use super::super::{CommandError, Place, print_json, print_lines};
use super::{From, check};
use crate::audit::merged::merge_by_stake;
use crate::audit::review::Reviewed;
use crate::cli::Replay;

pub(super) async fn run(
    place: &Place,
    flags: Replay,
    out: &mut (impl Write + Send),
) -> Result<(), CommandError> {
    let Replay { folders, stakes, output } = flags;
    let mut reviewed = review_all(&folders, output.json).await?;
    // Whatever order the folders were given in.
    reviewed.sort_by_key(|reviewed| reviewed.head.validator);
    let stakes = match (stakes.is_empty(), reviewed.len()) {
        (false, _) => stakes.into_iter().collect(),
        // One table is the same whatever stands behind it.
        (true, 1) => reviewed.iter().map(|reviewed| (reviewed.head.validator, 1)).collect(),
        (true, _) => stakes_on_chain(place).await?,
    };
    let stake = |reviewed: &Reviewed| stakes.get(&reviewed.head.validator).copied().unwrap_or(0);
    let points = merge_by_stake(reviewed.iter().map(|reviewed| (stake(reviewed), &reviewed.replayed.table)));
    let best = points.iter().map(|(_, points)| *points).max().unwrap_or(0).max(1);
    let weight =
        |points: u32| (u64::from(points) * u64::from(u16::MAX) + u64::from(best) / 2) / u64::from(best);
    if output.json {
        let logs = reviewed.iter().map(|reviewed| {
            let head = &reviewed.head;
            json!({
                "validator": head.validator, "epochIndex": head.epoch_index, "head": head.digest(),
                "leaves": reviewed.replayed.leaves, "stakeRao": stake(reviewed),
            })
        });
        let miners = points.iter().map(
            |(hotkey, points)| json!({ "hotkey": hotkey, "basisPoints": points, "weight": weight(*points) }),
        );
        return print_json(
            out,
            &json!({ "logs": logs.collect::<Vec<_>>(), "miners": miners.collect::<Vec<_>>() }),
        );
    }
    let mut lines: Vec<String> = reviewed
        .iter()
        .map(|reviewed| {
            let (head, leaves) = (&reviewed.head, reviewed.replayed.leaves);
            format!(
                "log of {}: epoch {}, {leaves} leaves, stake {} rao",
                head.validator,
                head.epoch_index,
                stake(reviewed)
            )
        })
        .collect();
    lines.push(format!("{:<48}  {:>6}  {:>6}", "miner", "points", "weight"));
    lines.extend(
        points.iter().map(|(hotkey, points)| {
            format!("{:<48}  {points:>6}  {:>6}", hotkey.to_string(), weight(*points))
        }),
    );
    print_lines(out, &lines)
}

/// All of them, or the first that is wrong. They must be of one tempo and of different validators.
async fn review_all(folders: &[PathBuf], quiet: bool) -> Result<Vec<Reviewed>, CommandError> {
    let mut all: Vec<Reviewed> = Vec::with_capacity(folders.len());
    for folder in folders {
        let reviewed = check(From::Folder(folder.clone(), None), None, None, quiet).await;
        let reviewed = reviewed.map_err(|error| CommandError::Review(Box::new(error)))?;
        let fits = |other: &Reviewed| {
            other.head.epoch_index == reviewed.head.epoch_index
                && other.head.validator != reviewed.head.validator
                && other.head.policy == reviewed.head.policy
        };
        if !all.iter().all(fits) {
            return Err(CommandError::Unmergeable { folder: folder.clone() });
        }
        all.push(reviewed);
    }
    Ok(all)
}

async fn stakes_on_chain(place: &Place) -> Result<BTreeMap<AccountId, u64>, CommandError> {
    let client = place.site.connect().await?;
    let at = client.finalized().await.map_err(SharedError::Chain)?;
    let metagraph = client.metagraph(place.config.netuid, at).await.map_err(SharedError::Chain)?;
    let permitted = metagraph.neurons.into_iter().filter(|neuron| neuron.validator_permit);
    Ok(permitted.map(|neuron| (neuron.hotkey, neuron.stake_weight_rao)).collect())
}

//! Cheats among the miners and the validators are named with evidence that anybody can check, and the chain pays by what the honest say.

use std::fs;
use std::path::Path;

use clap::Parser;
use protocol::evidence::Finding;
use serde_json::{Value, json};
use subnet_tests::cheats::{CaughtMiner, CaughtValidator, Outcome, play};
use subnet_tests::smollm2_path;
use subnet_validator::cli::Cli;
use subnet_validator::command;

/// Runs the program's command on these files; answers what it printed, or its exit code.
async fn command(arguments: &[&str], files: &[&Path]) -> Result<Value, u8> {
    let files = files.iter().map(|file| file.to_str().expect("a readable path"));
    let all = ["subnet-validator", "audit"].into_iter().chain(arguments.iter().copied()).chain(files);
    let mut out = Vec::new();
    let cli = Cli::try_parse_from(all.chain(["--json"])).expect("a command line");
    Box::pin(command::run(cli, &mut out)).await.map_err(|error| error.exit_code())?;
    Ok(serde_json::from_slice(&out).expect("JSON"))
}

fn named(caught: &CaughtValidator, why: &str) {
    for verdict in &caught.verdicts {
        let told = format!("{:?} {:?}", verdict.reason, verdict.findings);
        assert!(!verdict.agreed && told.contains(why), "{told}");
        assert_eq!(verdict.validator, Some(caught.by));
    }
}

/// Whoever has a validator's files convinces himself, without a chain.
async fn validators_papers_convince(outcome: &Outcome) {
    let papers = [outcome.dropped.evidence.as_path(), outcome.dropped.bundle.as_path()];
    let proven = command(&["dispute", "--bundle"], &[papers[1], papers[0]]).await.expect("a proof");
    assert_eq!((&proven["proven"], &proven["node"]), (&true.into(), &outcome.dropped.by.to_ss58().into()));
    let innocent = command(&["dispute"], &papers[..1]).await;
    assert_eq!(innocent, Err(4), "one call alone contradicts nothing");
    assert_eq!(command(&["review", "--offline"], &[&outcome.inflated.bundle]).await, Err(4));
}

/// So does whoever has one file against a miner, and the model where the answer is in question.
async fn miners_papers_convince(outcome: &Outcome) {
    let CaughtMiner { by, found, evidence } = &outcome.smaller;
    assert!(found.iter().all(|found| matches!(found.finding(), Finding::Reexecution(_))), "{found:?}");
    let model = smollm2_path();
    let (file, model) = (evidence[0].as_path(), model.as_path());
    let proven = command(&["recheck", "--model"], &[model, file]).await.expect("found again");
    let one = &proven["evidence"][0];
    let told = ["proven", "miner", "foundFault"].map(|field| &one[field]);
    assert_eq!(told, [&json!(true), &json!(by), &one["claimedFault"]], "{proven}");
    assert_eq!(command(&["recheck"], &[file]).await, Err(2), "it takes the model");
    let another = file.with_file_name("another.gguf");
    fs::copy(outcome.smaller_model.as_path(), &another).expect("a copy");
    assert_eq!(command(&["recheck", "--model"], &[&another, file]).await, Err(1), "it takes the right model");

    let papers = |found: &&std::path::PathBuf| {
        let number = outcome.replayed.evidence.iter().position(|file| file == *found).expect("one of them");
        matches!(outcome.replayed.found[number].finding(), Finding::ReplayedAnswer(..))
    };
    let file = outcome.replayed.evidence.iter().find(papers).expect("an answer that came twice");
    let proven = command(&["recheck"], &[file]).await.expect("papers that prove by themselves");
    let told = ["proven", "miner"].map(|field| &proven["evidence"][0][field]);
    assert_eq!(told, [&json!(true), &json!(outcome.replayed.by)], "{proven}");
    // All of it at once, as the honest validator's bundle has it.
    let list = outcome.honest_evidence.as_path();
    let proven = command(&["recheck", "--model"], &[&smollm2_path(), list]).await.expect("a list");
    let accused =
        |miner| proven["evidence"].as_array().expect("a list").iter().any(|one| one["miner"] == json!(miner));
    assert!(
        proven["proven"] == true && accused(outcome.smaller.by) && accused(outcome.replayed.by),
        "{proven}"
    );
    let mut bytes = fs::read(file).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let forged = file.with_file_name("forged.evidence");
    fs::write(&forged, bytes).expect("a file");
    assert_eq!(command(&["recheck"], &[&forged]).await, Err(4), "a changed bit is no evidence");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_cheats_are_named_with_evidence_and_the_chain_pays_by_what_the_honest_agree_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let outcome = Box::pin(play(folder.path(), |_| ())).await;

    // Both cheating validators, by both honest ones, each with a reason.
    named(&outcome.dropped, "the log lacks call");
    named(&outcome.inflated, "other scores than the head says");
    validators_papers_convince(&outcome).await;
    miners_papers_convince(&outcome).await;

    // The honest agree bit for bit: one of them has no receipt of its own, and has the evidence from the other's bundle.
    let [honest, auditor] = &outcome.merged;
    assert_eq!((honest, honest.digest()), (auditor, auditor.digest()));
    assert_eq!(honest.voices.len(), 1, "neither cheat's log is used: {honest:?}");
    assert_eq!(outcome.weights[0], outcome.weights[1]);
    assert_eq!(outcome.weights[0], honest.weights);
    for cheat in [outcome.smaller.by, outcome.replayed.by] {
        let points = honest.points.iter().find(|(miner, _)| *miner == cheat).map_or(0, |(_, points)| *points);
        assert_eq!(points, 0, "a convicted miner has points: {honest:?}");
    }

    // More than half of the stake gives the cheats nothing, so that is what they get, whatever their friend claims.
    assert_eq!(outcome.cheats_incentive, [0, 0]);
    assert!(
        outcome.honest_incentive.iter().any(|incentive| *incentive > 0),
        "{:?}",
        outcome.honest_incentive
    );
    let [honest, dropper, inflator, auditor] = outcome.validators;
    assert_eq!(honest.0, auditor.0);
    assert!(dropper.0 < honest.0 && inflator.0 < honest.0, "{:?}", outcome.validators);
    // Three times the stake of a cheat's: more than three times its dividends.
    for cheat in [dropper, inflator] {
        assert!(u32::from(honest.1) > 3 * u32::from(cheat.1), "{:?}", outcome.validators);
    }
}

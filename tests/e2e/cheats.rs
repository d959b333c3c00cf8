//! Cheats among the validators are named with evidence, and the chain pays by what the honest say.

use std::path::Path;

use clap::Parser;
use subnet_tests::cheats::{Caught, play};
use subnet_validator::cli::Cli;
use subnet_validator::command;

/// Runs the program's command on these files; answers what it printed, or its exit code.
async fn command(arguments: &[&str], files: &[&Path]) -> Result<serde_json::Value, u8> {
    let files = files.iter().map(|file| file.to_str().expect("a readable path"));
    let all = ["subnet-validator", "audit"].into_iter().chain(arguments.iter().copied()).chain(files);
    let mut out = Vec::new();
    let cli = Cli::try_parse_from(all.chain(["--json"])).expect("a command line");
    Box::pin(command::run(cli, &mut out)).await.map_err(|error| error.exit_code())?;
    Ok(serde_json::from_slice(&out).expect("JSON"))
}

fn named(caught: &Caught, why: &str) {
    for verdict in &caught.verdicts {
        let told = format!("{:?} {:?}", verdict.reason, verdict.findings);
        assert!(!verdict.agreed && told.contains(why), "{told}");
        assert_eq!(verdict.validator, Some(caught.by));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cheating_validators_are_named_and_the_chain_pays_by_what_the_honest_agree_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let outcome = Box::pin(play(folder.path(), |_| ())).await;

    // Both cheats, by both honest validators, each with a reason.
    named(&outcome.dropped, "the log lacks call");
    named(&outcome.inflated, "other scores than the head says");

    // The evidence convinces whoever has the files, without a chain.
    let papers = [outcome.dropped.evidence.as_path(), outcome.dropped.bundle.as_path()];
    let proven = command(&["dispute", "--bundle"], &[papers[1], papers[0]]).await.expect("a proof");
    assert_eq!((&proven["proven"], &proven["node"]), (&true.into(), &outcome.dropped.by.to_ss58().into()));
    let innocent = command(&["dispute"], &papers[..1]).await;
    assert_eq!(innocent, Err(4), "one call alone contradicts nothing");
    assert_eq!(command(&["review", "--offline"], &[&outcome.inflated.bundle]).await, Err(4));

    // The honest agree bit for bit: one of them has no receipt of its own.
    let [honest, auditor] = &outcome.merged;
    assert_eq!((honest, honest.digest()), (auditor, auditor.digest()));
    assert_eq!(honest.voices.len(), 1, "neither cheat's log is used: {honest:?}");
    assert_eq!(outcome.weights[0], outcome.weights[1]);
    assert_eq!(outcome.weights[0], honest.weights);

    // A liar's weight is clipped to what the majority says, and what its row lacks is missing from the sum. The honest have three
    // quarters of the stake, so at worst the cheats' rows lack everything else and the friend's share grows by a third, however
    // much is claimed; how much of it they lack depends on which miners served the dropper's calls. The chain trusts them less.
    let (incentive, share) = outcome.friend_incentive;
    assert!(
        u32::from(incentive) * 3 <= u32::from(share) * 4 + 300,
        "the friend has {incentive} of 65535, the honest say {share}"
    );
    let [honest, dropper, inflator, auditor] = outcome.validators;
    assert_eq!(honest.0, auditor.0);
    assert!(dropper.0 < honest.0 && inflator.0 < honest.0, "{:?}", outcome.validators);
    // Three times the stake of a cheat's: more than three times its dividends.
    for cheat in [dropper, inflator] {
        assert!(u32::from(honest.1) > 3 * u32::from(cheat.1), "{:?}", outcome.validators);
    }
}

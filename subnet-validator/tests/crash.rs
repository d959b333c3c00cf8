//! Kills, torn logs and flipped bits, many times over. A few of each by default; `LEDGER_CRASHES` and `LEDGER_TEARS` give other
//! counts, such as 1,000 and 10,000.
//!
//! The oracle of a crash is the writer's own list of acknowledgements: a child process appends receipts and names each one on
//! its standard error once it was acknowledged, until it is killed. strace tells what such a child asks of the system, and when.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "it/support.rs"]
#[allow(dead_code)]
mod support;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use protocol::merkle;
use subnet_validator::ledger::{Ledger, LedgerConfig, LogHead, OpenError};
use support::{Random, crash_image, miner_key, open_ledger, owner, receipt};

const CHILD: &str = "the_child_appends_until_it_is_killed";
const CHILD_FOLDER: &str = "LEDGER_CRASH_FOLDER";
const CHILD_FIRST: &str = "LEDGER_CRASH_FIRST";
const CHILD_END: &str = "LEDGER_CRASH_END";
const CHILD_IN_FLIGHT: &str = "LEDGER_CRASH_IN_FLIGHT";
const PATIENT_CHILD: &str = "the_patient_child_says_what_is_written_and_what_is_synced";
/// Receipts under way at a time, so that groups form.
const IN_FLIGHT: usize = 8;
/// Crashes of one ledger before a new one is begun.
const CRASHES_EACH: u64 = 20;

fn count(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

/// Does nothing by itself: the test below runs it as a process of its own and kills that.
#[tokio::test]
async fn the_child_appends_until_it_is_killed() {
    let Some(folder) = std::env::var_os(CHILD_FOLDER) else { return };
    let (first, end) = (count(CHILD_FIRST, 0), count(CHILD_END, u64::MAX));
    let in_flight = count(CHILD_IN_FLIGHT, IN_FLIGHT as u64) as usize;
    let ledger = open_ledger(Path::new(&folder));
    let bob = miner_key("//Bob");
    let mut under_way = FuturesUnordered::new();
    for sequence in first..end {
        let (ledger, receipt) = (ledger.clone(), receipt(&bob, sequence));
        under_way.push(async move { ledger.append(receipt).await.map(|_| sequence) });
        if under_way.len() == in_flight {
            let done = under_way.next().await.unwrap().unwrap();
            std::io::stderr().write_all(format!("{done}\n").as_bytes()).unwrap();
        }
    }
}

/// Does nothing by itself: says `written N` and `synced N` for one receipt after the other, and `refused N` where it has to ask again.
#[tokio::test]
async fn the_patient_child_says_what_is_written_and_what_is_synced() {
    let Some(folder) = std::env::var_os(CHILD_FOLDER) else { return };
    let ledger = open_ledger(Path::new(&folder));
    let bob = miner_key("//Bob");
    let say = |what: &str, sequence: u64| {
        std::io::stderr().write_all(format!("{what} {sequence}\n").as_bytes()).unwrap();
    };
    for sequence in 0..count(CHILD_END, 1) {
        for _ in 0..100 {
            let Ok(written) = ledger.write(receipt(&bob, sequence)).await else {
                say("refused", sequence);
                continue;
            };
            say("written", sequence);
            if written.synced().await.is_ok() {
                say("synced", sequence);
                break;
            }
            say("refused", sequence);
        }
    }
}

/// Runs the patient child under strace, which does something to its syncs, and answers what it said and the log's calls, in order.
fn trace_with(folder: &Path, receipts: u64, injection: &str) -> Vec<String> {
    let log = folder.join("calls");
    let status = Command::new("strace")
        .args(["-f", "-y", "-qq", "-s", "32", "-e", "signal=none", "-e", "trace=write,fdatasync"])
        .args(["-e", &format!("inject=fdatasync:{injection}"), "-o"])
        .arg(&log)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", PATIENT_CHILD, "--nocapture"])
        .env(CHILD_FOLDER, folder.join("ledger"))
        .env(CHILD_END, receipts.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .expect("strace is on the PATH (apt-get install strace)")
        .status;
    assert!(status.success(), "strace may trace its own children: {status}");
    let text = fs::read_to_string(&log).unwrap();
    let said = |call: &str| {
        let (_, text) = call.split_once("write(2<")?.1.split_once(", \"")?;
        let known = ["written", "synced", "refused"].iter().any(|word| text.starts_with(word));
        known.then(|| text.split('\\').next().unwrap().to_owned())
    };
    let of_log = |call: &str| {
        let call = call.trim_end_matches(" (DELAYED)");
        let ended = call.contains("fdatasync") && call.ends_with("= 0");
        let of_log = call.contains(".log>") || call.contains("<... fdatasync resumed>");
        (ended && of_log).then(|| "the log is synced".to_owned())
    };
    text.lines().filter_map(|call| said(call).or_else(|| of_log(call))).collect()
}

#[test]
fn a_user_waits_for_the_write_and_an_acknowledgement_for_the_sync() {
    let folder = tempfile::tempdir().unwrap();
    let told = trace_with(folder.path(), 5, "delay_enter=20000");
    let receipts = (0..5).flat_map(|number| {
        [format!("written {number}"), "the log is synced".to_owned(), format!("synced {number}")]
    });
    let told: Vec<_> = told.into_iter().skip_while(|told| told == "the log is synced").collect();
    assert_eq!(told, receipts.collect::<Vec<_>>());
}

#[test]
fn a_sync_that_fails_acknowledges_nothing_and_the_ledger_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    // Each thread's own 40th: opening takes fewer, so it is the syncer's.
    let told = trace_with(folder.path(), 60, "error=EIO:when=40");
    let refused = told.iter().filter(|told| told.starts_with("refused")).count();
    assert!((1..10).contains(&refused), "{told:?}");
    let synced: Vec<_> = told.iter().filter(|told| told.starts_with("synced")).cloned().collect();
    assert_eq!(synced, (0..60).map(|number| format!("synced {number}")).collect::<Vec<_>>());
    let ledger = open_ledger(&folder.path().join("ledger"));
    assert_eq!(ledger.reader().verify(|_| {}).unwrap().size, 60);
}

/// Runs the child until it has acknowledged `acknowledged` receipts, lets it go on for a moment, and kills it. Answers all that
/// it acknowledged.
fn run_and_kill(folder: &Path, first: u64, acknowledged: u64, moment: u64) -> Vec<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture"])
        .env(CHILD_FOLDER, folder)
        .env(CHILD_FIRST, first.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut told = Vec::new();
    let mut line = String::new();
    while told.len() < acknowledged as usize {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the child ended by itself");
        told.extend(line.trim().parse::<u64>());
    }
    for _ in 0..moment {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    loop {
        line.clear();
        // A line cut off in the middle tells nothing.
        if lines.read_line(&mut line).unwrap() == 0 || !line.ends_with('\n') {
            return told;
        }
        told.extend(line.trim().parse::<u64>());
    }
}

#[test]
fn whatever_was_acknowledged_before_a_kill_is_there_once() {
    let crashes = count("LEDGER_CRASHES", 10);
    let mut random = Random(0x5eed_0001);
    let (mut folder, mut told) = (tempfile::tempdir().unwrap(), BTreeSet::new());
    let mut in_all = 0;
    for crash in 0..crashes {
        if crash % CRASHES_EACH == 0 {
            (folder, told) = (tempfile::tempdir().unwrap(), BTreeSet::new());
        }
        // Begins anew with what was not acknowledged: some of it may be in the log already.
        let first = told.last().map_or(0, |last: &u64| (last + 1).saturating_sub(IN_FLIGHT as u64));
        let (acknowledged, moment) = (random.below(48), random.below(400_000));
        let more = run_and_kill(folder.path(), first, acknowledged, moment);
        in_all += more.len();
        told.extend(more);

        let ledger = open_ledger(folder.path());
        let verified = ledger.reader().verify(|_| {}).unwrap();
        assert_eq!((verified.size, verified.root), (ledger.head().size, ledger.head().root));
        let mut held = BTreeSet::new();
        for stored in ledger.reader().from(0, usize::MAX).unwrap() {
            assert!(held.insert(stored.receipt.ticket().sequence), "crash {crash}: a receipt is there twice");
        }
        assert!(told.is_subset(&held), "crash {crash}: acknowledged and lost: {:?}", told.difference(&held));
    }
    writeln!(std::io::stderr(), "{crashes} kills, {in_all} acknowledgements, none lost, none twice").unwrap();
}

/// What a child's system calls came to.
#[derive(Debug, Default)]
struct Traced {
    acknowledged: u64,
    syncs: u64,
    /// Acknowledgements since which nothing had been written and synced when they left.
    early: Vec<u64>,
}

/// Runs the child under strace until it has appended `receipts`, and follows the calls of all its threads in their order.
fn trace(in_flight: u64, receipts: u64) -> Traced {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("calls");
    let calls =
        ["-f", "-y", "-qq", "-s", "16", "-e", "signal=none", "-e", "trace=write,fsync,fdatasync", "-o"];
    let status = Command::new("strace")
        .args(calls)
        .arg(&log)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture"])
        .env(CHILD_FOLDER, folder.path().join("ledger"))
        .env(CHILD_END, receipts.to_string())
        .env(CHILD_IN_FLIGHT, in_flight.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .expect("strace is on the PATH (apt-get install strace)")
        .status;
    assert!(status.success(), "strace may trace its own children: {status}");

    let (mut traced, mut begun) = (Traced::default(), HashMap::new());
    // Whether the log was written to since the last acknowledgement, and whether all of that is synced.
    let (mut written, mut synced) = (false, false);
    for line in fs::read_to_string(&log).unwrap().lines() {
        let (thread, call) = line.split_once(' ').unwrap();
        let call = call.trim_start();
        if let Some((_, told)) = call.split_once("write(2<").and_then(|(_, text)| text.split_once(", \"")) {
            let number: String = told.chars().take_while(char::is_ascii_digit).collect();
            if let Ok(number) = number.parse::<u64>() {
                traced.acknowledged += 1;
                traced.early.extend((!written || !synced).then_some(number));
                written = false;
            }
            continue;
        }
        let is_log = call.contains(".log>");
        if call.ends_with("<unfinished ...>") {
            begun.insert(thread, (call, is_log));
            // A sync that began before this write says nothing about it.
            synced &= !(is_log && call.starts_with("write("));
            continue;
        }
        let (call, is_log) = match call.starts_with("<...") {
            false => (call, is_log),
            true => match begun.remove(thread) {
                Some(whole) => whole,
                // The rest of an acknowledgement.
                None => continue,
            },
        };
        if is_log && call.starts_with("write(") {
            (written, synced) = (true, false);
        } else if is_log && line.ends_with("= 0") {
            traced.syncs += 1;
            synced = written;
        }
    }
    assert_eq!(traced.acknowledged, receipts - (in_flight - 1), "the trace has every acknowledgement");
    traced
}

#[test]
fn a_trace_of_system_calls_shows_the_log_synced_before_each_acknowledgement() {
    let traced = trace(1, 40);
    assert_eq!((&traced.early, traced.syncs >= 40), (&Vec::new(), true), "{traced:?}");
}

#[test]
fn a_trace_of_system_calls_shows_receipts_that_share_a_sync() {
    let traced = trace(IN_FLIGHT as u64, 160);
    assert!(traced.syncs > 0 && traced.syncs < traced.acknowledged, "{traced:?}");
}

#[tokio::test]
async fn a_log_torn_or_flipped_at_random_opens_with_a_whole_prefix_or_not_at_all() {
    let tears = count("LEDGER_TEARS", 40);
    let folder = tempfile::tempdir().unwrap();
    let live = folder.path().join("live");
    let ledger = open_ledger(&live);
    let bob = miner_key("//Bob");
    let mut leaves = Vec::new();
    for sequence in 0..24 {
        let receipt = receipt(&bob, sequence);
        leaves.push(receipt.leaf_hash());
        ledger.append(receipt).await.unwrap();
    }
    let roots: Vec<_> = (0..=leaves.len()).map(|size| merkle::root(&leaves[..size])).collect();
    let mut random = Random(0x5eed_0002);
    let (mut whole, mut shorter, mut refused) = (0_u64, 0_u64, 0_u64);
    for tear in 0..tears {
        let image = folder.path().join("image");
        let log = crash_image(&live, &image);
        let mut bytes = fs::read(&log).unwrap();
        let at = random.below(bytes.len() as u64) as usize;
        if tear % 2 == 0 {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1 << random.below(8);
        }
        fs::write(&log, bytes).unwrap();
        match Ledger::open(LedgerConfig::new(image.clone(), owner())) {
            Ok(ledger) => {
                let LogHead { size, root } = ledger.head();
                assert_eq!(root, roots[size as usize], "tear {tear} at {at}");
                assert_eq!(ledger.reader().verify(|_| {}).unwrap().size, size, "tear {tear} at {at}");
                *(if size < 24 { &mut shorter } else { &mut whole }) += 1;
            }
            Err(OpenError::Damaged { .. }) => refused += 1,
            Err(other) => panic!("tear {tear} at {at}: {other}"),
        }
        fs::remove_dir_all(image).unwrap();
    }
    assert!(shorter > 0 && refused > 0, "{whole} whole, {shorter} shorter, {refused} refused");
    writeln!(std::io::stderr(), "{tears} tears: {whole} whole, {shorter} a prefix, {refused} refused")
        .unwrap();
}

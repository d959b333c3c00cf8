//! Flags of `audit`.

use std::path::PathBuf;

use chain_client::cli::Output;
use clap::{Args, Subcommand};
use protocol::account::AccountId;

/// Commands about audits.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Write a tempo's bundle: everything that its scores follow from. The validator may be running.
    Export {
        /// The tempo, by the chain's epoch index; the newest that has a head unless given.
        #[arg(long, value_name = "INDEX")]
        epoch: Option<u64>,
        /// The folder of bundles: leaves that an earlier tempo's bundle there has are not written again.
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// Send the bundle to the object storage of the configuration as well.
        #[arg(long)]
        upload: bool,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Fetch a bundle from a validator's gateway. Goes on where an earlier fetch into the same folder broke off, and brings only what
    /// earlier tempos have not brought.
    Fetch {
        /// The gateway, such as http://203.0.113.7:8064, or s3://bucket/prefix or file:///folder with [audit.store]'s settings.
        url: String,
        /// The tempo, by the chain's epoch index; the newest unless given.
        #[arg(long, value_name = "INDEX")]
        epoch: Option<u64>,
        /// The folder of bundles.
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Compute a bundle's scores again and compare. Ends with code 4 if the validator is found to be wrong, with 5 if it is right and a
    /// miner that --challenge asked is caught.
    Review {
        /// The folder of bundles, whose newest is reviewed, or one tempo's folder in it; or s3://bucket/prefix or file:///folder.
        #[arg(value_name = "FOLDER")]
        bundle: String,
        /// In object storage: the tempo, by the chain's epoch index; the newest unless given.
        #[arg(long, value_name = "INDEX")]
        epoch: Option<u64>,
        /// File with the parts that were verified before; made if it is not there. A review that was stopped goes on, and that of a
        /// later tempo verifies new parts only. Believed, so keep it where nobody else writes.
        #[arg(long, value_name = "FILE")]
        resume: Option<PathBuf>,
        /// The validator it must be of (ss58).
        #[arg(long, value_name = "HOTKEY")]
        validator: Option<AccountId>,
        /// Bundles of the same tempo of other validators, whose logs this one's weights may follow from too.
        #[arg(long, value_name = "FOLDER")]
        with: Vec<PathBuf>,
        /// Only the files: do not compare with the chain.
        #[arg(long)]
        offline: bool,
        /// Ask so many of the miners that the bundle pays, drawn at random, to show pieces of their weights. Needs a hotkey that miners
        /// answer to: one with a validator's permit.
        #[arg(long, value_name = "MINERS", default_value_t = 0, conflicts_with = "offline")]
        challenge: usize,
        /// Where evidence goes if a miner shows something else.
        #[arg(long, value_name = "FOLDER", default_value = "evidence", requires = "challenge")]
        evidence: PathBuf,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Compute the weights that one or more validators' bundles give together. Ends with code 4 if one of them is wrong.
    Replay(Replay),
    /// Check papers that prove a node guilty, from files alone. Ends with code 4 if they prove nothing.
    Dispute(Dispute),
    /// Look whether two bundles of one validator, as two parties have them, hold heads that contradict each other, in whichever of its
    /// logs, and write the two down as papers for `dispute`. Ends with code 4 if none do.
    Equivocation(Equivocation),
    /// Check evidence against a miner again: its signatures, and what it says of an answer by executing the call once more. Ends with code 4 if it proves nothing, with 2 if the model's file is needed and was not given.
    Recheck(Recheck),
}

/// Flags of `audit recheck`.
#[derive(Debug, Args)]
pub struct Recheck {
    /// The evidence, in SCALE: one record, or a bundle's evidence.scale.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The file of the model that the call was about.
    #[arg(long, value_name = "PATH")]
    pub model: Option<PathBuf>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `audit replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// Bundles of one tempo, of one validator each.
    #[arg(required = true, value_name = "FOLDER")]
    pub folders: Vec<PathBuf>,
    /// What a validator's log weighs, in rao; the stakes on chain unless given.
    #[arg(long = "stake", value_name = "HOTKEY=RAO", value_parser = parse_stake)]
    pub stakes: Vec<(AccountId, u64)>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `audit dispute`.
#[derive(Debug, Args)]
pub struct Dispute {
    /// The papers: two statements that contradict each other, or with --bundle one countersigned call. In SCALE, or 0x and the digits, as
    /// `audit equivocation` and `subnet-miner receipts export` write them.
    #[arg(value_name = "FILE")]
    pub papers: PathBuf,
    /// The bundle whose log must hold the call.
    #[arg(long, value_name = "FOLDER")]
    pub bundle: Option<PathBuf>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `audit equivocation`.
#[derive(Debug, Args)]
pub struct Equivocation {
    /// A folder of bundles, whose newest is looked at, or one tempo's folder in it.
    #[arg(value_name = "FOLDER")]
    pub one: PathBuf,
    /// Another of the same validator, of the same tempo or not.
    #[arg(value_name = "OTHER")]
    pub other: PathBuf,
    /// Where the papers go if there are any.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

fn parse_stake(text: &str) -> Result<(AccountId, u64), String> {
    let (hotkey, rao) = text.split_once('=').ok_or("write HOTKEY=RAO")?;
    let hotkey = hotkey.parse().map_err(|_| format!("{hotkey} is no ss58 address"))?;
    let rao = rao.parse().map_err(|_| format!("{rao} is no whole number of rao"))?;
    Ok((hotkey, rao))
}

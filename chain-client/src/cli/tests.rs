use clap::{CommandFactory, Parser};

use super::*;

/// A program with the shared flags and commands and nothing else.
#[derive(Debug, Parser)]
struct Program {
    #[command(flatten)]
    chain: ChainFlags,
    #[command(flatten)]
    log: LogFlags,
    #[command(subcommand)]
    command: ProgramCommand,
}

#[derive(Debug, Subcommand)]
enum ProgramCommand {
    #[command(subcommand)]
    Wallet(WalletCommand),
    #[command(subcommand)]
    Chain(ChainCommand),
}

fn parse(arguments: &[&str]) -> Result<Program, clap::Error> {
    Program::try_parse_from([&["program"], arguments].concat())
}

#[test]
fn the_shared_command_line_contradicts_itself_nowhere() {
    Program::command().debug_assert();
}

#[test]
fn older_spellings_mean_the_same_and_are_not_shown() {
    let old =
        ["--wallet.name", "w", "--wallet_hotkey", "h", "--wallet.path", "p", "--subtensor.network", "test"];
    let new = ["--wallet", "w", "--wallet-hotkey", "h", "--wallet-path", "p", "--network", "test"];
    let [old, new] = [old, new].map(|flags| {
        let flags = parse(&[&flags[..], &["chain", "status"]].concat()).unwrap().chain;
        (flags.wallet, flags.wallet_hotkey, flags.wallet_path, flags.network)
    });
    assert_eq!(old, new);
    let help = Program::command().render_long_help().to_string();
    assert!(!help.contains("wallet.name") && !help.contains("subtensor"), "{help}");
}

#[test]
fn an_explicit_level_wins_over_the_old_switches() {
    let level = |flags: &[&str]| parse(&[flags, &["chain", "status"]].concat()).unwrap().log.level();
    assert_eq!(level(&[]), None);
    assert_eq!(level(&["--logging.debug"]).unwrap(), "debug");
    assert_eq!(level(&["--logging.debug", "--logging.trace"]).unwrap(), "trace");
    assert_eq!(level(&["--logging.trace", "--log-level", "warn"]).unwrap(), "warn");
}

#[test]
fn a_price_limit_is_one_amount_and_not_for_work() {
    let register = |flags: &[&str]| {
        parse(&[&["chain", "register"], flags].concat()).map(|program| match program.command {
            ProgramCommand::Chain(ChainCommand::Register(flags)) => flags.limit_rao(),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(register(&["--burn-max-tao", "0.5"]).unwrap(), Some(500_000_000));
    assert_eq!(register(&["--burn-max-rao", "7", "-y"]).unwrap(), Some(7));
    assert_eq!(register(&["--no-prompt"]).unwrap(), None);
    for wrong in [&["--burn-max-tao", "1", "--burn-max-rao", "1"][..], &["--pow", "--burn-max-rao", "1"]] {
        assert!(register(wrong).is_err(), "{wrong:?}");
    }
    assert!(register(&["--pow-threads", "2"]).is_err(), "threads without work");
}

#[test]
fn an_address_is_given_whole_or_in_parts() {
    let axon = |flags: &[&str]| {
        parse(&[&["chain", "axon"], flags].concat()).map(|program| match program.command {
            ProgramCommand::Chain(ChainCommand::Axon(flags)) => flags.wanted(),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(axon(&[]).unwrap(), None);
    let whole = axon(&["--address", "[2001:db8::7]:443"]).unwrap();
    assert_eq!(whole, Some("[2001:db8::7]:443".parse().unwrap()));
    assert_eq!(axon(&["--external-ip", "2001:db8::7", "--external_port", "443"]).unwrap(), whole);
    assert!(axon(&["--external-ip", "2001:db8::7"]).is_err());
}

#[test]
fn signatures_are_read_with_and_without_their_prefix() {
    let digits = "ab".repeat(64);
    assert_eq!(parse_signature(&digits), parse_signature(&format!("0x{digits}")));
    assert!(parse_signature("0xab").is_err());
}

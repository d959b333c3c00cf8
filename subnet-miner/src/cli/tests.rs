use clap::CommandFactory;

use super::*;

fn config(arguments: &[&str]) -> Config {
    let cli = Cli::try_parse_from([&["subnet-miner"], arguments].concat()).unwrap();
    let mut config = Config { network: "test".to_owned(), ..Config::default() };
    cli.global.apply(&mut config);
    if let Command::Run(run) = &cli.command {
        run.apply(&mut config);
    }
    config
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_nothing() {
    assert_eq!(config(&["run", "--network", "local"]).network, "local");
    assert_eq!(config(&["run"]).network, "test");
}

#[test]
fn global_flags_may_stand_before_or_after_the_command() {
    assert_eq!(config(&["--netuid", "7", "run"]).netuid, 7);
    assert_eq!(config(&["run", "--netuid", "7"]).netuid, 7);
}

#[test]
fn older_spellings_mean_the_same() {
    let old = config(&[
        "run",
        "--wallet.name",
        "w",
        "--wallet.hotkey",
        "h",
        "--wallet.path",
        "p",
        "--subtensor.network",
        "local",
        "--axon.port",
        "9000",
        "--logging.debug",
    ]);
    let new = config(&[
        "run",
        "--wallet",
        "w",
        "--wallet-hotkey",
        "h",
        "--wallet-path",
        "p",
        "--network",
        "local",
        "--bind",
        "0.0.0.0:9000",
        "--log-level",
        "debug",
    ]);
    assert_eq!(old, new);
    assert_eq!(new.wallet_path, PathBuf::from("p"));
    let help = Cli::command().render_long_help().to_string();
    assert!(!help.contains("wallet.name"), "{help}");
}

#[test]
fn models_and_callers_add_up() {
    let alice = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    let config =
        config(&["run", "--model", "a=x", "--model", "b=echo:", "--allow-hotkey", alice, "--no-serve-axon"]);
    assert_eq!(config.models.len(), 2);
    assert_eq!(config.permits.allow.len(), 1);
    assert!(!config.serve.axon);
}

#[test]
fn every_setting_in_the_default_file_stands_under_an_explanation() {
    let mut explained = false;
    for line in crate::config::DEFAULT_FILE.lines() {
        match line {
            "" => explained = false,
            _ if line.starts_with('#') => explained = true,
            _ if line.starts_with('[') => explained = false,
            _ => assert!(explained, "`{line}` has no comment above it"),
        }
    }
}

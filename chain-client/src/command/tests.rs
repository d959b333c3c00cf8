use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::cli::{Output, WalletNew, WalletSign, WalletVerify};

const JSON: Output = Output { json: true };

fn site(root: &TempDir) -> Site {
    Site {
        program: "subnet-miner",
        network: "local".to_owned(),
        local_endpoint: None,
        fallback_endpoints: None,
        netuid: 64,
        wallet: WalletPath::new(root.path().join("wallets"), "cold", "hot"),
        password_file: None,
        request_timeout_ms: 1_000,
    }
}

fn run(site: &Site, command: WalletCommand) -> Result<Value, Box<(CommandError, String)>> {
    let mut out = Vec::new();
    let result = wallet(site, &command, &mut out);
    let text = String::from_utf8(out).unwrap();
    match result {
        Ok(()) => Ok(serde_json::from_str(&text).unwrap()),
        Err(error) => Err(Box::new((error, text))),
    }
}

fn new() -> WalletCommand {
    WalletCommand::New(WalletNew { no_password: true, output: JSON })
}

#[test]
fn a_new_wallet_shows_its_phrases_once() {
    let root = TempDir::new().unwrap();
    let site = site(&root);
    let made = run(&site, new()).unwrap();
    for key in ["coldkey", "hotkey"] {
        assert_eq!(made[key].as_str().unwrap().len(), 48);
        assert_eq!(made[format!("{key}_phrase")].as_str().unwrap().split(' ').count(), 12);
    }
    assert_eq!(made["coldkey_encrypted"], false);
    let shown = run(&site, WalletCommand::Show(JSON)).unwrap();
    assert_eq!((&shown["coldkey"], &shown["hotkey"]), (&made["coldkey"], &made["hotkey"]));
    assert!(!shown.to_string().contains("phrase"));
    let (error, _) = *run(&site, new()).unwrap_err();
    assert!(matches!(error, CommandError::Wallet(WalletError::AlreadyExists { .. })), "{error}");
}

#[test]
fn a_second_hotkey_joins_the_coldkey_that_is_there_even_if_only_its_address_is() {
    let root = TempDir::new().unwrap();
    let mut site = site(&root);
    let first = run(&site, new()).unwrap();
    fs::remove_file(site.wallet.file(Role::Coldkey).unwrap()).unwrap();
    site.wallet.hotkey = "other".to_owned();
    let second = run(&site, new()).unwrap();
    assert_eq!(second["coldkey"], first["coldkey"]);
    assert_ne!(second["hotkey"], first["hotkey"]);
    assert!(second["coldkey_phrase"].is_null());
    assert!(!site.wallet.file(Role::Coldkey).unwrap().exists());
}

#[test]
fn what_was_signed_is_verified_and_what_was_not_is_a_failure() {
    let root = TempDir::new().unwrap();
    let site = site(&root);
    run(&site, new()).unwrap();
    let sign = |use_coldkey| {
        let flags = WalletSign { message: "hello".to_owned(), use_coldkey, use_hotkey: false, output: JSON };
        run(&site, WalletCommand::Sign(flags)).unwrap()
    };
    let verify = |message: &str, signed: &Value, address| {
        let signature = signed["signature"].as_str().unwrap().parse().unwrap();
        let message = message.to_owned();
        run(&site, WalletCommand::Verify(WalletVerify { message, signature, address, output: JSON }))
    };
    let signed = sign(false);
    assert_eq!(signed["signature"].as_str().unwrap().len(), 130);
    assert_eq!(verify("hello", &signed, None).unwrap()["valid"], true);
    let (error, printed) = *verify("hello!", &signed, None).unwrap_err();
    assert!(matches!(error, CommandError::BadSignature { .. }) && error.exit_code() == 1);
    assert!(printed.contains(r#""valid":false"#), "{printed}");
    let cold = sign(true);
    let coldkey = site.coldkey_account().unwrap();
    assert_eq!(cold["address"], coldkey.to_string());
    assert_eq!(verify("hello", &cold, Some(coldkey)).unwrap()["valid"], true);
    assert!(verify("hello", &cold, None).is_err());
}

#[test]
fn the_register_command_can_be_pasted() {
    let root = TempDir::new().unwrap();
    let command = site(&root).register_command();
    assert!(
        command.starts_with("subnet-miner register --network local --netuid 64 --wallet cold"),
        "{command}"
    );
}

#[test]
fn every_failure_has_an_exit_code_and_a_next_step() {
    let hotkey = AccountId([1; 32]);
    let register = "subnet-miner register".to_owned();
    let missing = CommandError::NotRegistered { hotkey, netuid: 64, register };
    assert_eq!(missing.exit_code(), 3);
    assert!(missing.next_step().unwrap().contains("subnet-miner register"));
    let network = network::resolve("nowhere").map(drop).map_err(CommandError::Network).unwrap_err();
    assert_eq!(network.exit_code(), 2);
    let declined = CommandError::NotConfirmed { reason: "the answer was no" };
    assert_eq!((declined.exit_code(), declined.next_step().is_some()), (1, true));
}

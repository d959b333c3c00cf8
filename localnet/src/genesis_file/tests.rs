//! Genesis files without a chain.

use std::error::Error as _;

use super::*;

fn refused(text: &str) -> String {
    let error = parse(text).unwrap_err();
    error.source().map(ToString::to_string).unwrap_or_default()
}

#[test]
fn the_printed_default_is_the_default() {
    assert_eq!(parse(DEFAULT).unwrap(), Genesis::default());
}

#[test]
fn the_examples_in_the_default_are_valid_too() {
    let uncomment = |line: &str| match line.strip_prefix("# ") {
        Some(code) if code.starts_with('[') || code.contains(" = ") => code.to_owned(),
        _ => line.to_owned(),
    };
    let text: Vec<String> = DEFAULT.lines().skip(5).map(uncomment).collect();
    let genesis = parse(&text.join("\n")).unwrap();
    assert_eq!(genesis.subnets[0].neurons.len(), 1);
    assert_eq!((genesis.stakes.len(), genesis.settings.len()), (1, 5));
    assert_eq!(genesis.stakes[0].amount_rao, 5_000_000_000);
}

#[test]
fn unknown_keys_are_refused_by_name() {
    assert!(refused(&format!("surprise = 1\n{DEFAULT}")).contains("surprise"));
    assert!(refused(&DEFAULT.replace("immunity_blocks", "immunity")).contains("immunity"));
    assert!(refused(&DEFAULT.replace("balance_rao", "balance")).contains("balance"));
}

#[test]
fn an_account_is_an_address_or_a_development_key() {
    let alice = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    let by_address = DEFAULT.replace("sudo = \"//Alice\"", &format!("sudo = \"{alice}\""));
    assert_eq!(parse(&by_address).unwrap(), Genesis::default());
    let wrong = alice.replace('Q', "R");
    assert!(refused(&by_address.replace(alice, &wrong)).contains("neither an address"));
}

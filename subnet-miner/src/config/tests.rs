use super::*;

#[test]
fn the_printed_default_file_is_the_default() {
    assert_eq!(toml::from_str::<Config>(DEFAULT_FILE).unwrap(), Config::default());
}

#[test]
fn the_printed_default_file_names_every_setting() {
    let written: toml::Table = toml::Table::try_from(Config::default()).unwrap();
    let printed: toml::Table = DEFAULT_FILE.parse().unwrap();
    fn names(table: &toml::Table, prefix: &str, found: &mut Vec<String>) {
        for (name, value) in table {
            let path = format!("{prefix}{name}");
            match value.as_table() {
                Some(inner) => names(inner, &format!("{path}."), found),
                None => found.push(path),
            }
        }
    }
    let (mut expected, mut actual) = (Vec::new(), Vec::new());
    names(&written, "", &mut expected);
    names(&printed, "", &mut actual);
    actual.sort();
    expected.sort();
    assert_eq!(actual, expected);
    // What is absent by default is shown as a comment.
    for optional in ["local_endpoint", "threads", "external_ip", "external_port", "tls_key"] {
        assert!(DEFAULT_FILE.contains(&format!("# {optional} = ")), "{optional}");
    }
}

#[test]
fn a_misspelt_setting_is_refused_by_name() {
    let error = toml::from_str::<Config>("[axon.limits]\nbody_bytes_maximum = 3\n").unwrap_err();
    assert!(error.to_string().contains("body_bytes_maximum"), "{error}");
}

#[test]
fn a_file_may_name_models_and_callers() {
    let text = r#"
        [models]
        "SmolLM2-135M-Instruct" = "~/models/smollm2.gguf"
        [permits]
        allow = ["5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"]
    "#;
    let config = toml::from_str::<Config>(text).unwrap().at_home(Some(Path::new("/home/miner")));
    let location = config.models.values().next().unwrap();
    assert_eq!(location, &ModelLocation::Gguf("/home/miner/models/smollm2.gguf".into()));
    assert_eq!(config.permits.allow.len(), 1);
    assert_eq!(config.wallet_path, Path::new("/home/miner/.bittensor/wallets"));
}

#[test]
fn what_needs_a_restart_is_named_and_what_is_reloaded_is_not() {
    let mut new = Config::default();
    new.permits.stake_min_rao = 5;
    new.axon.limits.per_hotkey.burst = NonZeroU32::MIN;
    new.axon.limits.answer_wait_ms_max = 1;
    assert!(Config::default().restart_needed(&new).is_empty());
    new.axon.bind.set_port(1);
    new.runtime.threads = NonZeroUsize::new(3);
    assert_eq!(Config::default().restart_needed(&new), ["axon.bind", "runtime.threads"]);
}

#[test]
fn every_setting_that_is_reloaded_exists() {
    let known = toml::Value::try_from(Config::default()).unwrap();
    for name in RELOADED {
        let found = name.split('.').try_fold(&known, |value, part| value.get(part));
        assert!(found.is_some(), "{name}");
    }
}

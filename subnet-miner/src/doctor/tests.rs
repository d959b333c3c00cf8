use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use chain_client::wallet::{KeySource, Role};

use super::*;

fn config(folder: &Path) -> Config {
    let mut config = Config {
        wallet_path: folder.join("wallets"),
        state_path: folder.join("state"),
        // Nothing listens there: a port of the loopback that was just free.
        network: "ws://127.0.0.1:9".to_owned(),
        models: [("echo".parse().unwrap(), ModelLocation::Echo)].into(),
        ..Config::default()
    };
    config.chain.request_ms_max = 500;
    config.axon.bind = SocketAddr::from(([127, 0, 0, 1], 0));
    config.at_home(None)
}

fn find<'a>(checks: &'a [Check], name: &str) -> &'a Check {
    checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no check {name} in {checks:?}"))
}

#[tokio::test]
async fn every_failure_has_a_fix_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let checks = examine(&config(folder.path())).await;
    for name in
        ["hotkey", "coldkey", "state folder", "model", "processor", "accelerator", "disk", "chain", "port"]
    {
        let check = find(&checks, name);
        assert_eq!(check.fix.is_some(), check.verdict != Verdict::Ok, "{check:?}");
    }
    assert_eq!(find(&checks, "hotkey").verdict, Verdict::Failed);
    assert_eq!(find(&checks, "chain").verdict, Verdict::Failed);
    assert_eq!(find(&checks, "port").verdict, Verdict::Ok);
}

#[tokio::test]
async fn keys_that_others_can_read_and_open_coldkeys_are_failures() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    for role in [Role::Coldkey, Role::Hotkey] {
        wallet::create(&config.wallet(), role, KeySource::Generate).unwrap();
    }
    assert_eq!(hotkey(&config).verdict, Verdict::Ok);
    assert_eq!(coldkey(&config).verdict, Verdict::Failed);
    assert_eq!(coldkey(&Config { allow_coldkey_present: true, ..config.clone() }).verdict, Verdict::Warning);
    let file = config.wallet().file(Role::Hotkey).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = hotkey(&config);
    assert_eq!(open.verdict, Verdict::Failed);
    assert!(open.found.contains("0644"), "{open:?}");
}

#[test]
fn a_missing_or_damaged_model_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    let with = |models| models_of(folder.path(), models);
    let missing = with(vec![("m", ModelLocation::Gguf(path.clone()))]);
    assert!(missing[0].verdict == Verdict::Failed && missing[0].found.contains("m.gguf"), "{missing:?}");
    std::fs::write(&path, b"no model").unwrap();
    let damaged = with(vec![("m", ModelLocation::Gguf(path))]);
    assert!(damaged[0].verdict == Verdict::Failed && damaged[0].fix.as_ref().unwrap().contains("again"));
    assert_eq!(with(Vec::new())[0].verdict, Verdict::Ok, "the strategist finds some");
    let mut alone = Config { models: [].into(), ..config(folder.path()) };
    alone.demand.follow_announced = false;
    assert_eq!(models(&alone)[0].verdict, Verdict::Failed, "nobody would tell it of any");
    alone.demand.follow_announced = true;
    alone.strategist.mode = crate::strategist::Mode::Off;
    assert_eq!(models(&alone)[0].verdict, Verdict::Failed, "nothing would be loaded");
}

fn models_of(folder: &Path, named: Vec<(&str, ModelLocation)>) -> Vec<Check> {
    let named = named.into_iter().map(|(id, location)| (id.parse().unwrap(), location));
    models(&Config { models: named.collect(), ..config(folder) })
}

#[test]
fn a_state_folder_that_cannot_be_written_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), b"").unwrap();
    let blocked = Config { state_path: folder.path().join("file/state"), ..config(folder.path()) };
    assert_eq!(state(&blocked).verdict, Verdict::Failed);
    assert_eq!(state(&config(folder.path())).verdict, Verdict::Ok);
}

use std::net::IpAddr;

use chain_client::wallet::{KeySource, Role, WalletError};

use super::*;

#[test]
fn the_published_address_is_the_one_given_or_the_one_bound() {
    let bound = SocketAddr::from(([127, 0, 0, 1], 4_000));
    let plain = ServeConfig::default();
    assert_eq!(external(&plain, bound), Some(bound));
    let given = ServeConfig {
        external_ip: Some(IpAddr::from([192, 0, 2, 1])),
        external_port: std::num::NonZeroU16::new(9),
        ..plain.clone()
    };
    assert_eq!(external(&given, bound), Some(SocketAddr::from(([192, 0, 2, 1], 9))));
    assert_eq!(external(&ServeConfig { axon: false, ..given }, bound), None);
}

#[test]
fn an_axon_that_listens_everywhere_must_say_where_it_is_reached() {
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 8091));
    let error = check_external(&ServeConfig::default(), everywhere).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.next_step().unwrap().contains("--external-ip"));
    let quiet = ServeConfig { axon: false, ..ServeConfig::default() };
    assert!(check_external(&quiet, everywhere).is_ok());
    assert!(check_external(&ServeConfig::default(), SocketAddr::from(([127, 0, 0, 1], 0))).is_ok());
}

#[tokio::test]
async fn an_unencrypted_coldkey_keeps_a_miner_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { allow_coldkey_present: false, ..config_with_wallet(folder.path()) };
    let error = Miner::bind(config).await.unwrap_err();
    assert!(
        matches!(error, StartError::Site(SiteError::Wallet(WalletError::OpenColdkey { .. }))),
        "{error:?}"
    );
    assert!(error.next_step().unwrap().contains("--allow-coldkey-present"));
}

#[tokio::test]
async fn a_miner_without_its_model_file_names_it_and_the_script_that_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        models: [("m".parse().unwrap(), "nowhere/m.gguf".parse().unwrap())].into(),
        ..config_with_wallet(folder.path())
    };
    let error = Miner::bind(config).await.unwrap_err();
    assert!(error.to_string().contains("nowhere/m.gguf"), "{error}");
    assert!(error.next_step().unwrap().contains("scripts/get-model"));
    assert_eq!(error.exit_code(), 1);
}

#[tokio::test]
async fn a_miner_without_a_hotkey_file_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { wallet_path: folder.path().join("none"), ..Config::default() };
    assert!(matches!(Miner::bind(config).await.unwrap_err(), StartError::Site(SiteError::Wallet(_))));
}

fn config_with_wallet(folder: &std::path::Path) -> Config {
    let config = Config {
        wallet_path: folder.join("wallets"),
        state_path: folder.join("state"),
        allow_coldkey_present: true,
        axon: crate::axon::AxonConfig {
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            ..crate::axon::AxonConfig::default()
        },
        ..Config::default()
    };
    for role in [Role::Coldkey, Role::Hotkey] {
        wallet::create(&config.wallet(), role, KeySource::Generate).unwrap();
    }
    config
}

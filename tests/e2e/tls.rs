//! Miners that serve TLS: their certificate is on chain, and validators take that one and no other.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chain_client::cli::tls::TlsConfig;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use subnet_miner::config::Config;
use subnet_tests::{ECHO_MODEL, Subnet, wait};

/// Puts a new certificate into the folder. Nobody looks at its name.
fn certify(folder: &Path) -> TlsConfig {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["a miner".to_owned()]).unwrap();
    let path = |name: &str| folder.join(name);
    fs::write(path("certificate.pem"), cert.pem()).unwrap();
    fs::write(path("key.pem"), signing_key.serialize_pem()).unwrap();
    fs::set_permissions(path("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    TlsConfig { certificate_file: text("certificate.pem"), key_file: text("key.pem") }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_speaks_tls_to_the_published_certificate_and_to_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut subnet = Subnet::start(1, 0).await;
    subnet.validators[0].stop().await;
    subnet.validators[0].settings_mut().fleet.inventory_max_age_ms = 2_000;
    subnet.validators[0].start().await.unwrap();
    let tls = certify(folder.path());
    subnet.start_miners(&["private"], |config: &mut Config| config.axon.tls = tls.clone()).await;
    subnet.wait_until_hot(1).await;
    let answer = subnet.validators[0].chat(ECHO_MODEL, "whispered").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let axon = subnet.miners[0].miner().axon_addr();
    assert!(reqwest::get(format!("http://{axon}/health")).await.is_err(), "nothing is said in the clear");

    // The same miner at the same address under a certificate that the chain does not know.
    subnet.miners[0].stop().await;
    certify(folder.path());
    let config = subnet.miners[0].config_mut();
    (config.axon.bind, config.serve.axon) = (axon, false);
    subnet.miners[0].start().await.unwrap();
    let answer = subnet.validators[0].chat(ECHO_MODEL, "to whom?").await;
    assert!(answer.status >= 500, "{}", answer.status);
    wait::until("the validator hears nothing of it any more", || async {
        subnet.validators[0].validator().fleet().miners().iter().all(|miner| !miner.online).then_some(())
    })
    .await;

    // It is the chain that makes a certificate the miner's.
    subnet.miners[0].stop().await;
    subnet.miners[0].config_mut().serve.axon = true;
    subnet.miners[0].start().await.unwrap();
    wait::until("the new certificate is taken", || async {
        subnet.produce_blocks(1).await;
        (subnet.validators[0].chat(ECHO_MODEL, "again").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_that_requires_tls_asks_nobody_in_the_clear() {
    let folder = tempfile::tempdir().unwrap();
    let mut subnet = Subnet::start(1, 0).await;
    subnet.validators[0].stop().await;
    subnet.validators[0].settings_mut().fleet.require_tls = true;
    subnet.validators[0].start().await.unwrap();
    subnet.start_miners(&["open"], |_| {}).await;
    let tls = certify(folder.path());
    subnet.start_miners(&["private"], |config: &mut Config| config.axon.tls = tls.clone()).await;
    subnet.wait_until_hot(1).await;
    let known: Vec<SocketAddr> =
        subnet.validators[0].validator().fleet().miners().iter().map(|miner| miner.axon).collect();
    assert_eq!(known, [subnet.miners[1].miner().axon_addr()]);
    assert_eq!(subnet.validators[0].chat(ECHO_MODEL, "whispered").await.status, 200);
}

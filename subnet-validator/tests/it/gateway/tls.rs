//! The gateway over TLS, with certificates made here.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use subnet_validator::config::GatewayConfig;
use subnet_validator::tls::{Tls, TlsConfig, TlsError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::stand::Stand;
use crate::support::tls::{certify, files, health};

async fn stand(folder: &Path) -> Stand {
    Stand::start_with(&[], |gateway, _| gateway.tls = files(folder)).await
}

#[tokio::test]
async fn with_a_certificate_the_gateway_speaks_tls_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = certify(folder.path());
    let stand = stand(folder.path()).await;
    let answer = health(stand.gateway.address(), &certificate).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let mut plain = TcpStream::connect(stand.gateway.address()).await.unwrap();
    plain.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // It hangs up, with an alert or without.
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "no plain answer");
}

#[tokio::test]
async fn a_renewed_certificate_is_used_after_a_reload_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let first = certify(folder.path());
    let stand = stand(folder.path()).await;
    let second = certify(folder.path());
    assert!(health(stand.gateway.address(), &second).await.is_err(), "the new one is not read yet");
    let config = GatewayConfig { tls: files(folder.path()), ..GatewayConfig::default() };
    stand.gateway.reload(&config).unwrap();
    assert!(health(stand.gateway.address(), &second).await.is_ok());
    assert!(health(stand.gateway.address(), &first).await.is_err());

    fs::write(folder.path().join("certificate.pem"), "nothing").unwrap();
    assert!(matches!(stand.gateway.reload(&config), Err(TlsError::Empty { .. })));
    assert!(health(stand.gateway.address(), &second).await.is_ok(), "the one in force stays");
}

#[tokio::test]
async fn a_client_that_never_shakes_hands_is_hung_up_on() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let stand = Stand::start_with(&[], |gateway, _| {
        gateway.tls = files(folder.path());
        gateway.header_read_timeout_ms = 50;
    })
    .await;
    let mut silent = TcpStream::connect(stand.gateway.address()).await.unwrap();
    let mut answer = Vec::new();
    let ended =
        tokio::time::timeout(std::time::Duration::from_secs(20), silent.read_to_end(&mut answer)).await;
    assert_eq!(ended.expect("it does not wait for ever").unwrap_or(0), 0);
}

#[test]
fn files_that_cannot_serve_are_refused_by_what_is_wrong_with_them() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let good = files(folder.path());
    assert!(Tls::load(&TlsConfig::default()).unwrap().is_none());
    assert!(Tls::load(&good).unwrap().is_some());
    let half = TlsConfig { key_file: String::new(), ..good.clone() };
    assert!(matches!(Tls::load(&half), Err(TlsError::Half)));
    let swapped = TlsConfig { key_file: good.certificate_file.clone(), ..good.clone() };
    fs::set_permissions(&good.certificate_file, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(Tls::load(&swapped), Err(TlsError::Pem { .. })));
    fs::set_permissions(&good.key_file, fs::Permissions::from_mode(0o604)).unwrap();
    assert!(matches!(Tls::load(&good), Err(TlsError::OpenKey { .. })));
    // Another pair's key.
    let other = tempfile::tempdir().unwrap();
    certify(other.path());
    let mixed = TlsConfig { key_file: files(other.path()).key_file, ..good };
    assert!(matches!(Tls::load(&mixed), Err(TlsError::Pair(_))));
}

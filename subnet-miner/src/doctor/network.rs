//! Ports and validators: can this miner be reached, and does it reach whom it asks?

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use protocol::account::AccountId;
use protocol::catalogue_document::Expected;
use tokio::net::{TcpListener, TcpStream};

use super::{Check, chain, with_causes};
use crate::catalogues;
use crate::clock;
use crate::config::Config;
use crate::permits::{PermitPolicy, Permits};

/// Time for a connection, in milliseconds.
const CONNECT_MS_MAX: u64 = 3_000;

pub(super) async fn examine(config: &Config) -> Vec<Check> {
    let mut checks = vec![port(config).await];
    for (validator, gateway) in &config.demand.validators {
        checks.push(catalogue(config, validator, gateway).await);
    }
    checks
}

async fn port(config: &Config) -> Check {
    let bind = config.axon.bind;
    let local =
        if bind.ip().is_unspecified() { SocketAddr::from((Ipv4Addr::LOCALHOST, bind.port())) } else { bind };
    let runs = bind.port() != 0 && answers(local).await;
    if !runs {
        return match TcpListener::bind(bind).await {
            Ok(_) => Check::ok(
                "port",
                format!(
                    "{bind} is free; start the miner and ask again to see whether it is reached from outside"
                ),
            ),
            Err(error) => Check::failed(
                "port",
                format!("{bind}: {error}"),
                "free the port, or pass another with --bind",
            ),
        };
    }
    match chain::desired(config) {
        None => Check::ok("port", format!("something listens on {bind}")),
        Some(outside) if answers(outside).await => Check::ok("port", format!("{outside} answers")),
        Some(outside) => Check::failed(
            "port",
            format!("{local} answers, and {outside} does not"),
            "forward the port to this machine and open the firewall; some routers only answer from outside, so try from another network too",
        ),
    }
}

async fn answers(address: SocketAddr) -> bool {
    let connected =
        tokio::time::timeout(Duration::from_millis(CONNECT_MS_MAX), TcpStream::connect(address)).await;
    matches!(connected, Ok(Ok(_)))
}

async fn catalogue(config: &Config, validator: &AccountId, gateway: &str) -> Check {
    // Fails only where another part has chosen already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let expected = Expected { netuid: config.netuid, validator: *validator, now_ms: clock::unix_ms() };
    // Whether the validator holds a permit is another line's matter.
    let policy = PermitPolicy { allow: [*validator].into(), ..PermitPolicy::default() };
    let permits = Permits::of(policy, [], expected.now_ms);
    let bytes_max = config.strategist.catalogue_bytes_max;
    match catalogues::fetch(&reqwest::Client::new(), gateway, &expected, &permits, bytes_max).await {
        Ok(document) => Check::ok("catalogue", format!("{gateway} offers {} models", document.offers.len())),
        Err(error) => Check::warning(
            "catalogue",
            format!("{gateway}: {}", with_causes(&error)),
            "correct the hotkey and the URL under [demand.validators]: http://HOST:PORT of the validator's gateway",
        ),
    }
}

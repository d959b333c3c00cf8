//! The chain: connection, registration, the published axon, the clock, callers.

use std::net::SocketAddr;

use chain_client::{BlockRef, ChainClient, Metagraph};

use super::{Check, with_causes};
use crate::clock;
use crate::config::Config;
use crate::permits::Permits;

/// How far the clock may be off before validators refuse what this miner signs, in milliseconds. They allow two seconds ahead.
const AHEAD_MS_MAX: i128 = 2_000;
/// How old the newest block may look: three block times and what an announcement takes.
const BEHIND_BLOCKS_MAX: i128 = 4;

pub(super) async fn examine(config: &Config) -> Vec<Check> {
    let site = config.site();
    let asked = clock::monotonic();
    let client = match site.connect().await {
        Ok(client) => client,
        Err(error) => {
            let fix = error
                .next_step()
                .unwrap_or_else(|| "pass --network with an endpoint that answers".to_owned());
            return vec![Check::failed("chain", with_causes(&error), fix)];
        }
    };
    let block = match client.finalized().await {
        Ok(block) => block,
        Err(error) => return vec![Check::failed("chain", with_causes(&error), error.hint())],
    };
    let url = client.url().await.unwrap_or_else(|| config.network.clone());
    let took = clock::elapsed_ms(asked);
    let mut checks =
        vec![Check::ok("chain", format!("{url} answered in {took} ms, block {} is final", block.number))];
    checks.push(clock_check(&client).await);
    match client.metagraph(config.netuid, block).await {
        Ok(metagraph) => checks.extend(on_subnet(config, &metagraph, block)),
        Err(error) => checks.push(Check::failed("subnet", with_causes(&error), error.hint())),
    }
    checks
}

async fn clock_check(client: &ChainClient) -> Check {
    let read = async {
        let best = client.best().await?;
        Ok::<_, chain_client::QueryError>((client.timestamp_ms(best).await?, client.block_time_ms().await?))
    };
    match read.await {
        Ok((block_ms, block_time_ms)) => clock_of(clock::unix_ms(), block_ms, block_time_ms),
        Err(error) => Check::warning("clock", with_causes(&error), error.hint()),
    }
}

fn clock_of(now_ms: u64, block_ms: u64, block_time_ms: u64) -> Check {
    let age_ms = i128::from(now_ms) - i128::from(block_ms);
    let fix = "set the clock by the network: `timedatectl set-ntp true`";
    if -age_ms > AHEAD_MS_MAX {
        return Check::failed(
            "clock",
            format!("it is at least {} ms behind the chain's newest block", -age_ms),
            fix,
        );
    }
    if age_ms > BEHIND_BLOCKS_MAX * i128::from(block_time_ms) {
        let found = format!(
            "the chain's newest block is {age_ms} ms old: the clock is ahead, or the chain stands still"
        );
        return Check::warning("clock", found, fix);
    }
    Check::ok(
        "clock",
        format!("the chain's newest block is {age_ms} ms old, with one every {block_time_ms} ms"),
    )
}

fn on_subnet(config: &Config, metagraph: &Metagraph, block: BlockRef) -> Vec<Check> {
    let mut checks = Vec::new();
    let own = config.site().hotkey_account().ok().and_then(|hotkey| metagraph.by_hotkey(&hotkey));
    checks.push(match own {
        Some(own) => Check::ok(
            "registration",
            format!("uid {} on subnet {}, incentive {} of 65535", own.uid, config.netuid, own.incentive),
        ),
        None => Check::failed(
            "registration",
            format!("the hotkey has no uid on subnet {} at block {}", config.netuid, block.number),
            config.site().register_command(),
        ),
    });
    checks.push(axon_of(own.and_then(|own| own.axon), desired(config), config.serve.axon));
    let permits = Permits::from_metagraph(config.permits.clone(), metagraph, clock::unix_ms());
    checks.push(match permits.len() + config.permits.allow.len() {
        0 => Check::warning(
            "callers",
            "no validator with a permit and enough stake may call this miner",
            "lower permits.stake_min_rao, or wait until the subnet has validators",
        ),
        callers => Check::ok("callers", format!("{callers} may call")),
    });
    checks
}

/// Where the configuration says that validators reach the axon.
pub(super) fn desired(config: &Config) -> Option<SocketAddr> {
    let ip = config.serve.external_ip.unwrap_or(config.axon.bind.ip());
    let port = config.serve.external_port.map_or(config.axon.bind.port(), u16::from);
    (!ip.is_unspecified() && port != 0).then(|| SocketAddr::new(ip, port))
}

fn axon_of(on_chain: Option<SocketAddr>, desired: Option<SocketAddr>, publishes: bool) -> Check {
    match (on_chain, desired) {
        (_, None) if publishes => Check::failed(
            "axon",
            "it listens on every address, or on a free port, and nobody said under which one validators reach it",
            "pass --external-ip (and --external-port), or --no-serve-axon",
        ),
        (None, _) if !publishes => {
            let fix =
                "without an address on the chain no validator finds this miner: leave --no-serve-axon out";
            Check::warning("axon", "it is not published, as configured", fix)
        }
        (Some(on_chain), Some(desired)) if on_chain != desired => Check::warning(
            "axon",
            format!("the chain says {on_chain}, the configuration {desired}"),
            "start the miner: it publishes the new address by itself, within the chain's rate limit",
        ),
        (None, _) => {
            Check::warning("axon", "it is not on the chain yet", "start the miner: it publishes it by itself")
        }
        (Some(on_chain), _) => Check::ok("axon", format!("the chain says {on_chain}, as it should")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_clock_behind_the_newest_block_is_a_failure_and_an_old_block_a_warning() {
        let verdict = |now_ms| clock_of(now_ms, 1_000_000, 12_000).verdict;
        assert_eq!(verdict(1_000_000), Verdict::Ok);
        assert_eq!(verdict(998_000), Verdict::Ok);
        assert_eq!(verdict(997_999), Verdict::Failed);
        assert_eq!(verdict(1_048_000), Verdict::Ok);
        assert_eq!(verdict(1_048_001), Verdict::Warning);
    }

    #[test]
    fn an_axon_that_drifted_from_the_configuration_is_seen() {
        let one: SocketAddr = "192.0.2.1:8091".parse().unwrap();
        let other: SocketAddr = "192.0.2.2:8091".parse().unwrap();
        let verdict = |chain, desired, publishes| axon_of(chain, desired, publishes).verdict;
        assert_eq!(verdict(Some(one), Some(one), true), Verdict::Ok);
        assert_eq!(verdict(Some(one), Some(other), true), Verdict::Warning);
        assert_eq!(verdict(None, Some(one), true), Verdict::Warning);
        assert_eq!(verdict(None, None, true), Verdict::Failed);
        assert_eq!(verdict(None, None, false), Verdict::Warning);
    }
}

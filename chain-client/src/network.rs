//! The networks an operator can name, as btcli names them, and the endpoints that stand behind each.

/// Mainnet's endpoints, the first preferred.
const FINNEY: &[&str] = &[
    "wss://entrypoint-finney.opentensor.ai:443",
    "wss://lite.chain.opentensor.ai:443",
    "wss://lite.sub.latent.to:443",
];
const TEST: &[&str] = &["wss://test.finney.opentensor.ai:443"];
const ARCHIVE: &[&str] = &["wss://archive.chain.opentensor.ai:443"];
const DEVNET: &[&str] = &["wss://dev.chain.opentensor.ai:443"];
const LOCAL: &[&str] = &["ws://127.0.0.1:9944"];

/// The names that [`resolve`] knows, for help texts.
pub const NAMES: &[&str] = &["finney", "test", "archive", "devnet", "local"];

/// A text that is neither a known network nor a WebSocket URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a network: give finney, test, archive, devnet, local or a ws:// or wss:// URL")]
pub struct UnknownNetwork {
    /// What was given.
    pub given: String,
}

/// The endpoints of a network, to be tried in this order.
///
/// `network` is a name of [`NAMES`] or one or more `ws://` or `wss://` URLs separated by commas. The meaning of `local`
/// can be moved by the environment variable `BT_CHAIN_ENDPOINT`, which whoever reads the environment passes to
/// [`resolve_with_local`].
pub fn resolve(network: &str) -> Result<Vec<String>, UnknownNetwork> {
    resolve_with_local(network, None)
}

/// As [`resolve`], with `local` meaning `local_url` where one is given.
pub fn resolve_with_local(network: &str, local_url: Option<&str>) -> Result<Vec<String>, UnknownNetwork> {
    let urls = |list: &[&str]| Ok(list.iter().map(|url| (*url).to_owned()).collect());
    match network.trim() {
        "finney" => urls(FINNEY),
        "test" => urls(TEST),
        "archive" => urls(ARCHIVE),
        "devnet" => urls(DEVNET),
        "local" => urls(&[local_url.unwrap_or(LOCAL[0])]),
        given => {
            let list: Vec<_> = given.split(',').map(str::trim).collect();
            if list.iter().all(|url| is_websocket_url(url)) {
                urls(&list)
            } else {
                Err(UnknownNetwork { given: given.to_owned() })
            }
        }
    }
}

fn is_websocket_url(text: &str) -> bool {
    ["ws://", "wss://"].iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|host| !host.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_advertised_name_resolves_to_websocket_urls() {
        for name in NAMES {
            let urls = resolve(name).unwrap();
            assert!(!urls.is_empty() && urls.iter().all(|url| is_websocket_url(url)), "{name}: {urls:?}");
        }
    }

    #[test]
    fn finney_has_fallback_endpoints_in_order() {
        let urls = resolve("finney").unwrap();
        assert_eq!(urls.len(), 3);
        assert!(urls[0].contains("entrypoint-finney"));
    }

    #[test]
    fn urls_are_taken_as_given_and_may_be_several() {
        assert_eq!(resolve("ws://10.0.0.1:9944").unwrap(), ["ws://10.0.0.1:9944"]);
        assert_eq!(resolve("ws://a:1, wss://b:2").unwrap(), ["ws://a:1", "wss://b:2"]);
    }

    #[test]
    fn local_can_be_moved() {
        assert_eq!(resolve("local").unwrap(), ["ws://127.0.0.1:9944"]);
        assert_eq!(resolve_with_local("local", Some("ws://node:1")).unwrap(), ["ws://node:1"]);
        assert_eq!(resolve_with_local("test", Some("ws://node:1")).unwrap(), resolve("test").unwrap());
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for given in ["", "finny", "http://node:9944", "wss://", "ws://a:1,b"] {
            assert_eq!(resolve(given).unwrap_err().given, given, "{given}");
        }
    }
}

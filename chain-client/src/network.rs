//! The networks an operator can name, as btcli names them, and the endpoints that stand behind each.
//!
//! Which wins, as in btcli: a flag over the environment (`BT_NETWORK`, `BT_FALLBACK_ENDPOINTS`) over the configuration file
//! over the network's own. Whoever reads flags and environment passes what won in a [`Selection`]; the meaning of `local`
//! is moved by `BT_CHAIN_ENDPOINT`.

/// A network's preferred endpoint, and those used when it does not answer. As `bittensor` 11.3.0's `settings.py`.
struct Network {
    name: &'static str,
    primary: &'static str,
    fallbacks: &'static [&'static str],
}

const NETWORKS: &[Network] = &[
    Network {
        name: "finney",
        primary: "wss://entrypoint-finney.opentensor.ai:443",
        fallbacks: &["wss://lite.chain.opentensor.ai:443", "wss://lite.sub.latent.to:443"],
    },
    Network { name: "test", primary: "wss://test.finney.opentensor.ai:443", fallbacks: &[] },
    Network {
        name: "archive",
        primary: "wss://archive.chain.opentensor.ai:443",
        fallbacks: &["wss://archive.sub.latent.to:443"],
    },
    Network { name: "devnet", primary: "wss://dev.chain.opentensor.ai:443", fallbacks: &[] },
    Network { name: "local", primary: "ws://127.0.0.1:9944", fallbacks: &[] },
];

/// What an operator has chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Selection<'a> {
    /// A name of [`NAMES`], or one or more `ws://` or `wss://` URLs separated by commas.
    pub network: &'a str,
    /// What `local` stands for, if not `ws://127.0.0.1:9944`.
    pub local: Option<&'a str>,
    /// URLs separated by commas to be used when the preferred endpoint does not answer, in place of the network's own;
    /// `none` for no others.
    pub fallbacks: Option<&'a str>,
}

/// The names that [`resolve`] knows, for help texts.
pub const NAMES: &[&str] = &["finney", "test", "archive", "devnet", "local"];

/// A text that is neither a known network nor a WebSocket URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a network: give finney, test, archive, devnet, local or a ws:// or wss:// URL")]
pub struct UnknownNetwork {
    /// What was given.
    pub given: String,
}

/// The endpoints of a network, to be tried in this order: those of [`endpoints`] with nothing else chosen.
pub fn resolve(network: &str) -> Result<Vec<String>, UnknownNetwork> {
    resolve_with_local(network, None)
}

/// As [`resolve`], with `local` meaning `local_url` where one is given.
pub fn resolve_with_local(network: &str, local_url: Option<&str>) -> Result<Vec<String>, UnknownNetwork> {
    endpoints(Selection { network, local: local_url, fallbacks: None })
}

/// The endpoints to be tried, in this order, each once.
pub fn endpoints(selection: Selection<'_>) -> Result<Vec<String>, UnknownNetwork> {
    let Selection { network, local, fallbacks } = selection;
    let given = network.trim();
    // A URL that is a network's own has that network's fallbacks, as in btcli.
    let known = NETWORKS.iter().find(|network| network.name == given || network.primary == given);
    let mut urls = match known {
        Some(Network { name: "local", primary, .. }) => {
            vec![local.filter(|_| given == "local").unwrap_or(primary)]
        }
        Some(Network { primary, .. }) => vec![*primary],
        None => urls(given)?,
    };
    match fallbacks.map(str::trim).filter(|text| !text.is_empty()) {
        Some("none") => {}
        Some(text) => urls.extend(self::urls(text)?),
        None => urls.extend(known.map_or(&[][..], |network| network.fallbacks)),
    }
    let mut distinct: Vec<String> = Vec::with_capacity(urls.len());
    for url in urls {
        if !distinct.iter().any(|known| known == url) {
            distinct.push(url.to_owned());
        }
    }
    Ok(distinct)
}

fn urls(list: &str) -> Result<Vec<&str>, UnknownNetwork> {
    let urls: Vec<&str> = list.split(',').map(str::trim).collect();
    if urls.iter().all(|url| is_websocket_url(url)) {
        Ok(urls)
    } else {
        Err(UnknownNetwork { given: list.to_owned() })
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
    fn chosen_fallbacks_replace_the_networks_own() {
        let chosen = |network, fallbacks| {
            endpoints(Selection { network, local: None, fallbacks: Some(fallbacks) }).unwrap()
        };
        let finney = "wss://entrypoint-finney.opentensor.ai:443";
        assert_eq!(chosen("finney", "ws://a:1,ws://b:2"), [finney, "ws://a:1", "ws://b:2"]);
        assert_eq!(chosen("finney", "none"), [finney]);
        assert_eq!(chosen("finney", ""), resolve("finney").unwrap(), "an empty variable is none");
        assert_eq!(chosen("ws://a:1", "ws://a:1, ws://b:2"), ["ws://a:1", "ws://b:2"], "each once");
        assert_eq!(chosen(finney, " "), resolve("finney").unwrap(), "its URL is as good as its name");
        let wrong = endpoints(Selection { network: "test", local: None, fallbacks: Some("http://a") });
        assert_eq!(wrong.unwrap_err().given, "http://a");
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for given in ["", "finny", "http://node:9944", "wss://", "ws://a:1,b"] {
            assert_eq!(resolve(given).unwrap_err().given, given, "{given}");
        }
    }
}

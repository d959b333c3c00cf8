//! What a person sees when the chain starts: where it is, who has money, what to do next.

use localnet::{
    Blocks, Config, Localnet,
    accounts::{TAO, dev_accounts},
};
use sp_core::crypto::{Ss58AddressFormat, Ss58Codec as _};

/// Accounts that are listed.
const ACCOUNTS_MAX: usize = 16;
/// Network prefix of the addresses.
const SS58_PREFIX: u16 = 42;

/// The banner.
pub fn of(chain: &Localnet, config: &Config) -> String {
    let mut text = format!(
        "\nlocalnet: a dev chain shaped like subtensor\n\n  WebSocket  {}\n  HTTP       {}\n",
        chain.ws_url(),
        chain.http_url()
    );
    text += &format!(
        "  blocks     {}\n  kept       {}\n\nAccounts (secrets are //Name on the development phrase)\n",
        pace(config.blocks),
        kept(chain, config)
    );
    let names = dev_accounts();
    for (account, balance_rao) in config.genesis.balances.iter().take(ACCOUNTS_MAX) {
        let name = names.iter().find(|named| named.account == *account).map_or("", |named| named.name);
        let address = account.to_ss58check_with_version(Ss58AddressFormat::custom(SS58_PREFIX));
        text += &format!("  {name:<8} {address}  {:>9} TAO\n", balance_rao / TAO);
    }
    if let Some(more) = config.genesis.balances.len().checked_sub(ACCOUNTS_MAX).filter(|more| *more > 0) {
        text += &format!("  and {more} more\n");
    }
    text += "\nSubnets\n";
    for subnet in &config.genesis.subnets {
        let owner = subnet.owner.to_ss58check_with_version(Ss58AddressFormat::custom(SS58_PREFIX));
        text += &format!(
            "  {:<4} {}, owner {owner}, epoch every {} blocks\n",
            subnet.netuid, subnet.name, subnet.tempo_blocks
        );
    }
    let url = chain.ws_url();
    text + &format!(
        "\nTry\n  BT_CHAIN_ENDPOINT={url} btcli subnets list --network local\n  curl -s -H 'content-type: application/json' -d '{{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"dev_newBlock\",\"params\":[1]}}' {}\n\n",
        chain.http_url()
    )
}

/// Where the chain is, and what was found there.
fn kept(chain: &Localnet, config: &Config) -> String {
    let Some(folder) = &config.data else { return "in memory only; --data DIR keeps it".into() };
    let found = chain.recovered();
    let mut text = format!("in {}, continued at block {}", folder.display(), found.blocks);
    if found.cut_bytes > 0 {
        text += &format!(" ({} bytes that a crash left were cut off)", found.cut_bytes);
    }
    text
}

fn pace(blocks: Blocks) -> String {
    match blocks {
        Blocks::Instant => "one for every transaction, at once".into(),
        Blocks::Interval { ms } => format!("one every {ms} ms"),
        Blocks::Manual => "when dev_newBlock asks".into(),
    }
}

//! What a person sees when the chain starts: where it is, who has money, what to do next.

use localnet::{
    Blocks, Config, Localnet,
    accounts::{TAO, dev_accounts},
};
use sp_core::crypto::{Ss58AddressFormat, Ss58Codec as _};

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
        "  blocks     {}\n\nAccounts (secrets are //Name on the development phrase)\n",
        pace(config.blocks)
    );
    for account in dev_accounts() {
        let address = account.account.to_ss58check_with_version(Ss58AddressFormat::custom(SS58_PREFIX));
        text += &format!("  {:<8} {address}  {:>9} TAO\n", account.name, account.balance_rao / TAO);
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

fn pace(blocks: Blocks) -> String {
    match blocks {
        Blocks::Instant => "one for every transaction, at once".into(),
        Blocks::Interval { ms } => format!("one every {ms} ms"),
        Blocks::Manual => "when dev_newBlock asks".into(),
    }
}

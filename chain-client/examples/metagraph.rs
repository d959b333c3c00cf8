//! Prints who serves on a subnet: `cargo run --example metagraph -- local 64`.
#![allow(clippy::print_stdout, reason = "it prints what it read")]
use chain_client::{ChainClient, ConnectConfig, network};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let urls = network::resolve(&arguments.next().unwrap_or("local".into()))?;
    let netuid = arguments.next().unwrap_or("64".into()).parse()?;
    let chain = ChainClient::connect(ConnectConfig::new(urls)).await?;
    for neuron in chain.metagraph(netuid, chain.finalized().await?).await?.neurons {
        println!("{:4} {} {:?}", neuron.uid, neuron.hotkey, neuron.axon);
    }
    Ok(())
}

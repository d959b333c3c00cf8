//! A miner that cheats, as a program of its own, for demonstrations of what validators find out.
//!
//! Its hotkey must be registered. It publishes its axon, and serves until it is interrupted.

use std::net::SocketAddr;
use std::path::PathBuf;

use chain_client::wallet::{WalletPath, load_hotkey};
use chain_client::{ChainClient, ConnectConfig};
use clap::{Parser, ValueEnum};
use protocol::digest::Digest;
use protocol::ticket::ModelId;
use subnet_tests::{Cheat, CheatingAxon, Pretence, fewer_layers};

type Failure = Box<dyn std::error::Error>;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Manner {
    /// Answers with the same model, its last layers left out.
    FewerLayers,
    /// Answers with another model (--file) under the name of --model.
    OtherModel,
    /// Gives its first answer to everybody, byte for byte.
    SameBytes,
    /// Gives its first answer's text to everybody, under new ids.
    SameText,
}

#[derive(Debug, Parser)]
struct Args {
    /// WebSocket URL of the chain.
    #[arg(long)]
    network: String,
    #[arg(long, default_value_t = 64)]
    netuid: u16,
    /// Folder of the wallets.
    #[arg(long)]
    wallet_path: PathBuf,
    #[arg(long)]
    wallet: String,
    #[arg(long, default_value = "default")]
    wallet_hotkey: String,
    /// The model it says it serves.
    #[arg(long)]
    model: ModelId,
    /// The digest of that model's weights, as the catalogue has it.
    #[arg(long)]
    weights_digest: Digest,
    #[arg(long, value_enum)]
    cheat: Manner,
    /// The model file that really answers.
    #[arg(long)]
    file: PathBuf,
    /// Layers left, with --cheat fewer-layers.
    #[arg(long, default_value_t = 20)]
    layers: u32,
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.2:0")]
    bind: SocketAddr,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let key = load_hotkey(&WalletPath::new(&args.wallet_path, &args.wallet, &args.wallet_hotkey))?;
    let folder = tempfile::tempdir()?;
    let cheat = match args.cheat {
        Manner::FewerLayers => {
            let smaller = folder.path().join("smaller.gguf");
            fewer_layers(&args.file, &smaller, args.layers);
            Cheat::OtherModel(smaller)
        }
        Manner::OtherModel => Cheat::OtherModel(args.file),
        Manner::SameBytes => Cheat::SameBytes(args.file),
        Manner::SameText => Cheat::SameText(args.file),
    };
    let pretence =
        Pretence { netuid: args.netuid, model: args.model, weights_digest: args.weights_digest, cheat };
    let axon = CheatingAxon::start(args.bind, key.clone(), pretence).await;
    let client = ChainClient::connect(ConnectConfig::new(vec![args.network])).await?;
    client.serve_axon(&key, args.netuid, axon.address()).await?;
    eprintln!("{} cheats at {}", key.public(), axon.address());
    tokio::signal::ctrl_c().await?;
    Ok(())
}

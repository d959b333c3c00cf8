//! Flags of `catalogue`.

use std::path::PathBuf;

use chain_client::cli::Output;
use clap::{Args, Subcommand};
use protocol::account::AccountId;
use protocol::ticket::ModelId;

/// Commands about the catalogue.
#[derive(Debug, Subcommand)]
pub enum CatalogueCommand {
    /// Add a model to a catalogue file, from the model's own files.
    Build(BuildCatalogue),
    /// Sign the catalogue as it is published, for another server than the gateway.
    Sign {
        /// Where to put the signed catalogue.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Show a signed catalogue and check it: a file, or a gateway's URL; without one, the catalogue of the configuration.
    Show {
        /// The file or the gateway.
        from: Option<String>,
        /// The validator it must be of (ss58).
        #[arg(long, value_name = "HOTKEY")]
        validator: Option<AccountId>,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// Flags of `catalogue build`.
#[derive(Debug, Args)]
pub struct BuildCatalogue {
    /// The catalogue file (JSON); made if it is not there. A model of the same name is replaced.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The model's name in requests.
    #[arg(long, value_name = "ID")]
    pub id: ModelId,
    /// Its GGUF file, or its folder of safetensors.
    #[arg(long, value_name = "PATH")]
    pub path: PathBuf,
    /// Where miners get it: the URL of the file, or of the folder that has the files. May be given several times.
    #[arg(long, value_name = "URL")]
    pub source: Vec<String>,
    /// Thousandths of a compute unit for each prompt token.
    #[arg(long, default_value_t = 250, value_name = "MILLIUNITS")]
    pub prompt_multiplier: u32,
    /// Thousandths of a compute unit for each generated token.
    #[arg(long, default_value_t = 1_000, value_name = "MILLIUNITS")]
    pub completion_multiplier: u32,
    /// Memory it takes while it is ready; by default a quarter more than its weights.
    #[arg(long, value_name = "BYTES")]
    pub memory_bytes: Option<u64>,
    /// It makes embeddings.
    #[arg(long)]
    pub embedding: bool,
}

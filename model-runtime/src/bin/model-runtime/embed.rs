//! `model-runtime embed`: vectors of texts.

use std::path::PathBuf;

use anyhow::Context as _;
use model_runtime::device::ComputeDevice;
use model_runtime::embedder::Embedder;
use serde::Serialize;

use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder of a sentence-transformers model (BERT, safetensors).
    #[arg(long, value_name = "FOLDER")]
    model: PathBuf,
    /// What to embed.
    #[arg(required = true, value_name = "TEXT")]
    texts: Vec<String>,
    /// Print one JSON array instead of a line per text.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    text: String,
    tokens: usize,
    vector: Vec<f32>,
}

/// Numbers of a vector that a line shows.
const SHOWN: usize = 6;

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let embedder = Embedder::load(&args.model, &ComputeDevice::cpu())?;
    let mut rows = Vec::new();
    for text in args.texts {
        let embedding = embedder.embed(&text).with_context(|| format!("cannot embed {text:?}"))?;
        rows.push(Row { text, tokens: embedding.tokens, vector: embedding.vector });
    }
    if args.json {
        return output::json(&rows);
    }
    for Row { text, tokens, vector } in &rows {
        let first: Vec<String> = vector.iter().take(SHOWN).map(|value| format!("{value:.4}")).collect();
        output::line(&format!(
            "{tokens} tokens, {} numbers [{}, ...]  {text}",
            vector.len(),
            first.join(", ")
        ))?;
    }
    Ok(())
}

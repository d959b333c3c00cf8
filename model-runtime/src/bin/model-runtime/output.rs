//! Writing to stdout and stderr, and starting a runtime for one model: what the commands share.

use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::Context as _;
use model_runtime::{DeviceChoice, ModelHandle, ModelSource, Runtime, RuntimeConfig};
use serde::Serialize;

/// One JSON object on stdout.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    line(&text)
}

/// One line on stdout.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{text}").context("cannot write to stdout")
}

/// A piece of text on stdout, at once.
pub(crate) fn piece(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).context("cannot write to stdout")
}

/// Loads `path` under its file's name, saying so on stderr.
pub(crate) async fn load(path: &Path, config: RuntimeConfig) -> anyhow::Result<ModelHandle> {
    let runtime = Runtime::start(config)?;
    let id = path.file_stem().map_or_else(|| "model".into(), |stem| stem.to_string_lossy());
    eprintln!("loading {}", path.display());
    let model = runtime.load(&id, ModelSource::Gguf(path.to_owned())).await?;
    let facts = model.facts();
    eprintln!(
        "loaded {} ({} M parameters, {} MB in memory) in {:.1} s on {}",
        facts.id,
        facts.parameters / 1_000_000,
        facts.memory_bytes / 1_000_000,
        facts.load_ms as f64 / 1000.0,
        facts.device
    );
    Ok(model)
}

/// Options that every command that computes has.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ComputeArgs {
    /// The GGUF file.
    #[arg(long, value_name = "PATH")]
    pub(crate) model: std::path::PathBuf,
    /// Threads that compute [default: one per processor].
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = DeviceChoice::Auto)]
    pub(crate) device: DeviceChoice,
}

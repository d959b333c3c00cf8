//! `model-runtime inspect`: what a weights file holds, or a folder of them.

mod folder;

use std::fmt::Display;
use std::path::PathBuf;

use anyhow::Context as _;
use model_runtime::weights::gguf::{Gguf, Value};
use serde_json::json;

use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The GGUF file, or a folder of safetensors with its config.json.
    path: PathBuf,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
}

/// Characters of a metadata text that a table shows.
const SHOWN_CHARACTERS: usize = 60;

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    if args.path.is_dir() {
        return folder::run(&args.path, args.json);
    }
    let cannot = || format!("cannot inspect {}", args.path.display());
    let gguf = Gguf::open(&args.path).with_context(cannot)?;
    let sha256 = hex::encode(gguf.sha256());
    if args.json {
        return as_json(&gguf, &sha256);
    }
    let weights: usize = gguf.tensors().map(|(_, tensor)| tensor.weights).sum();
    output::line(&format!(
        "file        {} ({} bytes, GGUF {})",
        args.path.display(),
        gguf.file_bytes(),
        gguf.version()
    ))?;
    output::line(&format!("sha256      {sha256}"))?;
    output::line(&format!("parameters  {weights} in {} tensors", gguf.tensors().count()))?;
    output::line("\nMETADATA")?;
    for (key, value) in gguf.metadata() {
        output::line(&format!("{key:<44} {}", shown(&gguf, key, value)))?;
    }
    output::line(&tensor_head())?;
    for (name, tensor) in gguf.tensors() {
        let bytes = tensor.bytes().map_or_else(|| "?".to_owned(), |bytes| bytes.to_string());
        output::line(&as_row(name, &tensor.kind.name(), &tensor.dimensions, bytes))?;
    }
    Ok(())
}

fn tensor_head() -> String {
    format!("\n{:<32} {:<8} {:>20} {:>14}", "TENSOR", "TYPE", "SIZES", "BYTES")
}

fn as_row(name: &str, kind: &str, sizes: &[impl Display], bytes: impl Display) -> String {
    let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
    format!("{name:<32} {kind:<8} {:>20} {bytes:>14}", sizes.join(" x "))
}

fn shown(gguf: &Gguf, key: &str, value: &Value) -> String {
    match value {
        Value::Unsigned(number) => number.to_string(),
        Value::Signed(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Array(array) => format!("{} values of type {:?}", array.count, array.kind),
        Value::Text(_) => {
            let text = gguf.text(key).unwrap_or("(not UTF-8)").escape_debug().to_string();
            let short: String = text.chars().take(SHOWN_CHARACTERS).collect();
            if short.len() < text.len() { format!("{short}...") } else { short }
        }
    }
}

fn as_json(gguf: &Gguf, sha256: &str) -> anyhow::Result<()> {
    let value = |key: &str, value: &Value| match value {
        Value::Unsigned(number) => json!(number),
        Value::Signed(number) => json!(number),
        Value::Float(number) => json!(number),
        Value::Bool(flag) => json!(flag),
        Value::Text(_) => json!(gguf.text(key).ok()),
        Value::Array(array) => json!({ "type": format!("{:?}", array.kind), "count": array.count }),
    };
    let metadata: serde_json::Map<_, _> =
        gguf.metadata().map(|(key, v)| (key.to_owned(), value(key, v))).collect();
    let tensors: Vec<_> = gguf
        .tensors()
        .map(|(name, t)| json!({ "name": name, "type": t.kind.name(), "sizes": t.dimensions, "bytes": t.bytes() }))
        .collect();
    output::json(&json!({
        "format": "gguf",
        "bytes": gguf.file_bytes(),
        "version": gguf.version(),
        "sha256": sha256,
        "metadata": metadata,
        "tensors": tensors,
    }))
}

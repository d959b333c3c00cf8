//! A folder of safetensors: its configuration and tensors.

use std::path::Path;

use anyhow::bail;
use model_runtime::checkpoint::{Checkpoint, HuggingFace};
use serde_json::{Value, json};

use super::{as_row, tensor_head};
use crate::output;

pub(super) fn run(path: &Path, as_json: bool) -> anyhow::Result<()> {
    let checkpoint = Checkpoint::open(path)?;
    let (sha256, parameters) = (hex::encode(checkpoint.weights_sha256()), checkpoint.parameters());
    let Checkpoint::HuggingFace(files) = checkpoint else { bail!("{} is no folder", path.display()) };
    let HuggingFace { config, tensors, .. } = *files;
    if as_json {
        let all = tensors.names().map(|name| {
            let tensor = tensors.tensor(name)?;
            let (kind, bytes) = (tensor.kind.name(), tensor.bytes.len());
            Ok(json!({ "name": name, "type": kind, "sizes": tensor.dimensions, "bytes": bytes }))
        });
        let all = all.collect::<anyhow::Result<Vec<Value>>>()?;
        return output::json(&json!({
            "format": "safetensors",
            "sha256": sha256,
            "parameters": parameters,
            "metadata": config,
            "tensors": all,
        }));
    }
    output::line(&format!("folder      {} (safetensors)", path.display()))?;
    output::line(&format!("sha256      {sha256}"))?;
    output::line(&format!("parameters  {parameters} in {} tensors", tensors.names().count()))?;
    output::line("\nCONFIGURATION")?;
    for (key, value) in config.as_object().into_iter().flatten() {
        output::line(&format!("{key:<44} {value}"))?;
    }
    output::line(&tensor_head())?;
    for name in tensors.names() {
        let tensor = tensors.tensor(name)?;
        output::line(&as_row(name, tensor.kind.name(), tensor.dimensions, tensor.bytes.len()))?;
    }
    Ok(())
}

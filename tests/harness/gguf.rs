//! A model made cheaper: the same file with layers that do nothing.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use model_runtime::weights::gguf::Gguf;

/// Copies a GGUF file and zeroes what the layers from `layers` on add to the stream, so that the answer is that of a model without them.
///
/// # Panics
/// When the file cannot be copied, or is no model of 32 layers at most with blocks whose zero bytes are zeroes.
pub fn fewer_layers(model: &Path, target: &Path, layers: u32) {
    fs::copy(model, target).unwrap();
    let gguf = Gguf::open(model).unwrap();
    let address = |bytes: &[u8]| bytes.as_ptr() as usize;
    let names: Vec<&str> = gguf.tensors().map(|(name, _)| name).collect();
    let views = names.iter().map(|name| gguf.tensor(name).unwrap().bytes);
    let end = views.map(|bytes| address(bytes) + bytes.len()).max().unwrap();
    // The last tensor may be padded up to the file's end.
    let head = gguf.tensor(names[0]).unwrap().bytes;
    let file = fs::read(model).unwrap();
    let place = |bytes: &[u8], padding: usize| file.len() - padding - (end - address(bytes));
    let same = |padding: &usize| file[place(head, *padding)..].starts_with(&head[..head.len().min(4_096)]);
    let padding = (0..64).find(same).expect("tensors end where the file ends");
    let mut out = File::options().write(true).open(target).unwrap();
    let mut silenced = 0;
    for layer in layers..32 {
        for matrix in ["attn_output", "ffn_down"] {
            let Ok(view) = gguf.tensor(&format!("blk.{layer}.{matrix}.weight")) else { continue };
            out.seek(SeekFrom::Start(place(view.bytes, padding) as u64)).unwrap();
            out.write_all(&vec![0; view.bytes.len()]).unwrap();
            silenced += 1;
        }
    }
    assert!(silenced > 0, "the model has no more than {layers} layers");
}

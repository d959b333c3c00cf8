//! From a file's tensors to the model's: checked sizes, f32, rows in the order the rotation wants, matrices that share an input joined.

use burn::tensor::{Device, Tensor, TensorData};

use super::layer::Layer;
use super::rope::RopeTable;
use super::{ArchError, Llama, LlamaConfig};
use crate::device::ComputeDevice;
use crate::weights::gguf::Gguf;

pub(super) fn llama(
    gguf: &Gguf,
    device: &ComputeDevice,
    context_tokens_max: u32,
) -> Result<Llama, ArchError> {
    let config = LlamaConfig::from_gguf(gguf, context_tokens_max)?;
    let mut source = Source { gguf, device: device.tensors(), weights: 0 };
    let LlamaConfig { hidden, vocabulary_tokens, .. } = config;
    let embedding = source.rows(&[("token_embd.weight", vocabulary_tokens, Order::AsStored)], hidden)?;
    let output = match gguf.has_tensor("output.weight") {
        true => source.matrix(&[("output.weight", vocabulary_tokens, Order::AsStored)], hidden)?,
        false => embedding.clone().transpose(),
    };
    let output_norm = source.norm("output_norm.weight", hidden)?;
    let mut layers = Vec::new();
    for index in 0..config.layers {
        layers.push(source.layer(&config, index)?);
    }
    let factors = match gguf.has_tensor("rope_freqs.weight") {
        true => Some(source.values("rope_freqs.weight", &[config.head / 2])?),
        false => None,
    };
    let rope = RopeTable::new(&config, factors.as_deref(), device.tensors());
    let memory_bytes = source.weights * size_of::<f32>() as u64;
    Ok(Llama { config, device: device.clone(), embedding, layers, output_norm, output, rope, memory_bytes })
}

/// How the rows of a matrix are ordered.
#[derive(Clone, Copy)]
enum Order {
    AsStored,
    /// Heads of this width whose rotary pairs lie side by side in the file, and half a head apart in ours.
    Rotated(usize),
}

struct Source<'a> {
    gguf: &'a Gguf,
    device: &'a Device,
    /// Weights loaded so far.
    weights: u64,
}

impl Source<'_> {
    fn layer(&mut self, config: &LlamaConfig, index: usize) -> Result<Layer, ArchError> {
        let LlamaConfig { hidden, feed_forward, heads, kv_heads, head, norm_epsilon, .. } = *config;
        let named = |name: &str| format!("blk.{index}.{name}.weight");
        let (query, key, value) = (named("attn_q"), named("attn_k"), named("attn_v"));
        let joined = [
            (query.as_str(), heads * head, Order::Rotated(head)),
            (key.as_str(), kv_heads * head, Order::Rotated(head)),
            (value.as_str(), kv_heads * head, Order::AsStored),
        ];
        let (gate, up) = (named("ffn_gate"), named("ffn_up"));
        let gate_up =
            [(gate.as_str(), feed_forward, Order::AsStored), (up.as_str(), feed_forward, Order::AsStored)];
        Ok(Layer {
            heads,
            kv_heads,
            head,
            norm_epsilon,
            attention_norm: self.norm(&named("attn_norm"), hidden)?,
            query_key_value: self.matrix(&joined, hidden)?,
            attention_output: self
                .matrix(&[(&named("attn_output"), hidden, Order::AsStored)], heads * head)?,
            feed_forward_norm: self.norm(&named("ffn_norm"), hidden)?,
            gate_up: self.matrix(&gate_up, hidden)?,
            down: self.matrix(&[(&named("ffn_down"), hidden, Order::AsStored)], feed_forward)?,
        })
    }

    /// A norm's weights as one row.
    fn norm(&mut self, name: &str, width: usize) -> Result<Tensor<2>, ArchError> {
        let values = self.values(name, &[width])?;
        Ok(Tensor::from_data(TensorData::new(values, [1, width]), self.device))
    }

    /// Matrices of one input side by side: [input, outputs].
    fn matrix(&mut self, parts: &[(&str, usize, Order)], input: usize) -> Result<Tensor<2>, ArchError> {
        Ok(self.rows(parts, input)?.transpose())
    }

    /// Matrices of one input below each other: [outputs, input].
    fn rows(&mut self, parts: &[(&str, usize, Order)], input: usize) -> Result<Tensor<2>, ArchError> {
        let mut joined: Option<Vec<f32>> = None;
        for (name, outputs, order) in parts {
            let values = self.values(name, &[input, *outputs])?;
            let values = match *order {
                Order::AsStored => values,
                Order::Rotated(head) => halves_apart(&values, input, head),
            };
            match &mut joined {
                None => joined = Some(values),
                Some(joined) => joined.extend(values),
            }
        }
        let outputs = parts.iter().map(|(_, outputs, _)| outputs).sum();
        Ok(Tensor::from_data(TensorData::new(joined.unwrap_or_default(), [outputs, input]), self.device))
    }

    /// A tensor's numbers, if it has the sizes the configuration wants.
    fn values(&mut self, name: &str, expected: &[usize]) -> Result<Vec<f32>, ArchError> {
        let tensor = self.gguf.tensor(name)?;
        if tensor.dimensions != expected {
            let found = tensor.dimensions.to_vec();
            return Err(ArchError::Shape { name: name.to_owned(), expected: expected.to_vec(), found });
        }
        let values = tensor.dequantize();
        self.weights += values.len() as u64;
        Ok(values)
    }
}

/// Within each head, rows 0, 2, 4, ... first and rows 1, 3, 5, ... after them.
fn halves_apart(rows: &[f32], width: usize, head: usize) -> Vec<f32> {
    let half = head / 2;
    let mut ordered = Vec::with_capacity(rows.len());
    for rows in rows.chunks_exact(head * width) {
        for row in 0..head {
            let from = 2 * (row % half) + row / half;
            ordered.extend_from_slice(&rows[from * width..(from + 1) * width]);
        }
    }
    ordered
}

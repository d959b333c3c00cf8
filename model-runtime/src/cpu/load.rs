//! From a file's matrices to packed ones, sizes checked.

use super::CpuError;
use crate::decoder::{DecoderSpec, DecoderWeights, LayerWeights, MatrixView};
use crate::kernels::PackedMatrix;

pub(super) fn check(spec: &DecoderSpec, weights: &DecoderWeights<MatrixView<'_>>) -> Result<(), CpuError> {
    let sizes = [spec.vocabulary, spec.hidden, spec.heads, spec.kv_heads, spec.head_dim, spec.feed_forward];
    if sizes.contains(&0) || spec.layers.is_empty() || spec.context_max == 0 {
        return Err(CpuError::Specification("a size of nothing"));
    }
    if !spec.heads.is_multiple_of(spec.kv_heads) {
        return Err(CpuError::Specification("query heads that key heads cannot share evenly"));
    }
    if spec.layers.iter().any(|layer| layer.rope.dims() > spec.head_dim) {
        return Err(CpuError::Specification("more rotated numbers than a head has"));
    }
    if spec.layers.iter().any(|layer| layer.window == Some(0)) {
        return Err(CpuError::Specification("a window that not even the token itself fits in"));
    }
    if spec.layers.len() != weights.layers.len() {
        return Err(CpuError::Specification("another number of layers than the weights"));
    }
    matrix("embedding", &weights.embedding, spec.vocabulary, spec.hidden)?;
    if let Some(output) = &weights.output {
        matrix("output", output, spec.vocabulary, spec.hidden)?;
    }
    vector("output_norm", Some(&weights.output_norm), spec.hidden)?;
    for (index, layer) in weights.layers.iter().enumerate() {
        check_layer(spec, layer).map_err(|error| match error {
            CpuError::Shape { what, expected, found } => {
                CpuError::Shape { what: format!("{what} of layer {index}"), expected, found }
            }
            other => other,
        })?;
    }
    Ok(())
}

fn check_layer(spec: &DecoderSpec, layer: &LayerWeights<MatrixView<'_>>) -> Result<(), CpuError> {
    let (hidden, inner) = (spec.hidden, spec.feed_forward);
    let (queries, keys) = (spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim);
    matrix("q", &layer.q, queries, hidden)?;
    matrix("k", &layer.k, keys, hidden)?;
    matrix("v", &layer.v, keys, hidden)?;
    matrix("o", &layer.o, hidden, queries)?;
    matrix("gate", &layer.gate, inner, hidden)?;
    matrix("up", &layer.up, inner, hidden)?;
    matrix("down", &layer.down, hidden, inner)?;
    vector("attention_norm", Some(&layer.attention_norm), hidden)?;
    vector("feed_forward_norm", Some(&layer.feed_forward_norm), hidden)?;
    vector("q_bias", layer.q_bias.as_ref(), queries)?;
    vector("k_bias", layer.k_bias.as_ref(), keys)?;
    vector("v_bias", layer.v_bias.as_ref(), keys)?;
    vector("q_norm", layer.q_norm.as_ref(), spec.head_dim)?;
    vector("k_norm", layer.k_norm.as_ref(), spec.head_dim)?;
    vector("post_attention_norm", layer.post_attention_norm.as_ref(), hidden)?;
    vector("post_feed_forward_norm", layer.post_feed_forward_norm.as_ref(), hidden)
}

fn matrix(what: &str, view: &MatrixView<'_>, rows: usize, columns: usize) -> Result<(), CpuError> {
    let found = (view.rows, view.columns);
    if found == (rows, columns) {
        return Ok(());
    }
    Err(CpuError::Shape { what: what.to_owned(), expected: (rows, columns), found })
}

fn vector(what: &str, values: Option<&Vec<f32>>, length: usize) -> Result<(), CpuError> {
    match values {
        Some(values) if values.len() != length => {
            Err(CpuError::Shape { what: what.to_owned(), expected: (length, 1), found: (values.len(), 1) })
        }
        _ => Ok(()),
    }
}

pub(super) fn pack(
    weights: &DecoderWeights<MatrixView<'_>>,
) -> Result<DecoderWeights<PackedMatrix>, CpuError> {
    let layer = |layer: &LayerWeights<MatrixView<'_>>| {
        Ok(LayerWeights {
            attention_norm: layer.attention_norm.clone(),
            q: packed(&layer.q)?,
            k: packed(&layer.k)?,
            v: packed(&layer.v)?,
            o: packed(&layer.o)?,
            q_bias: layer.q_bias.clone(),
            k_bias: layer.k_bias.clone(),
            v_bias: layer.v_bias.clone(),
            q_norm: layer.q_norm.clone(),
            k_norm: layer.k_norm.clone(),
            post_attention_norm: layer.post_attention_norm.clone(),
            feed_forward_norm: layer.feed_forward_norm.clone(),
            gate: packed(&layer.gate)?,
            up: packed(&layer.up)?,
            down: packed(&layer.down)?,
            post_feed_forward_norm: layer.post_feed_forward_norm.clone(),
        })
    };
    Ok(DecoderWeights {
        embedding: packed(&weights.embedding)?,
        output: weights.output.as_ref().map(packed).transpose()?,
        output_norm: weights.output_norm.clone(),
        layers: weights.layers.iter().map(layer).collect::<Result<_, CpuError>>()?,
    })
}

fn packed(view: &MatrixView<'_>) -> Result<PackedMatrix, CpuError> {
    let memory = |source| CpuError::Memory { what: "weights", bytes: view.bytes.len() as u64, source };
    PackedMatrix::pack(view).map_err(memory)
}

//! Names of a decoder's tensors in files, and the views of them.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::FamilyError;
use crate::decoder::{BlockKind, DecoderSpec, DecoderWeights, LayerWeights, MatrixView};
use crate::weights::gguf::Gguf;
use crate::weights::safetensors::Safetensors;

/// Optional tensors that a family has in every layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// Biases of queries, keys and values.
    pub(crate) qkv_bias: bool,
    /// Norms of queries and keys.
    pub(crate) qk_norm: bool,
    /// Norms after attention and after the feed-forward.
    pub(crate) post_norms: bool,
    /// Hugging Face's files hold the norms' weights less one. (GGUF files never do.)
    pub(crate) norms_less_one: bool,
    /// The embedding is the output, even where a file has both.
    pub(crate) tied: bool,
}

/// Where tensors come from, which decides their names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Files<'a> {
    Gguf(&'a Gguf),
    HuggingFace(&'a Safetensors),
}

/// A tensor's bytes, sizes with the slowest running first.
struct Stored<'a> {
    sizes: Vec<usize>,
    kind: BlockKind,
    bytes: &'a [u8],
}

/// Views of all weights that `spec` and `parts` ask for.
pub(crate) fn weights<'a>(
    files: Files<'a>,
    spec: &DecoderSpec,
    parts: Parts,
) -> Result<DecoderWeights<MatrixView<'a>>, FamilyError> {
    let reader = Reader { files, spec, parts, read: RefCell::default() };
    let layers = (0..spec.layers.len()).map(|layer| reader.layer(layer)).collect::<Result<_, _>>()?;
    let (embedding, output, output_norm) = match files {
        Files::Gguf(_) => ("token_embd.weight", "output.weight", "output_norm.weight"),
        Files::HuggingFace(_) => ("model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"),
    };
    let tied = match files {
        Files::Gguf(gguf) => !gguf.has_tensor(output),
        Files::HuggingFace(_) => parts.tied,
    };
    let weights = DecoderWeights {
        embedding: reader.matrix(embedding, spec.vocabulary, spec.hidden)?,
        output: if tied { None } else { Some(reader.matrix(output, spec.vocabulary, spec.hidden)?) },
        output_norm: reader.norm(output_norm, spec.hidden)?,
        layers,
    };
    reader.refuse_unread()?;
    Ok(weights)
}

struct Reader<'a, 's> {
    files: Files<'a>,
    spec: &'s DecoderSpec,
    parts: Parts,
    read: RefCell<BTreeSet<String>>,
}

/// Names of a layer's tensors, without the layer and the ending.
struct Names {
    attention_norm: &'static str,
    q: &'static str,
    k: &'static str,
    v: &'static str,
    o: &'static str,
    q_norm: &'static str,
    k_norm: &'static str,
    post_attention_norm: &'static str,
    feed_forward_norm: &'static str,
    gate: &'static str,
    up: &'static str,
    down: &'static str,
    post_feed_forward_norm: &'static str,
}

const GGUF: Names = Names {
    attention_norm: "attn_norm",
    q: "attn_q",
    k: "attn_k",
    v: "attn_v",
    o: "attn_output",
    q_norm: "attn_q_norm",
    k_norm: "attn_k_norm",
    post_attention_norm: "post_attention_norm",
    feed_forward_norm: "ffn_norm",
    gate: "ffn_gate",
    up: "ffn_up",
    down: "ffn_down",
    post_feed_forward_norm: "post_ffw_norm",
};

const HUGGING_FACE: Names = Names {
    attention_norm: "input_layernorm",
    q: "self_attn.q_proj",
    k: "self_attn.k_proj",
    v: "self_attn.v_proj",
    o: "self_attn.o_proj",
    q_norm: "self_attn.q_norm",
    k_norm: "self_attn.k_norm",
    post_attention_norm: "post_attention_layernorm",
    // What comes before the feed-forward is named after what it follows.
    feed_forward_norm: "post_attention_layernorm",
    gate: "mlp.gate_proj",
    up: "mlp.up_proj",
    down: "mlp.down_proj",
    post_feed_forward_norm: "post_feedforward_layernorm",
};

/// Unless another norm follows attention, too.
const HUGGING_FACE_WITH_POST_NORMS: Names =
    Names { feed_forward_norm: "pre_feedforward_layernorm", ..HUGGING_FACE };

impl<'a> Reader<'a, '_> {
    fn layer(&self, layer: usize) -> Result<LayerWeights<MatrixView<'a>>, FamilyError> {
        let DecoderSpec { hidden, heads, kv_heads, head_dim, feed_forward, .. } = *self.spec;
        let Parts { qkv_bias, qk_norm, post_norms, .. } = self.parts;
        let (names, prefix) = match self.files {
            Files::Gguf(_) => (&GGUF, "blk"),
            Files::HuggingFace(_) if post_norms => (&HUGGING_FACE_WITH_POST_NORMS, "model.layers"),
            Files::HuggingFace(_) => (&HUGGING_FACE, "model.layers"),
        };
        let name = |name: &str, ending: &str| format!("{prefix}.{layer}.{name}.{ending}");
        let matrix = |tensor: &str, rows, columns| self.matrix(&name(tensor, "weight"), rows, columns);
        let norm = |tensor: &str, width| self.norm(&name(tensor, "weight"), width);
        let norm_if = |there: bool, tensor, width| there.then(|| norm(tensor, width)).transpose();
        let bias = |tensor, width| qkv_bias.then(|| self.vector(&name(tensor, "bias"), width)).transpose();
        let (queries, keys) = (heads * head_dim, kv_heads * head_dim);
        Ok(LayerWeights {
            attention_norm: norm(names.attention_norm, hidden)?,
            q: matrix(names.q, queries, hidden)?,
            k: matrix(names.k, keys, hidden)?,
            v: matrix(names.v, keys, hidden)?,
            o: matrix(names.o, hidden, queries)?,
            q_bias: bias(names.q, queries)?,
            k_bias: bias(names.k, keys)?,
            v_bias: bias(names.v, keys)?,
            q_norm: norm_if(qk_norm, names.q_norm, head_dim)?,
            k_norm: norm_if(qk_norm, names.k_norm, head_dim)?,
            post_attention_norm: norm_if(post_norms, names.post_attention_norm, hidden)?,
            feed_forward_norm: norm(names.feed_forward_norm, hidden)?,
            gate: matrix(names.gate, feed_forward, hidden)?,
            up: matrix(names.up, feed_forward, hidden)?,
            down: matrix(names.down, hidden, feed_forward)?,
            post_feed_forward_norm: norm_if(post_norms, names.post_feed_forward_norm, hidden)?,
        })
    }

    fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<MatrixView<'a>, FamilyError> {
        let Stored { kind, bytes, sizes } = self.stored(name, &[rows, columns])?;
        MatrixView::new(rows, columns, kind, bytes).ok_or_else(|| FamilyError::Shape {
            name: name.to_owned(),
            expected: vec![rows, columns],
            found: sizes,
        })
    }

    /// A norm's weights as they are multiplied.
    fn norm(&self, name: &str, width: usize) -> Result<Vec<f32>, FamilyError> {
        let mut weights = self.vector(name, width)?;
        if self.parts.norms_less_one && matches!(self.files, Files::HuggingFace(_)) {
            weights.iter_mut().for_each(|weight| *weight += 1.0);
        }
        Ok(weights)
    }

    fn vector(&self, name: &str, width: usize) -> Result<Vec<f32>, FamilyError> {
        let stored = self.stored(name, &[width])?;
        let mut weights = vec![0.0; width];
        stored.kind.expand(stored.bytes, &mut weights);
        Ok(weights)
    }

    /// A tensor, if it has the expected sizes.
    fn stored(&self, name: &str, expected: &[usize]) -> Result<Stored<'a>, FamilyError> {
        let stored = match self.files {
            Files::Gguf(gguf) => {
                let tensor = gguf.tensor(name)?;
                let sizes = tensor.dimensions.iter().rev().copied().collect();
                Stored { sizes, kind: tensor.kind, bytes: tensor.bytes }
            }
            Files::HuggingFace(files) => {
                let tensor = files.tensor(name)?;
                Stored { sizes: tensor.dimensions.to_vec(), kind: tensor.kind, bytes: tensor.bytes }
            }
        };
        if stored.sizes != expected {
            let (name, expected, found) = (name.to_owned(), expected.to_vec(), stored.sizes);
            return Err(FamilyError::Shape { name, expected, found });
        }
        self.read.borrow_mut().insert(name.to_owned());
        Ok(stored)
    }

    /// A tensor that was not asked for means that we would compute another model than the file's.
    fn refuse_unread(&self) -> Result<(), FamilyError> {
        let read = self.read.borrow();
        let unread = |name: &str| !read.contains(name) && !self.is_harmless(name);
        let first = match self.files {
            Files::Gguf(gguf) => gguf.tensors().map(|(name, _)| name).find(|name| unread(name)),
            Files::HuggingFace(files) => files.names().find(|name| unread(name)),
        };
        first.map_or(Ok(()), |name| Err(FamilyError::Unread(name.to_owned())))
    }

    fn is_harmless(&self, name: &str) -> bool {
        match self.files {
            // Read with the configuration.
            Files::Gguf(_) => name == "rope_freqs.weight",
            // What rotary frequencies are computed to anyway, and a copy of the embedding.
            Files::HuggingFace(_) => {
                name.ends_with(".rotary_emb.inv_freq") || (self.parts.tied && name == "lm_head.weight")
            }
        }
    }
}

//! Gemma 3 (text): norms around both halves of a layer and on queries and keys, a gate by GELU, scaled embeddings, and layers that see
//! a window five times out of six, with rotary frequencies of their own.

use serde::Deserialize;
use serde_json::Value;

use super::json::{Rope, RopeJson, ScalingJson, SizesJson, required};
use super::keys::Keys;
use super::{FamilyError, Sizes};
use crate::decoder::{Activation, DecoderSpec, LayerSpec, RopePairing, RopeScaling, RopeSpec};

/// Configuration of a Gemma 3.
#[derive(Clone, Debug, PartialEq)]
pub struct Gemma3 {
    /// Sizes.
    pub sizes: Sizes,
    /// Rotary positions of layers that see everything.
    pub rope: Rope,
    /// Rotary positions of layers that see a window.
    pub local_rope: Rope,
    /// Tokens that a token of a local layer sees, itself among them.
    pub window: usize,
    /// Which layers are local, in order.
    pub local: Vec<bool>,
    /// Scores are divided by its root.
    pub query_scale: f64,
    /// Bounds the logits.
    pub logit_cap: Option<f64>,
}

/// One layer in so many sees everything, unless the configuration says otherwise.
const PATTERN: usize = 6;
const LOCAL_BASE: f64 = 10_000.0;
const GLOBAL_BASE: f64 = 1_000_000.0;
/// Layers of the largest one, which alone scales its scores by something other than the head's width; GGUF files do not say by what.
const LAYERS_27B: usize = 62;

#[derive(Deserialize)]
struct Json {
    rope_local_base_freq: Option<f64>,
    sliding_window: usize,
    sliding_window_pattern: Option<usize>,
    layer_types: Option<Vec<String>>,
    query_pre_attn_scalar: f64,
    final_logit_softcapping: Option<f64>,
    attn_logit_softcapping: Option<f64>,
    #[serde(default)]
    use_bidirectional_attention: bool,
}

/// `rope_parameters` of transformers 5.
#[derive(Deserialize)]
struct TwoRopes {
    full_attention: ScalingJson,
    sliding_attention: ScalingJson,
}

impl Gemma3 {
    /// # Errors
    /// When a key is missing or makes no sense.
    pub fn from_gguf(keys: &Keys<'_>) -> Result<Self, FamilyError> {
        let sizes = keys.sizes()?;
        let rope = Rope {
            base: keys.positive("rope.freq_base", GLOBAL_BASE)?,
            scaling: keys.rope_scaling(sizes.head_dim)?,
        };
        let local_rope =
            Rope { base: keys.positive("rope.freq_base_swa", LOCAL_BASE)?, scaling: RopeScaling::None };
        let window = keys.optional_size("attention.sliding_window")?.unwrap_or(0);
        let pattern = keys.optional_size("attention.sliding_window_pattern")?.unwrap_or(PATTERN).max(1);
        let query_scale = match sizes.layers {
            LAYERS_27B => sizes.hidden / sizes.heads,
            _ => sizes.head_dim,
        };
        Ok(Self {
            local: pattern_of(pattern, sizes.layers).map(|local| local && window > 0).collect(),
            query_scale: query_scale as f64,
            logit_cap: keys.positive_or_none("final_logit_softcapping")?,
            sizes,
            rope,
            local_rope,
            window,
        })
    }

    /// # Errors
    /// When a field is missing or makes no sense.
    pub fn from_json(config: &Value) -> Result<Self, FamilyError> {
        let json = Json::deserialize(config)?;
        let rope = RopeJson::deserialize(config)?;
        let sizes = SizesJson::deserialize(config)?.sizes("gelu_pytorch_tanh")?;
        if json.use_bidirectional_attention {
            return Err(FamilyError::Feature("attention to later tokens".to_owned()));
        }
        if json.attn_logit_softcapping.is_some() {
            return Err(FamilyError::Feature("capped scores".to_owned()));
        }
        required("sliding window", Some(json.sliding_window as f64))?;
        let (rope, local_rope) = match &rope.rope_parameters {
            Some(parameters) => {
                let TwoRopes { full_attention, sliding_attention } = TwoRopes::deserialize(parameters)?;
                (
                    full_attention.rope(full_attention.rope_theta.unwrap_or(GLOBAL_BASE))?,
                    sliding_attention.rope(sliding_attention.rope_theta.unwrap_or(LOCAL_BASE))?,
                )
            }
            None => {
                let global = RopeJson { rope_theta: rope.rope_theta.or(Some(GLOBAL_BASE)), ..rope.clone() };
                let base = required("rope_local_base_freq", json.rope_local_base_freq.or(Some(LOCAL_BASE)))?;
                (global.rope()?, Rope { base, scaling: RopeScaling::None })
            }
        };
        let local = match json.layer_types {
            Some(types) => local_layers(&types, sizes.layers)?,
            None => pattern_of(json.sliding_window_pattern.unwrap_or(PATTERN).max(1), sizes.layers).collect(),
        };
        Ok(Self {
            sizes,
            rope,
            local_rope,
            window: json.sliding_window,
            local,
            query_scale: required("query_pre_attn_scalar", Some(json.query_pre_attn_scalar))?,
            logit_cap: json
                .final_logit_softcapping
                .map(|cap| required("logit cap", Some(cap)))
                .transpose()?,
        })
    }

    /// What an executor has to compute.
    #[must_use]
    pub fn spec(&self) -> DecoderSpec {
        let spec =
            |rope: &Rope| RopeSpec::new(rope.base, self.sizes.head_dim, RopePairing::Halves, &rope.scaling);
        let (global, local) = (spec(&self.rope), spec(&self.local_rope));
        let layer = |is_local: &bool| match is_local {
            true => LayerSpec { rope: local.clone(), window: Some(self.window) },
            false => LayerSpec { rope: global.clone(), window: None },
        };
        DecoderSpec {
            activation: Activation::GeluTanh,
            embedding_scale: (self.sizes.hidden as f32).sqrt(),
            attention_scale: (1.0 / self.query_scale.sqrt()) as f32,
            final_logit_softcap: self.logit_cap.map(|cap| cap as f32),
            ..self.sizes.spec(self.local.iter().map(layer).collect())
        }
    }
}

/// The last layer of every `pattern` sees everything.
fn pattern_of(pattern: usize, layers: usize) -> impl Iterator<Item = bool> {
    (0..layers).map(move |layer| layer % pattern < pattern - 1)
}

fn local_layers(types: &[String], layers: usize) -> Result<Vec<bool>, FamilyError> {
    if types.len() != layers {
        return Err(super::sizes::cannot_be("number of layer types", types.len()));
    }
    let local = |kind: &String| match kind.as_str() {
        "sliding_attention" => Ok(true),
        "full_attention" => Ok(false),
        other => Err(FamilyError::Feature(format!("layers of the type {other:?}"))),
    };
    types.iter().map(local).collect()
}

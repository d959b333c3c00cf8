//! What the `config.json` of all families have in common.

use serde::Deserialize;
use serde_json::Value;

use super::sizes::cannot_be;
use super::{FamilyError, Sizes};
use crate::decoder::RopeScaling;

/// The class that transformers would build, as the configuration names it.
///
/// # Errors
/// When it names none.
pub fn architecture(config: &Value) -> Result<&str, FamilyError> {
    let first = config.get("architectures").and_then(|list| list.get(0)).and_then(Value::as_str);
    first.ok_or_else(|| FamilyError::Unknown("config.json without architectures".to_owned()))
}

/// Sizes.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are transformers'")]
pub struct SizesJson {
    pub num_hidden_layers: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_attention_heads: usize,
    pub num_key_value_heads: Option<usize>,
    pub head_dim: Option<usize>,
    pub vocab_size: usize,
    pub max_position_embeddings: usize,
    pub rms_norm_eps: f32,
    #[serde(alias = "hidden_activation")]
    pub hidden_act: Option<String>,
}

impl SizesJson {
    /// The sizes, checked, if the activation is the family's.
    ///
    /// # Errors
    /// When a size makes no sense or the activation is another.
    pub fn sizes(&self, activation: &str) -> Result<Sizes, FamilyError> {
        if let Some(other) = self.hidden_act.as_deref().filter(|found| *found != activation) {
            return Err(FamilyError::Feature(format!("the activation {other:?}")));
        }
        let heads = self.num_attention_heads;
        let head_dim = match self.head_dim {
            Some(head_dim) => head_dim,
            None => self.hidden_size.checked_div(heads).ok_or_else(|| cannot_be("number of heads", heads))?,
        };
        Sizes {
            layers: self.num_hidden_layers,
            hidden: self.hidden_size,
            feed_forward: self.intermediate_size,
            heads,
            kv_heads: self.num_key_value_heads.unwrap_or(heads),
            head_dim,
            vocabulary: self.vocab_size,
            context: self.max_position_embeddings,
            norm_epsilon: self.rms_norm_eps,
        }
        .checked()
    }
}

/// Rotary positions: `rope_theta` and `rope_scaling` side by side, or both in `rope_parameters` as transformers 5 writes them.
#[derive(Clone, Debug, Default, Deserialize)]
#[expect(missing_docs, reason = "the names are transformers'")]
pub struct RopeJson {
    pub rope_theta: Option<f64>,
    pub rope_scaling: Option<ScalingJson>,
    pub rope_parameters: Option<Value>,
    pub partial_rotary_factor: Option<f64>,
}

/// How frequencies are stretched.
#[derive(Clone, Debug, Default, Deserialize)]
#[expect(missing_docs, reason = "the names are transformers'")]
pub struct ScalingJson {
    #[serde(alias = "type")]
    pub rope_type: Option<String>,
    pub factor: Option<f64>,
    pub low_freq_factor: Option<f64>,
    pub high_freq_factor: Option<f64>,
    pub original_max_position_embeddings: Option<f64>,
    pub rope_theta: Option<f64>,
    pub partial_rotary_factor: Option<f64>,
}

/// The base of the frequencies and how they are stretched.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// To the power of `-2 i / head_dim`.
    pub base: f64,
    /// Divides what comes of it.
    pub scaling: RopeScaling,
}

impl RopeJson {
    /// Rope of a model whose layers are alike.
    ///
    /// # Errors
    /// When a number makes no sense or it is stretched in a way we do not compute.
    pub fn rope(&self) -> Result<Rope, FamilyError> {
        let scaling = match &self.rope_parameters {
            Some(parameters) => serde_json::from_value(parameters.clone())?,
            None => self.rope_scaling.clone().unwrap_or_default(),
        };
        let partial = self.partial_rotary_factor.or(scaling.partial_rotary_factor);
        if let Some(part) = partial.filter(|part| *part != 1.0) {
            return Err(FamilyError::Feature(format!("rotation of {part} of each head")));
        }
        let base = scaling.rope_theta.or(self.rope_theta).unwrap_or(10_000.0);
        scaling.rope(base)
    }
}

impl ScalingJson {
    /// The rope this describes.
    ///
    /// # Errors
    /// When a number makes no sense or it is stretched in a way we do not compute.
    pub fn rope(&self, base: f64) -> Result<Rope, FamilyError> {
        let scaling = match self.rope_type.as_deref() {
            None | Some("default") => RopeScaling::None,
            Some("linear") => RopeScaling::Linear(required("rope factor", self.factor)?),
            Some("llama3") => RopeScaling::Llama3 {
                factor: required("rope factor", self.factor)?,
                low: required("low_freq_factor", self.low_freq_factor)?,
                high: required("high_freq_factor", self.high_freq_factor)?,
                original_context: required("original context", self.original_max_position_embeddings)?,
            },
            Some(other) => return Err(FamilyError::Feature(format!("rope scaling {other:?}"))),
        };
        Ok(Rope { base: required("rope base", Some(base))?, scaling })
    }
}

/// A number that must be there and be above zero.
pub(super) fn required(what: &str, value: Option<f64>) -> Result<f64, FamilyError> {
    match value {
        Some(value) if value.is_finite() && value > 0.0 => Ok(value),
        Some(value) => Err(cannot_be(what, value)),
        None => Err(cannot_be(what, "missing")),
    }
}

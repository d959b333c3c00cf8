use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::EmbedderError;
use crate::checkpoint::JSON_BYTES_MAX;
use crate::families::FamilyError;
use crate::weights::bounded;

/// How a vector is made of an encoder's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Tokens of a text at most, those around it included.
    pub tokens_max: usize,
    /// From rows to one.
    pub pooling: Pooling,
    /// Whether vectors have the length 1.
    pub normalized: bool,
}

/// From the rows of all tokens to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The first token's.
    First,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PoolingJson {
    pooling_mode_cls_token: bool,
    pooling_mode_mean_tokens: bool,
    pooling_mode_max_tokens: bool,
    pooling_mode_mean_sqrt_len_tokens: bool,
    pooling_mode_weightedmean_tokens: bool,
    pooling_mode_lasttoken: bool,
}

impl Settings {
    /// Reads sentence-transformers' files. A folder without them gives normed means of up to `positions` tokens.
    pub(super) fn read(folder: &Path, positions: usize) -> Result<Self, EmbedderError> {
        let optional = |name: &str| bounded::optional_json(&folder.join(name), JSON_BYTES_MAX);
        let length =
            optional("sentence_bert_config.json")?.and_then(|config| config["max_seq_length"].as_u64());
        let length = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(positions);
        let pooling = match optional("1_Pooling/config.json")? {
            None => Pooling::Mean,
            Some(config) => PoolingJson::deserialize(&config)?.pooling()?,
        };
        let normalized = match optional("modules.json")? {
            None => true,
            Some(modules) => has_normalize(&modules)?,
        };
        // Less than what stands around a text leaves nothing of it.
        if length < 3 {
            let (what, value) = ("longest text".to_owned(), length.to_string());
            return Err(FamilyError::Configuration { what, value }.into());
        }
        Ok(Self { tokens_max: length.min(positions), pooling, normalized })
    }

    /// The vector of [tokens, width] rows.
    pub(super) fn pooled(&self, rows: &[f32], width: usize) -> Vec<f32> {
        let mut vector = match self.pooling {
            Pooling::First => rows[..width].to_vec(),
            Pooling::Mean => {
                let mut sum = vec![0.0; width];
                for row in rows.chunks_exact(width) {
                    sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
                }
                let tokens = (rows.len() / width) as f32;
                sum.into_iter().map(|sum| sum / tokens).collect()
            }
        };
        if self.normalized {
            let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-12);
            vector.iter_mut().for_each(|value| *value /= length);
        }
        vector
    }
}

impl PoolingJson {
    fn pooling(&self) -> Result<Pooling, FamilyError> {
        let others = self.pooling_mode_max_tokens
            || self.pooling_mode_mean_sqrt_len_tokens
            || self.pooling_mode_weightedmean_tokens
            || self.pooling_mode_lasttoken;
        match (self.pooling_mode_mean_tokens, self.pooling_mode_cls_token, others) {
            (true, false, false) => Ok(Pooling::Mean),
            (false, true, false) => Ok(Pooling::First),
            _ => Err(FamilyError::Feature("pooling other than by mean or first token".to_owned())),
        }
    }
}

/// Whether the vectors are made as long as one. Any other step after the pooling would be left out, and the vectors be others.
fn has_normalize(modules: &Value) -> Result<bool, FamilyError> {
    let kinds = modules.as_array().into_iter().flatten().filter_map(|module| module["type"].as_str());
    let mut normalizes = false;
    for kind in kinds {
        match kind.rsplit('.').next() {
            Some("Transformer" | "Pooling") => {}
            Some("Normalize") => normalizes = true,
            _ => return Err(FamilyError::Feature(format!("the module {kind} of sentence-transformers"))),
        }
    }
    Ok(normalizes)
}

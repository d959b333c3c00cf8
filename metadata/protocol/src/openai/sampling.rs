//! How tokens are drawn, what ends an answer and its form: the fields that chat and text completions share.

use std::collections::BTreeMap;

use super::{RequestError, Stop};

/// How many stop texts a request may have.
pub const STOPS_MAX: usize = 16;
/// How long a stop text may be.
pub const STOP_BYTES_MAX: usize = 256;
/// How many tokens may be named to end an answer.
pub const STOP_TOKENS_MAX: usize = 64;
/// How long a cache's salt may be.
pub const SALT_BYTES_MAX: usize = 256;
/// How many tokens may be biased.
pub const BIASES_MAX: usize = 1_024;
/// Of how many tokens probabilities can be told.
pub const TOP_LOGPROBS_MAX: u32 = 20;

/// Declares a request with its own fields and those of sampling, which are then taken out as [`SamplingFields`] and
/// [`super::GuidedFields`]. Fields that are not here
/// change nothing. (serde's `flatten` would do the same, but not for numbers with an exponent, where serde_json keeps them as written.)
macro_rules! with_sampling_fields {
    ($(#[$meta:meta])* pub struct $name:ident { $($own:tt)* }) => {
        $(#[$meta])*
        pub struct $name {
            $($own)*
            /// 0 to 2; 0 takes the likeliest token.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub temperature: Option<f32>,
            /// Above 0, up to 1.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub top_p: Option<f32>,
            /// Keep so many of the likeliest tokens; 0 and -1 keep all.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub top_k: Option<i64>,
            /// Keep tokens at least this likely compared with the likeliest, 0 to 1.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub min_p: Option<f32>,
            /// Makes sampling repeatable.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub seed: Option<i64>,
            /// -2 to 2.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub frequency_penalty: Option<f32>,
            /// -2 to 2.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub presence_penalty: Option<f32>,
            /// Above 0, up to 10; 1 changes nothing.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub repetition_penalty: Option<f32>,
            /// Token numbers (as texts, being JSON keys) to what is added to their logits, -100 to 100.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub logit_bias: Option<std::collections::BTreeMap<String, f32>>,
            /// Where to stop; the stop text itself is not sent.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub stop: Option<$crate::openai::Stop>,
            /// Tokens that end the answer, beside the model's own.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub stop_token_ids: Option<Vec<i64>>,
            /// Tokens before the answer may end.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub min_tokens: Option<i64>,
            /// Whether the model's own end is ignored.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub ignore_eos: Option<bool>,
            /// Prompts of one salt share what was computed for their beginnings; with those of another they share nothing.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub cache_salt: Option<String>,
            /// Whether tokens that only steer the model are left out of the text: true if absent.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub skip_special_tokens: Option<bool>,
            /// Whether the answer names the tokens of prompt and answers.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub return_token_ids: Option<bool>,
            /// The answer is JSON of this schema, which may be given as text.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub guided_json: Option<serde_json::Value>,
            /// The answer is matched by this regular expression as a whole.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub guided_regex: Option<String>,
            /// The answer is one of these texts.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub guided_choice: Option<Vec<String>>,
            /// The answer belongs to the language of this grammar, in Lark.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub guided_grammar: Option<String>,
            /// The newer name of these four.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub structured_outputs: Option<$crate::openai::StructuredOutputs>,
            /// Not supported, as all of the following: refused where it would change the answer.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub use_beam_search: Option<serde_json::Value>,
            /// Log-probabilities of the prompt.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub prompt_logprobs: Option<serde_json::Value>,
            /// Whether the stop text is sent.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub include_stop_str_in_output: Option<serde_json::Value>,
            /// Tokens that the answer is made of.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub allowed_token_ids: Option<serde_json::Value>,
            /// Texts that the answer does not have.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub bad_words: Option<serde_json::Value>,
            /// How much of the prompt's end is read.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub truncate_prompt_tokens: Option<serde_json::Value>,
            /// Python code of the server's.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub logits_processors: Option<serde_json::Value>,
        }

        impl $name {
            /// Takes out the forms that are asked for beside `response_format`.
            pub(super) fn take_guided(&mut self) -> $crate::openai::GuidedFields {
                $crate::openai::GuidedFields {
                    json: self.guided_json.take(),
                    regex: self.guided_regex.take(),
                    choice: self.guided_choice.take(),
                    grammar: self.guided_grammar.take(),
                    structured: self.structured_outputs.take(),
                }
            }

            /// Refuses what vLLM's clients may ask for, would change the answer, and is not here.
            pub(super) fn refuse_unsupported(&self) -> Result<(), $crate::openai::RequestError> {
                $crate::openai::sampling::refuse(&[
                    ("use_beam_search", &self.use_beam_search),
                    ("prompt_logprobs", &self.prompt_logprobs),
                    ("include_stop_str_in_output", &self.include_stop_str_in_output),
                    ("allowed_token_ids", &self.allowed_token_ids),
                    ("bad_words", &self.bad_words),
                    ("truncate_prompt_tokens", &self.truncate_prompt_tokens),
                    ("logits_processors", &self.logits_processors),
                ])
            }

            /// Takes out how tokens are drawn and what ends an answer.
            pub(super) fn take_sampling(&mut self) -> $crate::openai::SamplingFields {
                $crate::openai::SamplingFields {
                    temperature: self.temperature.take(),
                    top_p: self.top_p.take(),
                    top_k: self.top_k.take(),
                    min_p: self.min_p.take(),
                    seed: self.seed.take(),
                    frequency_penalty: self.frequency_penalty.take(),
                    presence_penalty: self.presence_penalty.take(),
                    repetition_penalty: self.repetition_penalty.take(),
                    logit_bias: self.logit_bias.take(),
                    stop: self.stop.take(),
                    stop_token_ids: self.stop_token_ids.take(),
                    min_tokens: self.min_tokens.take(),
                    ignore_eos: self.ignore_eos.take(),
                    cache_salt: self.cache_salt.take(),
                    skip_special_tokens: self.skip_special_tokens.take(),
                    return_token_ids: self.return_token_ids.take(),
                }
            }
        }
    };
}
pub(super) use with_sampling_fields;

/// The fields, as received.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SamplingFields {
    /// 0 to 2; 0 takes the likeliest token.
    pub temperature: Option<f32>,
    /// Above 0, up to 1.
    pub top_p: Option<f32>,
    /// Keep so many of the likeliest tokens; 0 and -1 keep all.
    pub top_k: Option<i64>,
    /// Keep tokens at least this likely compared with the likeliest, 0 to 1.
    pub min_p: Option<f32>,
    /// Makes sampling repeatable.
    pub seed: Option<i64>,
    /// -2 to 2.
    pub frequency_penalty: Option<f32>,
    /// -2 to 2.
    pub presence_penalty: Option<f32>,
    /// Above 0, up to 10; 1 changes nothing.
    pub repetition_penalty: Option<f32>,
    /// Token numbers (as texts, being JSON keys) to what is added to their logits, -100 to 100.
    pub logit_bias: Option<BTreeMap<String, f32>>,
    /// Where to stop; the stop text itself is not sent.
    pub stop: Option<Stop>,
    /// Tokens that end the answer, beside the model's own.
    pub stop_token_ids: Option<Vec<i64>>,
    /// Tokens before the answer may end.
    pub min_tokens: Option<i64>,
    /// Whether the model's own end is ignored.
    pub ignore_eos: Option<bool>,
    /// Whose prompts share what was computed for their beginnings.
    pub cache_salt: Option<String>,
    /// Whether tokens that only steer the model are left out of the text.
    pub skip_special_tokens: Option<bool>,
    /// Whether the answer names the tokens of prompt and answers.
    pub return_token_ids: Option<bool>,
}

/// The same, within every limit.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ValidSampling {
    /// 0 to 2.
    pub temperature: Option<f32>,
    /// Above 0, up to 1.
    pub top_p: Option<f32>,
    /// At least 1.
    pub top_k: Option<u32>,
    /// 0 to 1.
    pub min_p: Option<f32>,
    /// The client's 64 bits of seed; a negative number in two's complement.
    pub seed: Option<u64>,
    /// -2 to 2.
    pub frequency_penalty: Option<f32>,
    /// -2 to 2.
    pub presence_penalty: Option<f32>,
    /// Above 0, up to 10.
    pub repetition_penalty: Option<f32>,
    /// By token, -100 to 100.
    pub logit_bias: BTreeMap<u32, f32>,
    /// Up to four texts, none empty.
    pub stop: Vec<String>,
    /// Up to 64 tokens.
    pub stop_token_ids: Vec<u32>,
    /// Tokens before the answer may end.
    pub tokens_min: u32,
    /// Whether the model's own end is ignored.
    pub ignore_end: bool,
    /// Whose prompts share what was computed for their beginnings: 1 to 256 bytes.
    pub cache_salt: Option<String>,
    /// Whether tokens that only steer the model are shown as the vocabulary writes them. The one that ends an answer never is.
    pub shows_special: bool,
    /// Whether the answer names the tokens of prompt and answers.
    pub names_tokens: bool,
}

impl SamplingFields {
    /// Checks every field.
    pub fn validate(self) -> Result<ValidSampling, RequestError> {
        let logit_bias = self.logit_bias.unwrap_or_default();
        if logit_bias.len() > BIASES_MAX {
            return Err(RequestError::new(
                "logit_bias",
                format!("logit_bias has more than {BIASES_MAX} tokens"),
            ));
        }
        let biased = logit_bias.into_iter().map(|(token, bias)| {
            let token = token.parse::<u32>().ok().filter(|_| (-100.0..=100.0).contains(&bias));
            let text = "logit_bias must name tokens by their numbers, with values between -100 and 100";
            token.map(|token| (token, bias)).ok_or_else(|| RequestError::new("logit_bias", text))
        });
        Ok(ValidSampling {
            temperature: within("temperature", self.temperature, 0.0, 2.0)?,
            top_p: above("top_p", self.top_p, 1.0)?,
            top_k: top_k(self.top_k)?,
            min_p: within("min_p", self.min_p, 0.0, 1.0)?,
            seed: self.seed.map(i64::cast_unsigned),
            frequency_penalty: within("frequency_penalty", self.frequency_penalty, -2.0, 2.0)?,
            presence_penalty: within("presence_penalty", self.presence_penalty, -2.0, 2.0)?,
            repetition_penalty: above("repetition_penalty", self.repetition_penalty, 10.0)?,
            logit_bias: biased.collect::<Result<_, _>>()?,
            stop: valid_stop(self.stop)?,
            stop_token_ids: stop_tokens(self.stop_token_ids.unwrap_or_default())?,
            tokens_min: count("min_tokens", self.min_tokens.unwrap_or(0), 0)?,
            ignore_end: self.ignore_eos.unwrap_or(false),
            cache_salt: salt(self.cache_salt)?,
            shows_special: !self.skip_special_tokens.unwrap_or(true),
            names_tokens: self.return_token_ids.unwrap_or(false),
        })
    }
}

/// Refuses fields that are there and not `false` or empty.
pub(super) fn refuse(fields: &[(&str, &Option<serde_json::Value>)]) -> Result<(), RequestError> {
    use serde_json::Value;
    let asks = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => true,
    };
    match fields.iter().find(|(_, value)| value.as_ref().is_some_and(asks)) {
        Some((name, _)) => Err(RequestError::new(*name, format!("{name} is not supported: leave it out"))),
        None => Ok(()),
    }
}

fn salt(salt: Option<String>) -> Result<Option<String>, RequestError> {
    match salt {
        Some(salt) if !(1..=SALT_BYTES_MAX).contains(&salt.len()) => {
            let text = format!("cache_salt must have 1 to {SALT_BYTES_MAX} bytes");
            Err(RequestError::new("cache_salt", text))
        }
        salt => Ok(salt),
    }
}

fn within(param: &str, value: Option<f32>, least: f32, most: f32) -> Result<Option<f32>, RequestError> {
    match value {
        Some(value) if !(least..=most).contains(&value) => {
            Err(RequestError::new(param, format!("{param} must be between {least} and {most}")))
        }
        value => Ok(value),
    }
}

fn above(param: &str, value: Option<f32>, most: f32) -> Result<Option<f32>, RequestError> {
    match value {
        Some(value) if !(value > 0.0 && value <= most) => {
            Err(RequestError::new(param, format!("{param} must be above 0 and at most {most}")))
        }
        value => Ok(value),
    }
}

fn top_k(value: Option<i64>) -> Result<Option<u32>, RequestError> {
    match value {
        None | Some(-1 | 0) => Ok(None),
        Some(value) => count("top_k", value, 1).map(Some),
    }
}

/// A number that fits 32 bits and is not below `least`.
pub(super) fn count(param: &str, value: i64, least: u32) -> Result<u32, RequestError> {
    u32::try_from(value)
        .ok()
        .filter(|value| *value >= least)
        .ok_or_else(|| RequestError::new(param, format!("{param} must be between {least} and {}", u32::MAX)))
}

fn stop_tokens(tokens: Vec<i64>) -> Result<Vec<u32>, RequestError> {
    if tokens.len() > STOP_TOKENS_MAX {
        let text = format!("stop_token_ids may have at most {STOP_TOKENS_MAX} tokens");
        return Err(RequestError::new("stop_token_ids", text));
    }
    tokens.into_iter().map(|token| count("stop_token_ids", token, 0)).collect()
}

fn valid_stop(stop: Option<Stop>) -> Result<Vec<String>, RequestError> {
    let stop = match stop {
        None => Vec::new(),
        Some(Stop::One(text)) => vec![text],
        Some(Stop::Many(texts)) => texts,
    };
    if stop.len() > STOPS_MAX {
        return Err(RequestError::new("stop", format!("stop may have at most {STOPS_MAX} texts")));
    }
    if stop.iter().any(|text| text.is_empty() || text.len() > STOP_BYTES_MAX) {
        return Err(RequestError::new(
            "stop",
            format!("each stop text must have 1 to {STOP_BYTES_MAX} bytes"),
        ));
    }
    Ok(stop)
}

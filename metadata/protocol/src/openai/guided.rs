//! Forms of answers as vLLM's clients ask for them, beside OpenAI's `response_format`: the `guided_*` fields and, newer,
//! `structured_outputs`.
//!
//! A request may ask for one form. Regular expressions are matched as a whole, without anchors and look-around. Grammars are in
//! llguidance's variant of Lark; those in GBNF are refused by name, as are structural tags. What only chooses the server's way of
//! keeping to a form (`guided_decoding_backend` and the like) changes nothing here and is not read.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::validate::is_schema;
use super::{AnswerForm, RequestError, ResponseFormat};

/// Of how many texts an answer may have to be one.
pub const FORM_CHOICES_MAX: usize = 1_024;

/// The newer name of the `guided_*` fields: one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StructuredOutputs {
    /// As `guided_json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// As `guided_regex`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// As `guided_choice`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<Vec<String>>,
    /// As `guided_grammar`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grammar: Option<String>,
    /// Whether the answer must be a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_object: Option<bool>,
    /// Not supported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structural_tag: Option<Value>,
}

/// The fields, as received.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GuidedFields {
    /// A JSON schema, or its text.
    pub json: Option<Value>,
    /// A regular expression.
    pub regex: Option<String>,
    /// Texts of which the answer is one.
    pub choice: Option<Vec<String>>,
    /// A grammar in Lark.
    pub grammar: Option<String>,
    /// The same under the newer name.
    pub structured: Option<StructuredOutputs>,
}

/// A form and the field that asks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedForm {
    /// The form an answer must have.
    pub form: AnswerForm,
    /// For errors.
    pub param: &'static str,
}

const FORMAT: &str = "response_format";
const STRUCTURED: &str = "structured_outputs";

impl GuidedFields {
    /// The one form that is asked for.
    pub(super) fn read(self, format: Option<ResponseFormat>) -> Result<AskedForm, RequestError> {
        let mut asked = Vec::new();
        let mut add = |param, form: Result<AnswerForm, RequestError>| -> Result<(), RequestError> {
            asked.push(AskedForm { form: form?, param });
            Ok(())
        };
        match AnswerForm::read(format)? {
            AnswerForm::Text => {}
            form => add(FORMAT, Ok(form))?,
        }
        let Self { json, regex, choice, grammar, structured } = self;
        let newer = structured.unwrap_or_default();
        if newer.structural_tag.is_some() {
            return Err(RequestError::new(STRUCTURED, "structured_outputs.structural_tag is not supported"));
        }
        for (param, json) in [("guided_json", json), (STRUCTURED, newer.json)] {
            json.map_or(Ok(()), |json| add(param, schema(param, json)))?;
        }
        for (param, regex) in [("guided_regex", regex), (STRUCTURED, newer.regex)] {
            regex.map_or(Ok(()), |regex| add(param, Ok(AnswerForm::Regex(regex))))?;
        }
        for (param, choice) in [("guided_choice", choice), (STRUCTURED, newer.choice)] {
            choice.map_or(Ok(()), |choice| add(param, choices(param, choice)))?;
        }
        for (param, grammar) in [("guided_grammar", grammar), (STRUCTURED, newer.grammar)] {
            grammar.map_or(Ok(()), |grammar| add(param, lark(param, grammar)))?;
        }
        if newer.json_object == Some(true) {
            add(STRUCTURED, Ok(AnswerForm::JsonObject))?;
        }
        if let [first, second, ..] = &*asked {
            let text = format!(
                "an answer can be kept to one form, and {} and {} both ask for one: leave all but one out",
                first.param, second.param
            );
            return Err(RequestError::new(second.param, text));
        }
        Ok(asked.pop().unwrap_or(AskedForm { form: AnswerForm::Text, param: FORMAT }))
    }
}

fn schema(param: &str, json: Value) -> Result<AnswerForm, RequestError> {
    let read = match json {
        Value::String(text) => serde_json::from_str(&text).ok(),
        json => Some(json),
    };
    read.filter(is_schema)
        .map(AnswerForm::JsonSchema)
        .ok_or_else(|| RequestError::new(param, format!("{param} must have a JSON schema, or its text")))
}

fn choices(param: &str, texts: Vec<String>) -> Result<AnswerForm, RequestError> {
    if !(1..=FORM_CHOICES_MAX).contains(&texts.len()) || texts.iter().any(String::is_empty) {
        let text = format!("{param} must have 1 to {FORM_CHOICES_MAX} texts to choose from, none empty");
        return Err(RequestError::new(param, text));
    }
    Ok(AnswerForm::Choice(texts))
}

fn lark(param: &str, grammar: String) -> Result<AnswerForm, RequestError> {
    if grammar.contains("::=") {
        let text = format!("{param} has a grammar in GBNF: write it in Lark (`start: ...`)");
        return Err(RequestError::new(param, text));
    }
    Ok(AnswerForm::Lark(grammar))
}

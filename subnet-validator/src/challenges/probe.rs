//! Requests of the validator's own that look like users': the same path, headers, accounts and sequence numbers, and a body in the form
//! that users' bodies have now. Only the words are new: the model itself thinks them up.

use std::collections::VecDeque;
use std::ops::Range;

use futures::StreamExt as _;
use model_runtime::{Event, GenerateError, GenerateRequest, ModelHandle, Prompt, Sampling};
use protocol::openai::ChatRequest;
use protocol::ticket::ModelId;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

/// Forms remembered.
const FORMS_MAX: usize = 32;
/// A body longer than this is no model for others, in bytes.
const FORM_BYTES_MAX: usize = 64 << 10;
/// Accounts that probes are paid from, in the log: no account of a user has so short a name.
const ACCOUNTS: u64 = 64;

const TOPICS: [&str; 24] = [
    "cooking",
    "history",
    "a programming language",
    "travel",
    "health",
    "a letter",
    "mathematics",
    "music",
    "a book",
    "the weather",
    "an animal",
    "space",
    "money",
    "a recipe",
    "sports",
    "a film",
    "a plant",
    "language learning",
    "a computer problem",
    "a story",
    "physics",
    "a birthday",
    "work",
    "a city",
];

/// Bodies that users sent lately, without their words.
#[derive(Debug, Default)]
pub(super) struct Forms(VecDeque<Form>);

/// A body around its messages, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Form {
    model: ModelId,
    before: String,
    after: String,
    /// Whether there is a space after colons and commas.
    is_spaced: bool,
}

impl Forms {
    /// Learns from a user's body, unless it has fields that belong to one user.
    pub(super) fn learn(&mut self, body: &[u8]) {
        if let Some(form) = Form::of(body) {
            self.0.push_back(form);
            if self.0.len() > FORMS_MAX {
                self.0.pop_front();
            }
        }
    }

    /// A body for this model that says the prompt, in a form that some user used, or in a common one.
    pub(super) fn body(&self, model: &ModelId, prompt: &str, tokens_max: u32, draw: u64) -> String {
        let known: Vec<&Form> = self.0.iter().filter(|form| form.model == *model).collect();
        let index = usize::try_from(draw % known.len().max(1) as u64).unwrap_or(0);
        match known.get(index) {
            Some(form) => form.with(prompt),
            None => json!({
                "model": model.as_str(),
                "messages": [{"role": "user", "content": prompt}],
                "max_tokens": tokens_max,
                "stream": draw.is_multiple_of(2),
            })
            .to_string(),
        }
    }
}

impl Form {
    fn of(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok().filter(|text| text.len() <= FORM_BYTES_MAX)?;
        let fields: Value = serde_json::from_str(text).ok()?;
        const OTHER_FORMS: [&str; 9] = [
            "user",
            "metadata",
            "tools",
            "response_format",
            "guided_json",
            "guided_regex",
            "guided_choice",
            "guided_grammar",
            "structured_outputs",
        ];
        if OTHER_FORMS.iter().any(|name| !fields[*name].is_null()) {
            return None;
        }
        let messages = messages_of(text)?;
        let request: ChatRequest = serde_json::from_str(text).ok()?;
        let model = request.validate().ok()?.model;
        let is_spaced = text.get(messages.start.checked_sub(1)?..messages.start) == Some(" ");
        let form = Self {
            model,
            before: text.get(..messages.start)?.to_owned(),
            after: text.get(messages.end..)?.to_owned(),
            is_spaced,
        };
        // What was taken for the messages must have been just those.
        let mut again: Value = serde_json::from_str(&form.with("x")).ok()?;
        again["messages"] = fields["messages"].clone();
        (again == fields).then_some(form)
    }

    fn with(&self, prompt: &str) -> String {
        let content = Value::from(prompt);
        let messages = if self.is_spaced {
            format!(r#"[{{"role": "user", "content": {content}}}]"#)
        } else {
            format!(r#"[{{"role":"user","content":{content}}}]"#)
        };
        format!("{}{messages}{}", self.before, self.after)
    }
}

/// Where the value of the first field called `messages` stands.
fn messages_of(text: &str) -> Option<Range<usize>> {
    const NAME: &str = "\"messages\"";
    let name_end = text.find(NAME)? + NAME.len();
    let colon = name_end + text.get(name_end..)?.find(':')? + 1;
    let start = colon + text.get(colon..)?.find(|c: char| !c.is_whitespace())?;
    let mut values = serde_json::Deserializer::from_str(text.get(start..)?).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(start..start + values.byte_offset())
}

/// The account that a probe is paid from.
pub(super) fn payer(draw: u64) -> String {
    format!("p{}", draw % ACCOUNTS)
}

/// Has the model think up what a user might say.
pub(super) async fn think_up(
    model: &ModelHandle,
    draw: u64,
    tokens_max: u32,
) -> Result<String, GenerateError> {
    let topic = TOPICS[usize::try_from(draw % TOPICS.len() as u64).unwrap_or(0)];
    let order =
        format!("Write one short question or task about {topic} for an assistant. Write nothing else.");
    let sampling = Sampling { temperature: 1.0, top_p: 0.95, seed: Some(draw), ..Sampling::greedy() };
    let request = GenerateRequest { sampling, ..GenerateRequest::greedy(Prompt::user(&order), tokens_max) };
    let mut generation = model.generate(request).await?;
    let mut text = String::new();
    while let Some(event) = generation.next().await {
        match event {
            Event::Token { text: more, .. } => text.push_str(&more),
            Event::Finished(_) | Event::Failed(_) => break,
        }
    }
    let text = text.trim();
    // A model that says nothing at all is asked about itself.
    Ok(if text.is_empty() { format!("Tell me something about {topic}.") } else { text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> ModelId {
        "m".parse().unwrap()
    }

    #[test]
    fn a_probe_has_the_form_of_a_users_body_byte_for_byte_around_its_words() {
        let bodies = [
            r#"{"messages":[{"role":"user","content":"hi"}],"model":"m","temperature":0.7}"#,
            r#"{"model": "m", "stream": true, "messages": [{"role": "system", "content": "\"messages\""}, {"role": "user", "content": "x"}], "seed": 4}"#,
        ];
        let expected = [
            r#"{"messages":[{"role":"user","content":"why \"so\"?"}],"model":"m","temperature":0.7}"#,
            r#"{"model": "m", "stream": true, "messages": [{"role": "user", "content": "why \"so\"?"}], "seed": 4}"#,
        ];
        for (body, expected) in bodies.into_iter().zip(expected) {
            let mut forms = Forms::default();
            forms.learn(body.as_bytes());
            assert_eq!(forms.body(&model(), "why \"so\"?", 9, 5), expected);
        }
    }

    #[test]
    fn bodies_that_name_a_user_or_hide_their_messages_teach_nothing() {
        let mut forms = Forms::default();
        for body in [
            r#"{"messages":[{"role":"user","content":"hi"}],"model":"m","user":"u"}"#,
            r#"{"other":{"messages":1},"messages":[{"role":"user","content":"hi"}],"model":"m"}"#,
            r#"{"model":"m"}"#,
            "nonsense",
        ] {
            forms.learn(body.as_bytes());
        }
        assert!(forms.0.is_empty(), "{forms:?}");
        let plain: Value = serde_json::from_str(&forms.body(&model(), "x", 9, 0)).unwrap();
        assert_eq!((&plain["max_tokens"], &plain["stream"]), (&json!(9), &json!(true)));
    }

    #[test]
    fn only_the_newest_forms_are_remembered() {
        let mut forms = Forms::default();
        for seed in 0..40 {
            let body =
                format!(r#"{{"model":"m","messages":[{{"role":"user","content":"a"}}],"seed":{seed}}}"#);
            forms.learn(body.as_bytes());
        }
        assert_eq!(forms.0.len(), FORMS_MAX);
        assert!(forms.body(&model(), "x", 9, 0).ends_with("\"seed\":8}"));
    }
}

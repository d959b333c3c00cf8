//! Requests of the validator's own that look like users': the same path, headers, accounts and sequence numbers, and a body in the form
//! that users' bodies have now, with as many messages of the same roles and, within a limit, of the same lengths. Only the words are
//! new: the model itself thinks them up.

use std::collections::VecDeque;
use std::ops::Range;

use futures::StreamExt as _;
use model_runtime::{Event, GenerateError, GenerateRequest, Message, ModelHandle, Prompt, Sampling};
use protocol::evidence::repeatable;
use protocol::ticket::ModelId;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

/// Forms remembered.
const FORMS_MAX: usize = 32;
/// A body longer than this is no model for others, in bytes.
const FORM_BYTES_MAX: usize = 64 << 10;
/// Messages of a conversation that is played; of longer ones the first rule and the last are.
const TURNS_MAX: usize = 16;
/// Tokens of a message at least.
const TURN_TOKENS_MIN: u32 = 8;
/// Bytes of text that pass for a token.
const BYTES_PER_TOKEN: usize = 4;
/// Texts that end an answer are a user's words too, unless they are as short as this, in bytes.
const STOP_BYTES_MAX: usize = 16;
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

/// A body around its messages, byte for byte, and what kind of messages they were.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Form {
    model: ModelId,
    before: String,
    after: String,
    /// Whether there is a space after colons and commas.
    is_spaced: bool,
    /// Whether a message says its words before its role.
    is_content_first: bool,
    turns: Vec<Turn>,
}

/// A message without its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Turn {
    role: String,
    /// About how long it is.
    tokens: u32,
}

/// A body that wants words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// The body around the words: one piece more than there are turns.
    pieces: Vec<String>,
    turns: Vec<Turn>,
}

impl Forms {
    /// Learns from a user's body, unless it has fields that belong to one user, or is none that can be executed again.
    pub(super) fn learn(&mut self, body: &[u8]) {
        if let Some(form) = Form::of(body) {
            self.0.push_back(form);
            if self.0.len() > FORMS_MAX {
                self.0.pop_front();
            }
        }
    }

    /// A body for this model, in a form that some user used, or in a common one.
    pub(super) fn shape(&self, model: &ModelId, tokens_max: u32, draw: u64) -> Shape {
        let known: Vec<&Form> = self.0.iter().filter(|form| form.model == *model).collect();
        let index = usize::try_from(draw % known.len().max(1) as u64).unwrap_or(0);
        if let Some(form) = known.get(index) {
            return form.shape();
        }
        let (model, stream) = (json!(model.as_str()), draw.is_multiple_of(2));
        Shape {
            pieces: vec![
                format!(r#"{{"model":{model},"messages":[{{"role":"user","content":"#),
                format!(r#"}}],"max_tokens":{tokens_max},"stream":{stream}}}"#),
            ],
            turns: vec![Turn::question()],
        }
    }
}

impl Turn {
    /// A short question.
    fn question() -> Self {
        Self { role: "user".to_owned(), tokens: 48 }
    }

    fn is_rule(&self) -> bool {
        matches!(self.role.as_str(), "system" | "developer")
    }

    /// The messages of a body, if they are of the simplest kind and end with the user's.
    fn all_of(messages: &Value) -> Option<Vec<Self>> {
        let of = |message: &Value| {
            let fields = message.as_object().filter(|fields| fields.len() == 2)?;
            let role = fields.get("role")?.as_str()?;
            let bytes = fields.get("content")?.as_str()?.len();
            let tokens = u32::try_from(bytes / BYTES_PER_TOKEN).unwrap_or(u32::MAX).max(TURN_TOKENS_MIN);
            ["system", "developer", "user", "assistant"]
                .contains(&role)
                .then(|| Self { role: role.to_owned(), tokens })
        };
        let mut turns = messages.as_array()?.iter().map(of).collect::<Option<Vec<_>>>()?;
        if turns.len() > TURNS_MAX {
            // The rule at the beginning stays, and what follows begins with the user.
            let rules = usize::from(turns.first().is_some_and(Self::is_rule));
            let end = turns.len() - TURNS_MAX + rules;
            turns.drain(rules..end);
            let answers = turns.iter().skip(rules).take_while(|turn| turn.role == "assistant").count();
            turns.drain(rules..rules + answers);
        }
        turns.last().is_some_and(|last| last.role == "user").then_some(turns)
    }
}

impl Form {
    fn of(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok().filter(|text| text.len() <= FORM_BYTES_MAX)?;
        let model = repeatable(body).ok()?.model;
        let fields: Value = serde_json::from_str(text).ok()?;
        let is_personal = ["user", "metadata"].iter().any(|name| !fields[*name].is_null());
        if is_personal || fields["stop"].to_string().len() > STOP_BYTES_MAX {
            return None;
        }
        let messages = messages_of(text)?;
        let is_spaced = text.get(messages.start.checked_sub(1)?..messages.start) == Some(" ");
        let said = text.get(messages.clone())?;
        let form = Self {
            model,
            before: text.get(..messages.start)?.to_owned(),
            after: text.get(messages.end..)?.to_owned(),
            is_spaced,
            is_content_first: said.find("\"content\"") < said.find("\"role\""),
            turns: Turn::all_of(&fields["messages"]).unwrap_or_else(|| vec![Turn::question()]),
        };
        // What was taken for the messages must have been just those.
        let words = vec![String::new(); form.turns.len()];
        let mut again: Value = serde_json::from_str(&form.shape().say(&words)).ok()?;
        again["messages"] = fields["messages"].clone();
        (again == fields).then_some(form)
    }

    fn shape(&self) -> Shape {
        let Self { before, after, turns, .. } = self;
        let space = if self.is_spaced { " " } else { "" };
        let mut pieces = vec![format!("{before}[")];
        for (index, Turn { role, .. }) in turns.iter().enumerate() {
            let comma = if index == 0 { String::new() } else { format!(",{space}") };
            let role = format!(r#""role":{space}"{role}""#);
            let (open, close) = if self.is_content_first {
                (format!(r#"{comma}{{"content":{space}"#), format!(",{space}{role}}}"))
            } else {
                (format!(r#"{comma}{{{role},{space}"content":{space}"#), "}".to_owned())
            };
            if let Some(last) = pieces.last_mut() {
                last.push_str(&open);
            }
            pieces.push(close);
        }
        if let Some(last) = pieces.last_mut() {
            last.push(']');
            last.push_str(after);
        }
        Shape { pieces, turns: turns.clone() }
    }
}

impl Shape {
    /// The body with these words, one text for each turn.
    pub(super) fn say(&self, words: &[String]) -> String {
        let mut body = String::new();
        for (index, piece) in self.pieces.iter().enumerate() {
            body.push_str(piece);
            if let Some(words) = words.get(index) {
                body.push_str(&Value::from(words.as_str()).to_string());
            }
        }
        body
    }

    /// How many tokens each turn gets of so many for all: as many as it asks for, or its share.
    fn tokens(&self, tokens_max: u32) -> Vec<u32> {
        let asked = self.turns.iter().map(|turn| u64::from(turn.tokens)).sum::<u64>().max(1);
        let share = |turn: &Turn| {
            let share = u64::from(turn.tokens) * u64::from(tokens_max) / asked;
            turn.tokens.min(u32::try_from(share).unwrap_or(u32::MAX)).max(TURN_TOKENS_MIN.min(tokens_max))
        };
        self.turns.iter().map(share).collect()
    }

    /// Has the model think up what is said, all of it together in about so many tokens.
    pub(super) async fn think_up(
        &self,
        model: &ModelHandle,
        draw: u64,
        tokens_max: u32,
    ) -> Result<Vec<String>, GenerateError> {
        let topic = TOPICS[usize::try_from(draw % TOPICS.len() as u64).unwrap_or(0)];
        let mut said: Vec<Message> = Vec::new();
        for (index, (turn, tokens)) in self.turns.iter().zip(self.tokens(tokens_max)).enumerate() {
            let prompt = match order(&turn.role, topic, tokens, index) {
                Some(order) => Prompt::user(&order),
                None => Prompt::Chat(said.clone()),
            };
            let text = write(model, prompt, draw.wrapping_add(index as u64), tokens).await?;
            // A model that says nothing at all is asked about itself.
            let text = if text.is_empty() { format!("Tell me something about {topic}.") } else { text };
            said.push(Message { role: turn.role.clone(), content: text });
        }
        Ok(said.into_iter().map(|message| message.content).collect())
    }
}

/// What the model is told to write; `None` where it simply answers.
fn order(role: &str, topic: &str, tokens: u32, index: usize) -> Option<String> {
    const WORDS_PER_TOKEN: f32 = 0.75;
    /// Past this a message is told its length.
    const SHORT_TOKENS: u32 = 60;
    let what = match role {
        "assistant" => return None,
        "user" if index > 1 => format!("one more question about {topic} for an assistant, shortly"),
        "user" if tokens <= SHORT_TOKENS => {
            format!("one short question or task about {topic} for an assistant")
        }
        "user" => {
            let words = (f64::from(tokens) * f64::from(WORDS_PER_TOKEN)) as u32;
            format!("a task about {topic} for an assistant, with its background, in {words} words")
        }
        _ => format!("one short rule for an assistant that helps with {topic}"),
    };
    Some(format!("Write {what}. Write nothing else."))
}

async fn write(
    model: &ModelHandle,
    prompt: Prompt,
    seed: u64,
    tokens_max: u32,
) -> Result<String, GenerateError> {
    let sampling = Sampling { temperature: 1.0, top_p: 0.95, seed: Some(seed), ..Sampling::greedy() };
    let request = GenerateRequest { sampling, ..GenerateRequest::greedy(prompt, tokens_max) };
    let mut generation = model.generate(request).await?;
    let mut text = String::new();
    while let Some(event) = generation.next().await {
        match event {
            Event::Token { text: more, .. } => text.push_str(&more),
            Event::Finished(_) | Event::Failed(_) => break,
        }
    }
    Ok(text.trim().to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> ModelId {
        "m".parse().unwrap()
    }

    fn said(forms: &Forms, draw: u64, words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|words| (*words).to_owned()).collect();
        forms.shape(&model(), 9, draw).say(&words)
    }

    #[test]
    fn a_probe_has_the_form_of_a_users_body_byte_for_byte_around_its_words() {
        let cases: [(&str, &[&str], &str); 4] = [
            (
                r#"{"messages":[{"role":"user","content":"hi"}],"model":"m","temperature":0.7}"#,
                &["why \"so\"?"],
                r#"{"messages":[{"role":"user","content":"why \"so\"?"}],"model":"m","temperature":0.7}"#,
            ),
            (
                r#"{"model": "m", "stream": true, "messages": [{"role": "system", "content": "\"messages\""}, {"role": "user", "content": "x"}], "seed": 4}"#,
                &["a", "b"],
                r#"{"model": "m", "stream": true, "messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}], "seed": 4}"#,
            ),
            (
                r#"{"model":"m","messages":[{"content":"\"role\"","role":"user"},{"content":"y","role":"assistant"},{"content":"z","role":"user"}]}"#,
                &["a", "b", "c"],
                r#"{"model":"m","messages":[{"content":"a","role":"user"},{"content":"b","role":"assistant"},{"content":"c","role":"user"}]}"#,
            ),
            (
                r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x"}]}]}"#,
                &["a"],
                r#"{"model":"m","messages":[{"role":"user","content":"a"}]}"#,
            ),
        ];
        for (body, words, expected) in cases {
            let mut forms = Forms::default();
            forms.learn(body.as_bytes());
            assert_eq!(said(&forms, 5, words), expected);
        }
    }

    #[test]
    fn a_long_conversation_is_played_with_its_last_messages_and_within_the_tokens_for_it() {
        let message = |role: &str, bytes: usize| json!({"role": role, "content": "x".repeat(bytes)});
        let mut messages = vec![message("system", 4_000)];
        (0..20).for_each(|index| messages.push(message(["user", "assistant"][index % 2], 40)));
        messages.push(message("user", 4_000));
        let mut forms = Forms::default();
        forms.learn(json!({"model": "m", "messages": messages}).to_string().as_bytes());
        let shape = forms.shape(&model(), 9, 0);
        let roles: Vec<&str> = shape.turns.iter().map(|turn| turn.role.as_str()).collect();
        assert_eq!((roles.len(), shape.pieces.len()), (16, 17));
        assert_eq!((roles[0], roles[1], roles[2], roles[15]), ("system", "user", "assistant", "user"));
        assert_eq!(shape.tokens(10_000), [vec![1_000], vec![10; 14], vec![1_000]].concat());
        let tokens = shape.tokens(500);
        assert!((400..=620).contains(&tokens.iter().sum::<u32>()), "{tokens:?}");
    }

    #[test]
    fn bodies_that_name_a_user_or_hide_their_messages_or_are_never_executed_again_teach_nothing() {
        let mut forms = Forms::default();
        for body in [
            r#"{"messages":[{"role":"user","content":"hi"}],"model":"m","user":"u"}"#,
            r#"{"messages":[{"role":"user","content":"hi"}],"model":"m","n":2}"#,
            r#"{"messages":[{"role":"user","content":"hi"}],"model":"m","logit_bias":{"1":1}}"#,
            r#"{"messages":[{"role":"user","content":"hi"}],"model":"m","stop":["Dear Mr. Smith of Baker Street"]}"#,
            r#"{"other":{"messages":1},"messages":[{"role":"user","content":"hi"}],"model":"m"}"#,
            r#"{"model":"m"}"#,
            "nonsense",
        ] {
            forms.learn(body.as_bytes());
        }
        assert!(forms.0.is_empty(), "{forms:?}");
        let plain: Value = serde_json::from_str(&said(&forms, 0, &["x"])).unwrap();
        let expected = json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": 9, "stream": true});
        assert_eq!(plain, expected);
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
        assert!(said(&forms, 0, &["x"]).ends_with("\"seed\":8}"));
    }
}

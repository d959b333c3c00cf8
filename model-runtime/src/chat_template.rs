//! Chat templates: from a conversation to the text a model was trained to answer.
//!
//! Templates are Jinja2 as the Python libraries run it, so the environment is set up as theirs: blocks are trimmed, Python's string and
//! dictionary methods exist, dictionaries keep their order, `tojson` is `json.dumps`, and `raise_exception` refuses a conversation.
//!
//! Deliberately absent: `strftime_now`. The same conversation gives the same tokens on any day, so that another node can compute an answer
//! again; templates that ask for the date take it from the variable they have for it (`date_string` in Llama's), or do without.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error as TemplateError, ErrorKind, UndefinedBehavior, Value, context};
use serde_json::{Map, Value as Json};
use thiserror::Error;

mod python;
mod tools;

use crate::dialect::{Calls, Dialect};

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `system`, `user`, `assistant`, or what else the template knows.
    pub role: String,
    /// What was said.
    pub content: String,
}

impl Message {
    fn value(&self) -> Value {
        Value::from_pairs([("role", self.role.as_str()), ("content", self.content.as_str())])
    }
}

/// A conversation with all that a template may know of it. Keys are those of OpenAI's messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    /// Objects with `role`, a text as `content`, and where they belong `tool_calls` (arguments as objects), `tool_call_id`, `name`,
    /// `reasoning_content`.
    pub messages: Vec<Json>,
    /// Functions that may be called, as objects with `type` and `function`.
    pub tools: Vec<Json>,
    /// More variables for the template, such as `enable_thinking`.
    pub variables: Map<String, Json>,
    /// Whether the last message is the assistant's, to be continued instead of answered.
    pub continues: bool,
}

/// A template that cannot be used, or a conversation it refuses.
#[derive(Debug, Error)]
pub enum ChatTemplateError {
    /// The template itself is broken.
    #[error("the chat template does not parse")]
    Parse(#[source] TemplateError),
    /// The template refused this conversation.
    #[error("the chat template refused the messages")]
    Render(#[source] TemplateError),
    /// The last message is to be continued, and what the template makes of it does not show where.
    #[error("the last message cannot be continued: it has no text, or the chat template leaves it out")]
    NothingToContinue,
}

/// Texts of tokens that templates ask for.
#[derive(Clone, Debug, Default)]
pub struct TemplateTokens {
    /// Begins a text.
    pub bos: String,
    /// Ends an answer.
    pub eos: String,
}

/// A parsed template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    tokens: TemplateTokens,
    dialect: Dialect,
    /// Whether it writes tools into the prompt by itself.
    knows_tools: bool,
}

const NAME: &str = "chat";
/// Steps a template may take, so that a hostile one ends.
const FUEL: u64 = 2_000_000;
/// Bytes that a template may write: each of its steps may write a whole message again.
const TEXT_BYTES_MAX: usize = 16 << 20;

impl ChatTemplate {
    /// # Errors
    /// When the template does not parse.
    pub fn new(source: &str, tokens: TemplateTokens) -> Result<Self, ChatTemplateError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(ChatTemplateError::Parse)?;
        environment.set_syntax(syntax);
        environment.set_fuel(Some(FUEL));
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", raise_exception);
        environment.add_filter("tojson", python::to_json);
        environment.add_template_owned(NAME, source.to_owned()).map_err(ChatTemplateError::Parse)?;
        let dialect = Dialect::of_template(source);
        let knows_tools = source.contains("tools") && dialect.calls != Calls::None;
        Ok(Self { environment, tokens, dialect, knows_tools })
    }

    /// The text up to where the answer begins.
    ///
    /// # Errors
    /// When the template refuses the messages.
    pub fn render(&self, messages: &[Message]) -> Result<String, ChatTemplateError> {
        let messages: Vec<Value> = messages.iter().map(Message::value).collect();
        self.text_of(context! {
            messages,
            tools => Value::from(()),
            documents => Value::from(()),
            add_generation_prompt => true,
            bos_token => self.tokens.bos.as_str(),
            eos_token => self.tokens.eos.as_str(),
        })
    }

    fn text_of(&self, variables: Value) -> Result<String, ChatTemplateError> {
        let template = self.environment.get_template(NAME).map_err(ChatTemplateError::Parse)?;
        let mut text = BoundedText(Vec::new());
        template.render_captured_to(variables, &mut text).map_err(ChatTemplateError::Render)?;
        // minijinja writes whole texts only.
        Ok(String::from_utf8_lossy(&text.0).into_owned())
    }
}

/// What a template writes, up to a limit.
struct BoundedText(Vec<u8>);

impl std::io::Write for BoundedText {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len().saturating_add(bytes.len()) > TEXT_BYTES_MAX {
            return Err(std::io::Error::other("the template writes more than 16 MiB"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Stands behind the last message's text while a template renders it, to find its end again. The space shows whether the template keeps the
/// white space there. Of characters for private use, which no message needs and no template looks for.
const END_MARK: &str = "\u{f0c64}\u{f0c65} ";

/// The messages with a mark behind the last one's text.
fn marked(messages: &[Json]) -> Result<Vec<Json>, ChatTemplateError> {
    let mut messages = messages.to_vec();
    let last = messages.last_mut().ok_or(ChatTemplateError::NothingToContinue)?;
    let text = last["content"].as_str().ok_or(ChatTemplateError::NothingToContinue)?;
    last["content"] = format!("{text}{END_MARK}").into();
    Ok(messages)
}

/// The text up to the mark, so that the model goes on with the last message; as transformers' `continue_final_message` cuts it.
fn cut_at_mark(mut text: String) -> Result<String, ChatTemplateError> {
    let at = text.rfind(END_MARK.trim_end()).ok_or(ChatTemplateError::NothingToContinue)?;
    let keeps_space = text[at..].starts_with(END_MARK);
    text.truncate(at);
    if !keeps_space {
        text.truncate(text.trim_end().len());
    }
    Ok(text)
}

impl ChatTemplate {
    /// The text up to where the answer begins, for a conversation with tools and options. A template that knows no tools gets them as
    /// words of the system's and the user's, in the tagged dialect.
    ///
    /// # Errors
    /// When the template refuses the conversation.
    pub fn render_conversation(&self, conversation: &Conversation) -> Result<String, ChatTemplateError> {
        let Conversation { messages, tools, variables, continues } = conversation;
        let in_words = (!self.knows_tools).then(|| tools::in_words(messages, tools));
        let messages = in_words.as_ref().unwrap_or(messages);
        let marked = continues.then(|| marked(messages)).transpose()?;
        let messages = marked.as_ref().unwrap_or(messages);
        let tools =
            if self.knows_tools && !tools.is_empty() { value_of_list(tools) } else { Value::from(()) };
        let given = context! {
            messages => value_of_list(messages),
            tools,
            documents => Value::from(()),
            add_generation_prompt => !continues,
            bos_token => self.tokens.bos.as_str(),
            eos_token => self.tokens.eos.as_str(),
        };
        let text = self.text_of(context! { ..given, ..value_of_object(variables) })?;
        if *continues { cut_at_mark(text) } else { Ok(text) }
    }

    /// How an answer is written, when tools are on offer or not.
    #[must_use]
    pub fn dialect(&self, with_tools: bool) -> Dialect {
        match (with_tools, self.knows_tools) {
            (true, true) => self.dialect,
            (true, false) => Dialect { calls: Calls::Tagged, ..self.dialect },
            (false, _) => Dialect { calls: Calls::None, ..self.dialect },
        }
    }
}

/// By hand, because serde_json's numbers may be kept as written, which minijinja would show as objects.
fn value_of(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::from(number),
            (None, Some(number)) => Value::from(number),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => value_of_list(items),
        Json::Object(object) => value_of_object(object),
    }
}

fn value_of_list(items: &[Json]) -> Value {
    items.iter().map(value_of).collect()
}

fn value_of_object(object: &Map<String, Json>) -> Value {
    let pairs: Vec<(&str, Value)> =
        object.iter().map(|(key, value)| (key.as_str(), value_of(value))).collect();
    Value::from_object(python::Dictionary::new(pairs.iter().map(|(key, value)| (*key, value.clone()))))
}

fn raise_exception(message: String) -> Result<String, TemplateError> {
    Err(TemplateError::new(ErrorKind::InvalidOperation, message))
}

#[cfg(test)]
mod tests;

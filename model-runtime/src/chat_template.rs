//! Chat templates: from a conversation to the text a model was trained to answer.
//!
//! Templates are Jinja2 as the Python libraries run it, so the environment is set up as theirs: blocks are trimmed, Python's string and
//! dictionary methods exist, and `raise_exception` refuses a conversation.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error as TemplateError, ErrorKind, UndefinedBehavior, Value, context};
use thiserror::Error;

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

/// A template that cannot be used, or a conversation it refuses.
#[derive(Debug, Error)]
pub enum ChatTemplateError {
    /// The template itself is broken.
    #[error("the chat template does not parse")]
    Parse(#[source] TemplateError),
    /// The template refused this conversation.
    #[error("the chat template refused the messages")]
    Render(#[source] TemplateError),
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
}

const NAME: &str = "chat";
/// Steps a template may take, so that a hostile one ends.
const FUEL: u64 = 2_000_000;

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
        environment.add_template_owned(NAME, source.to_owned()).map_err(ChatTemplateError::Parse)?;
        Ok(Self { environment, tokens })
    }

    /// The text up to where the answer begins.
    ///
    /// # Errors
    /// When the template refuses the messages.
    pub fn render(&self, messages: &[Message]) -> Result<String, ChatTemplateError> {
        let messages: Vec<Value> = messages.iter().map(Message::value).collect();
        let variables = context! {
            messages,
            add_generation_prompt => true,
            bos_token => self.tokens.bos.as_str(),
            eos_token => self.tokens.eos.as_str(),
        };
        let template = self.environment.get_template(NAME).map_err(ChatTemplateError::Parse)?;
        template.render(variables).map_err(ChatTemplateError::Render)
    }
}

fn raise_exception(message: String) -> Result<String, TemplateError> {
    Err(TemplateError::new(ErrorKind::InvalidOperation, message))
}

#[cfg(test)]
mod tests;

//! Which functions a model may or must call.

use serde_json::{Value, json};

use super::validate::is_schema;
use super::{RequestError, Tool};

/// How many functions may be on offer.
pub const TOOLS_MAX: usize = 128;
/// How long a function's name may be.
pub const TOOL_NAME_CHARS_MAX: usize = 128;

/// Whether and which function must be called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// None may be.
    None,
    /// As the model likes.
    #[default]
    Auto,
    /// At least one.
    Required,
    /// This one.
    Named(String),
}

impl ToolChoice {
    /// Reads the field; without tools nothing can be called, and nothing required.
    pub(super) fn read(choice: Option<&Value>, tools: &[Tool]) -> Result<Self, RequestError> {
        let error = |text: &str| RequestError::new("tool_choice", text);
        let default = if tools.is_empty() { Self::None } else { Self::Auto };
        let choice = match choice {
            None | Some(Value::Null) => default,
            Some(Value::String(text)) => match text.as_str() {
                "none" => Self::None,
                "auto" => default,
                "required" => Self::Required,
                _ => return Err(error("tool_choice must be none, auto, required, or a function to call")),
            },
            Some(named) => {
                let name = named.pointer("/function/name").and_then(Value::as_str);
                let name = name.filter(|_| named["type"] == "function");
                Self::Named(name.ok_or_else(|| error("tool_choice must name a function to call"))?.to_owned())
            }
        };
        match &choice {
            Self::Required if tools.is_empty() => Err(error("tool_choice needs tools to choose from")),
            Self::Named(name) if !tools.iter().any(|tool| tool.name() == Some(name)) => {
                Err(error("tool_choice names a function that is not among the tools"))
            }
            _ => Ok(choice),
        }
    }

    /// The schema of the one call that must be made: an object of `name` and `arguments`. `None` where none must be.
    pub fn required_call(&self, tools: &[Tool]) -> Option<Value> {
        let one = |tool: &Tool| {
            let function = tool.function.as_ref()?;
            let arguments = function.parameters.clone().unwrap_or_else(|| json!({ "type": "object" }));
            Some(json!({
                "type": "object",
                "properties": { "name": { "const": function.name }, "arguments": arguments },
                "required": ["name", "arguments"],
                "additionalProperties": false,
            }))
        };
        let wanted = |tool: &&Tool| match self {
            Self::Named(name) => tool.name() == Some(name),
            _ => true,
        };
        match self {
            Self::None | Self::Auto => None,
            Self::Required | Self::Named(_) => {
                let mut calls: Vec<Value> = tools.iter().filter(wanted).filter_map(one).collect();
                if calls.len() == 1 { calls.pop() } else { Some(json!({ "anyOf": calls })) }
            }
        }
    }
}

impl Tool {
    /// Its function's name.
    pub fn name(&self) -> Option<&str> {
        self.function.as_ref().map(|function| function.name.as_str())
    }
}

pub(super) fn valid_tools(tools: Vec<Tool>) -> Result<Vec<Tool>, RequestError> {
    if tools.len() > TOOLS_MAX {
        return Err(RequestError::new("tools", format!("tools may have at most {TOOLS_MAX} functions")));
    }
    for (index, tool) in tools.iter().enumerate() {
        let error = |field: &str, text: &str| RequestError::new(format!("tools[{index}].{field}"), text);
        let Some(function) = tool.function.as_ref().filter(|_| tool.kind == "function") else {
            return Err(error("type", "only tools of type function, each with a function, are supported"));
        };
        let plain = |character: char| character.is_ascii_alphanumeric() || "_-.".contains(character);
        if !(1..=TOOL_NAME_CHARS_MAX).contains(&function.name.len()) || !function.name.chars().all(plain) {
            return Err(error(
                "function.name",
                "a function's name has 1 to 128 characters out of A-Z a-z 0-9 _ - .",
            ));
        }
        if function.parameters.as_ref().is_some_and(|schema| !is_schema(schema)) {
            return Err(error("function.parameters", "a function's parameters must be a JSON schema"));
        }
    }
    Ok(tools)
}
